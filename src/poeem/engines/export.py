"""Export a bundle to an engine, given by its name."""

from __future__ import annotations

from dataclasses import fields
from importlib import import_module
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

from poeem.bundle import Bundle, open_bundle
from poeem.engines.capabilities import check_capable
from poeem.engines.report import Report
from poeem.engines.self_check import check_scale

# Module, function and class of options of each writer; without a class, its keyword arguments are the options. A module
# is imported when its engine is used: the others need not be installed.
WRITERS: dict[str, tuple[str, str, str | None]] = {
    "faiss": ("poeem.engines.faiss.write", "write_faiss", "FaissOptions"),
    "lance": ("poeem.engines.lance.write", "write_lance", None),
    "scann": ("poeem.engines.scann.write", "write_scann", None),
}


def export(bundle: Bundle | str | Path, engine: str, path: str | Path, **options: Any) -> Report:
    """Write a bundle as an engine's own file, read it back, and check that the engine scores as the reference does.

    Args:
        bundle: the bundle, or its folder.
        engine: ``faiss``, ``lance`` or ``scann`` (experimental).
        path: the file or folder to write. The report is written beside it, as ``FILE.json``.
        options: options of the engine. faiss: those of `FaissOptions`, and ``queries``; lance: ``vectors``, which it
            stores, ``columns``, ``nprobe``, ``queries``; scann: ``nprobe``, ``queries``. ``queries (nq, dim)`` are for
            the self-check.
    Returns:
        the report.
    Raises:
        ValueError: the engine or an option is unknown, the engine cannot hold this index, or ``path`` is in the bundle.
        EngineMismatch: the engine's scores differ from the reference's. The new file is deleted.
    """
    if engine not in WRITERS:
        raise ValueError(f"engine (={engine!r}) cannot be exported to; choose one of {', '.join(WRITERS)}")
    module, function, options_class = WRITERS[engine]
    found = import_module(module)
    write, form = getattr(found, function), None if options_class is None else getattr(found, options_class)
    in_form = [] if form is None else [field.name for field in fields(form)]
    keywords = [one.name for one in signature(write).parameters.values() if one.kind is Parameter.KEYWORD_ONLY]
    for name in options:
        if name not in (*in_form, *keywords):
            raise ValueError(f"engine {engine!r} has no option {name!r}; it has {', '.join((*in_form, *keywords))}")
    if not isinstance(bundle, Bundle):
        bundle = open_bundle(bundle)
    check_capable(engine, bundle.spec, bundle.metric)
    check_scale(bundle)
    if Path(path).resolve().is_relative_to(bundle.path.resolve()):
        raise ValueError(f"path (={str(path)!r}) lies in the bundle that is exported; name another place")
    if form is not None:
        options = {
            "options": form(**{name: value for name, value in options.items() if name in in_form}),
            **{name: value for name, value in options.items() if name in keywords},
        }
    return write(bundle, Path(path), **options)
