"""Exit codes of commands, and functions that recognise and reword errors."""

from __future__ import annotations

import errno
import re
from collections.abc import Mapping

OK, FAULT, MISTAKE, INTERRUPTED = 0, 1, 2, 130


class Failure(Exception):
    """An error that is neither a mistake of the user nor an internal fault, such as a failed download.

    The exit code is 1.
    """


# Texts of errors of safetensors, faiss and torch, which are no OSError.
_DISK_FULL = (
    "No space left",
    "File too large",
    "quota exceeded",
    "os error 28",
    "os error 27",
    "PytorchStreamWriter failed",
)
_NO_PERMISSION = ("Permission denied", "Read-only file system", "os error 13", "os error 30")


def disk_is_full(error: BaseException) -> bool:
    """Return whether a write failed because the disk is full or a file size limit is reached.

    >>> disk_is_full(OSError(errno.ENOSPC, "x")), disk_is_full(RuntimeError("write error: No space left on device"))
    (True, True)
    """
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT):
        return True
    return any(text in str(error) for text in _DISK_FULL)


def cannot_write(error: BaseException) -> bool:
    """Return whether a write failed because of missing permissions."""
    return any(text in str(error) for text in _NO_PERMISSION)


def with_option_names(message: str, options: Mapping[str, str]) -> str:
    """Return an error message with options of the command line in place of argument names.

    Args:
        message: such as ``argument (=value) must be ...; give argument='value'``.
        options: option by argument name; for a switch, the option that turns it off.

    >>> with_option_names("spec (='PQ3') must fit; give codes='fixed' too", {"spec": "--index", "codes": "--codes"})
    "--index (='PQ3') must fit; give --codes fixed too"
    >>> with_option_names("header (=False) is odd", {"header": "--no-header"})
    '--no-header is odd'
    >>> with_option_names("--out (='a') is an input", {"out": "--out"})
    "--out (='a') is an input"
    """
    for name, option in options.items():
        if option.startswith("--no-"):
            message = re.sub(rf"\b{name} \(=False\)", option, message)
        else:
            message = re.sub(rf"(?<!--)\b{name} \(=", f"{option} (=", message)
            message = re.sub(rf"\b{name}='([^']*)'", rf"{option} \1", message)
    return message
