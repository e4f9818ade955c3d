"""The target of an index: a recall, a size or a latency."""

from __future__ import annotations

import math
from typing import NamedTuple

RECALL, BYTES, LATENCY = "recall", "bytes", "latency-ms"
_EXAMPLES = "recall=0.95, bytes=16 or latency-ms=2"


class Target(NamedTuple):
    """The name of a target (``recall``, ``bytes`` or ``latency-ms``) and its value."""

    name: str
    value: float


def parse_target(text: str) -> Target:
    """Read a target such as ``recall=0.95``, ``bytes=16`` or ``latency-ms=2``.

    Raises:
        ValueError: the name is another one, or the value is out of range.

    >>> parse_target("recall=0.95")
    Target(name='recall', value=0.95)
    >>> parse_target("speed=9")
    Traceback (most recent call last):
    ...
    ValueError: target (='speed=9') must be one of recall=0.95, bytes=16 or latency-ms=2
    """
    name, _, number = text.partition("=")
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if name not in (RECALL, BYTES, LATENCY) or math.isnan(value):
        raise ValueError(f"target (={text!r}) must be one of {_EXAMPLES}")
    if name == RECALL and not 0 < value <= 1:
        raise ValueError(f"target (={text!r}): the recall must be above 0 and at most 1; write recall=0.95")
    if name == BYTES and not (value.is_integer() and 1 <= value <= 4096):
        raise ValueError(f"target (={text!r}): the bytes must be a whole number from 1 to 4096; write bytes=16")
    if name == LATENCY and not 0 < value < math.inf:
        raise ValueError(f"target (={text!r}): the milliseconds must be above 0; write latency-ms=2")
    return Target(name, value)
