"""How a command ends when it cannot do what was asked."""

from __future__ import annotations

import errno
import re
from collections.abc import Mapping

OK, FAULT, MISTAKE, INTERRUPTED = 0, 1, 2, 130


class Failure(Exception):
    """Neither the user's mistake nor a fault of the program's logic: one line, exit code 1."""


# What libraries say that raise no OSError: safetensors, faiss, torch.
_FULL = (
    "No space left",
    "File too large",
    "quota exceeded",
    "os error 28",
    "os error 27",
    "PytorchStreamWriter failed",
)
_NO_RIGHT = ("Permission denied", "Read-only file system", "os error 13", "os error 30")


def disk_is_full(error: BaseException) -> bool:
    """Whether a write failed for want of space or by a limit on file sizes.

    >>> disk_is_full(OSError(errno.ENOSPC, "x")), disk_is_full(RuntimeError("write error: No space left on device"))
    (True, True)
    """
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT):
        return True
    return any(text in str(error) for text in _FULL)


def cannot_write(error: BaseException) -> bool:
    """Whether a place could not be written for want of rights."""
    return any(text in str(error) for text in _NO_RIGHT)


def in_options(message: str, options: Mapping[str, str]) -> str:
    """A complaint of the library with its arguments by the names that the command line has for them.

    Args:
        message: ``argument (=value) must be ...``, and maybe ``argument='value'`` as the fix.
        options: by the name of the argument: the option, or for a switch the one that turns it off.

    >>> in_options("spec (='PQ3') must fit; give codes='fixed' too", {"spec": "--index", "codes": "--codes"})
    "--index (='PQ3') must fit; give --codes fixed too"
    >>> in_options("header (=False) is odd", {"header": "--no-header"})
    '--no-header is odd'
    """

    for name, option in options.items():
        if option.startswith("--no-"):
            message = re.sub(rf"\b{name} \(=False\)", option, message)
        else:
            message = re.sub(rf"\b{name} \(=", f"{option} (=", message)
            message = re.sub(rf"\b{name}='([^']*)'", rf"{option} \1", message)
    return message
