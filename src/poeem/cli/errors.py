"""How a command ends when it cannot do what was asked."""

from __future__ import annotations

OK, FAULT, MISTAKE, INTERRUPTED = 0, 1, 2, 130


class Failure(Exception):
    """Neither the user's mistake nor a fault of the program's logic: one line, exit code 1."""
