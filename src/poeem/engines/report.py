"""The report of an export: facts about the file, and how far the engine's scores are from the reference's."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from poeem.bundle.bundle import Bundle
    from poeem.engines.self_check import Agreement

# Fields that readers rely on, with their types.
_KINDS = {
    "bytes": int,
    "rows": int,
    "dim": int,
    "fingerprint": str,
    "items_sha256": str,
    "sha256": str,
    "blocks": str,
    "id_type": str,
    "metric": str,
    "query_adapter": bool,
}
_LARGEST_REPORT = 2**20


@dataclass(frozen=True)
class Report:
    """Facts about one export. As JSON it is written beside the engine's file, as ``FILE.json``.

    Args:
        engine: name of the engine.
        path: the file or folder that was written.
        spec: the trained structure.
        metric: ``ip``, ``l2`` or ``cosine``.
        dim: width of an embedding.
        rows: items in the file.
        bytes: size of the file or folder.
        fingerprint: fingerprint of the trained index.
        items_sha256: checksum of the bundle's items; empty if the file holds other items than the bundle's.
        id_type: type of the users' ids, ``int64`` or ``string``. A faiss file holds integers in place of strings, and
            a map of them lies beside it.
        query_adapter: whether queries must be multiplied by the bundle's query adapter.
        nlist: inverted lists; 0 is a flat index.
        nprobe: default number of lists visited per query, stored in the file.
        seconds: time of the whole export with its self-check.
        check_seconds: time of the self-check.
        worst_score_error: ``|engine's score - reference's score| / query's largest |score|``, the largest value found.
        rank_agreement: 0 to 1. Fraction of ranks where the engine has the reference's item or one of equal score. If
            the engine's scores are approximate: fraction of the reference's 10 best items in the engine's 50 best.
        queries_checked: number of queries of the self-check.
        results_checked: results per query of the self-check.
        options: engine options that differ from the default, with measurements made for them.
        lists_file: name of a second file with the inverted lists, if they stay on disk; else None.
        sha256: checksum of the file; empty if the engine writes a folder.
        blocks: checksums of the blocks of the file, see `block_checksums`; empty if the engine writes a folder.
        lists_sha256, lists_blocks: checksums of ``lists_file`` and of its blocks.
        notes: sentences that name functions of the engine with wrong results on this file.
    """

    engine: str
    path: str
    spec: str
    metric: str
    dim: int
    rows: int
    bytes: int
    fingerprint: str
    items_sha256: str
    id_type: str
    query_adapter: bool
    nlist: int
    nprobe: int
    seconds: float
    check_seconds: float
    worst_score_error: float
    rank_agreement: float
    queries_checked: int
    results_checked: int
    options: dict[str, Any] = field(default_factory=dict)
    lists_file: str | None = None
    sha256: str = ""
    blocks: str = ""
    lists_sha256: str | None = None
    lists_blocks: str | None = None
    notes: list[str] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        bundle: Bundle,
        agreement: Agreement,
        *,
        engine: str,
        path: Path,
        size: int,
        nprobe: int,
        began: float,
        written: float,
        checked: float,
        options: dict[str, Any],
    ) -> Report:
        """Make the report on an export of all rows of a bundle.

        Args:
            bundle: the exported bundle.
            agreement: the result of the self-check.
            engine, path, size, nprobe, options: fields of the report; ``size`` is ``bytes``.
            began, written, checked: times by ``time.perf_counter``: when the export began, when the engine's files were
                written, and when the self-check ended.
        """
        return cls(
            engine=engine,
            path=str(path),
            spec=str(bundle.spec),
            metric=bundle.metric,
            dim=bundle.dim,
            rows=len(bundle),
            bytes=size,
            fingerprint=bundle.fingerprint,
            items_sha256=bundle.files["items.parquet"].sha256,
            id_type="string" if bundle.string_ids else "int64",
            query_adapter="query_adapter" in bundle.arrays,
            nlist=bundle.spec.nlist,
            nprobe=nprobe,
            seconds=round(checked - began, 4),
            check_seconds=round(checked - written, 4),
            worst_score_error=agreement.worst_score_error,
            rank_agreement=agreement.rank_agreement,
            queries_checked=agreement.queries,
            results_checked=agreement.results,
            options=options,
        )

    def to_json(self) -> str:
        """Return the report as the text of one JSON object."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"

    def __str__(self) -> str:
        form = " FastScan" if self.options.get("fastscan") is True else ""
        left_out = f"; {self.options['fastscan_left_out']}" if "fastscan_left_out" in self.options else ""
        return (
            f"{self.path}: {self.rows:,} items as {self.engine}{form} {self.spec} ({self.metric}), {self.bytes:,} "
            f"bytes in {self.seconds:.2f} s; {self.queries_checked} queries agree with the reference to "
            f"{self.worst_score_error:.1e}{left_out}"
        )


def sidecar_of(path: Path) -> Path:
    """Return the path of the report of an exported file or folder: ``FILE.json`` beside it."""
    return path.with_name(path.name + ".json")


def read_report(path: Path) -> dict[str, Any]:
    """Read the report beside an exported file or folder, and return its fields.

    Raises:
        FileNotFoundError: there is no report.
        ValueError: the file beside it is no report.
    """
    sidecar = sidecar_of(path)
    if not sidecar.is_file():
        raise FileNotFoundError(f"no report {sidecar.name!r} beside {str(path)!r}; export the file again")
    try:
        if sidecar.stat().st_size > _LARGEST_REPORT:
            raise ValueError
        facts = json.loads(sidecar.read_bytes())
        if not isinstance(facts, dict) or any(type(facts.get(name)) is not kind for name, kind in _KINDS.items()):
            raise ValueError
    except (ValueError, RecursionError):
        raise ValueError(f"{str(sidecar)!r} is no report of an export; export the bundle again") from None
    return facts
