"""Write an exported file again after the items of its bundle have changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from poeem.bundle import Bundle, open_bundle
from poeem.engines.export import export
from poeem.engines.faiss.id_map import map_file
from poeem.engines.faiss.index_file import read_proof
from poeem.engines.report import Report, read_report

# Options of an export that are repeated from its report; the report's other entries were measured.
_REPEATED = {
    "faiss": ("fastscan", "hnsw", "on_disk", "refine", "k_factor", "residual_quantizer"),
    "lance": (),
    "scann": (),
}


def refresh(bundle: Bundle | str | Path, path: str | Path, *, vectors: Any = None, check: bool = True) -> Report | None:
    """Export a bundle again to the engine and with the options of an existing export.

    The old file stays in place until the new one has passed the self-check. In a faiss file the integer of a string id
    never changes.

    Args:
        bundle: the bundle with its changes, or its folder.
        path: the exported file or folder, with its report beside it.
        vectors: the items' float vectors in the bundle's order, if the engine stores them (lance, refine).
        check: True compares a whole faiss file with the checksum in its report, False a sample of its blocks. A damaged
            file is written again.
    Returns:
        the new report; None if the file has the bundle's items already, is undamaged, and nothing was written.
    Raises:
        FileNotFoundError: there is no such file, or no report beside it.
        ValueError: the file is of another training, was merged from several parts, or vectors are missing.
        EngineMismatch: the engine's scores differ from the reference's. The old file stays.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"no exported file at {str(path)!r}; write it with poeem export")
    if not isinstance(bundle, Bundle):
        bundle = open_bundle(bundle)
    facts = read_report(path)
    engine, options = facts.get("engine"), facts.get("options")
    if engine not in _REPEATED or not isinstance(options, dict):
        raise ValueError(f"the report beside {str(path)!r} names no engine; export the bundle again")
    if facts["fingerprint"] != bundle.fingerprint:
        raise ValueError(
            f"{str(path)!r} is of another training (fingerprint {str(facts['fingerprint'])[:12]}) than {bundle!r} "
            f"({bundle.fingerprint[:12]}); export the new version whole, and switch over"
        )
    if not facts["items_sha256"]:
        raise ValueError(f"{str(path)!r} was merged from parts, not written from {bundle!r}; merge it again")
    same_items = facts["items_sha256"] == bundle.files["items.parquet"].sha256
    if same_items and (engine != "faiss" or _is_whole(path, bundle, check=check)):
        return None
    again = {name: options[name] for name in _REPEATED[engine] if name in options}
    if bundle.spec.nlist:
        again["nprobe"] = facts.get("nprobe")
    if vectors is not None:
        again["vectors"] = vectors
    return export(bundle, engine, path, **again)


def _is_whole(path: Path, bundle: Bundle, *, check: bool) -> bool:
    """Return whether a faiss file is as its report says, with its map of ids if the bundle has string ids."""
    try:
        read_proof(path, check=check)
    except ValueError:
        return False
    return not bundle.string_ids or map_file(path).is_file()
