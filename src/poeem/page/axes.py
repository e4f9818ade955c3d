"""Axes of charts: places of values, and the numbers beside the lines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Axis:
    """A linear or logarithmic axis.

    Args:
        low, high: the ends, in values; above 0 on a logarithmic axis.
        start, end: the ends, in units of the picture.
        log: whether it is logarithmic.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def place(self, value: float) -> float:
        """Return where a value lies in the picture."""
        scale = math.log if self.log else float
        share = (scale(value) - scale(self.low)) / ((scale(self.high) - scale(self.low)) or 1)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Return round values between the ends."""
        return log_ticks(self.low, self.high) if self.log else linear_ticks(self.low, self.high)


def axis_of(values: Sequence[float], start: float, end: float, *, log: bool = False, zero: bool = False) -> Axis:
    """Return an axis that holds the values with a margin.

    Args:
        values: finite; on a logarithmic axis above 0.
        start, end: the ends in the picture.
        log: logarithmic.
        zero: whether 0 must be on it.
    """
    low, high = min(values), max(values)
    if log:
        return Axis(low / 1.4, high * 1.4, start, end, True)
    if zero:
        return Axis(min(low, 0.0), (high or 1.0) * 1.05, start, end)
    room = 0.08 * (high - low) or abs(high) * 0.1 or 1.0
    return Axis(low - room, high + room, start, end)


def linear_ticks(low: float, high: float) -> list[float]:
    """Return about five round values between two ends.

    >>> linear_ticks(0.61, 0.66)
    [0.61, 0.62, 0.63, 0.64, 0.65, 0.66]
    """
    step = 10.0 ** math.floor(math.log10((high - low) / 4 or 1))
    step = next(step * factor for factor in (1, 2, 2.5, 5, 10) if (high - low) / (step * factor) <= 5.01)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{number * step:.10g}") for number in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Return powers of ten between two ends, with 2 and 5 times them if the ends are near.

    >>> log_ticks(3, 300)
    [5.0, 10.0, 20.0, 50.0, 100.0, 200.0]
    """
    factors = (1.0, 2.0, 5.0) if high / low < 500 else (1.0,)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [10.0**power * factor for power in powers for factor in factors if low <= 10.0**power * factor <= high]


def number(value: float) -> str:
    """Return a short form of a number.

    >>> number(0.65), number(12_000_000), number(2500), number(0)
    ('0.65', '12M', '2.5k', '0')
    """
    for size, sign in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.4g}{sign}"
    return f"{value:.4g}"
