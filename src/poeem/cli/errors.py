"""How a command ends when it cannot do what was asked."""

from __future__ import annotations

import re
from collections.abc import Mapping

OK, FAULT, MISTAKE, INTERRUPTED = 0, 1, 2, 130


class Failure(Exception):
    """Neither the user's mistake nor a fault of the program's logic: one line, exit code 1."""


def in_options(message: str, options: Mapping[str, str]) -> str:
    """A complaint of the library with its arguments by the names that the command line has for them.

    Args:
        message: ``argument (=value) must be ...``, and maybe ``argument='value'`` for a mend.
        options: by the name of the argument: the option, or for a switch the one that turns it off.

    >>> in_options("spec (='PQ3') must fit; give codes='fixed' too", {"spec": "--index", "codes": "--codes"})
    "--index (='PQ3') must fit; give --codes fixed too"
    >>> in_options("words (=False) leaves nothing to train", {"words": "--no-words"})
    '--no-words leaves nothing to train'
    """

    for name, option in options.items():
        if option.startswith("--no-"):
            message = re.sub(rf"\b{name} \(=False\)", option, message)
        else:
            message = re.sub(rf"\b{name} \(=", f"{option} (=", message)
            message = re.sub(rf"\b{name}='([^']*)'", rf"{option} \1", message)
    return message
