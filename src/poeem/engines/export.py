"""Export a bundle to an engine by its name."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

from poeem.bundle import Bundle, open_bundle
from poeem.engines.capabilities import check_capable
from poeem.engines.report import Report

# Module and function of each writer, imported when it is asked for: an engine that is not installed hurts nobody.
WRITERS = {
    "faiss": ("poeem.engines.faiss.write", "write_faiss"),
    "lance": ("poeem.engines.lance.write", "write_lance"),
    "scann": ("poeem.engines.scann.write", "write_scann"),
}


def export(bundle: Bundle | str | Path, engine: str, path: str | Path, **options: Any) -> Report:
    """Write a bundle as an engine's own file, read it back and prove that the engine scores what training scored.

    Args:
        bundle: the bundle, or where it is.
        engine: ``faiss``, ``lance`` or ``scann`` (experimental).
        path: the file or folder to write; a sidecar ``FILE.json`` with the report goes beside it.
        options: of the engine, as its writer lists them; faiss: ``nprobe``, ``fastscan``, ``refine`` with ``vectors``
            and ``k_factor``, ``hnsw``, ``on_disk``, ``parts``, and ``queries`` ``(nq, dim)`` for the self-check; lance:
            ``vectors``, which it stores, ``columns``, ``nprobe``, ``queries``; scann: ``nprobe``,
            ``queries``.
    Raises:
        ValueError: an unknown engine or option, or an engine that cannot hold this index.
        EngineMismatch: the engine disagrees with the reference; the file is not kept.
    """
    write = _writer(engine)
    _check_options(engine, write, options)
    if not isinstance(bundle, Bundle):
        bundle = open_bundle(bundle)
    check_capable(engine, bundle.spec, bundle.metric)
    return write(bundle, Path(path), **options)


def _writer(engine: str) -> Callable[..., Report]:
    if engine not in WRITERS:
        raise ValueError(f"engine (={engine!r}) cannot be exported to; choose one of {', '.join(WRITERS)}")
    module, name = WRITERS[engine]
    return getattr(import_module(module), name)


def _check_options(engine: str, write: Callable[..., Report], options: dict[str, Any]) -> None:
    parameters = signature(write).parameters.values()
    known = [one.name for one in parameters if one.kind is Parameter.KEYWORD_ONLY]
    for name in options:
        if name not in known:
            raise ValueError(f"engine {engine!r} has no option {name!r}; it has {', '.join(known)}")
