"""Methods of papers by name: a module for each, with paper and settings. A new module here is a new method."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import Any


def method_names() -> list[str]:
    """Return the names of all methods, such as ``poeem-2021``."""
    return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__))


def method_settings(name: str, command: str) -> dict[str, Any]:
    """Return the settings of a method that differ from the defaults.

    Args:
        name: one of ``method_names``.
        command: ``"train"`` (options of ``TrainOptions``) or ``"fit"`` (of ``FitOptions``).
    Returns:
        values by the names of the options.
    Raises:
        ValueError: there is no such method.

    >>> method_settings("jpq", "train")
    {'codes': 'fixed'}
    """
    if name not in method_names():
        raise ValueError(f"method (={name!r}) must be one of {', '.join(method_names())}")
    return getattr(import_module(f"{__name__}.{name.replace('-', '_')}"), command.upper())
