"""Report: what an export wrote, and how far the engine is from the reference."""

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
    "id_type": str,
    "metric": str,
    "query_adapter": bool,
}
_LARGEST_REPORT = 2**20


@dataclass(frozen=True)
class Report:
    """Facts of one export; as JSON it is the sidecar of the engine's file.

    Args:
        engine: name of the engine.
        path: what was written.
        spec: the trained structure.
        metric: ``ip``, ``l2`` or ``cosine``.
        dim: width of an embedding.
        rows: items in the file.
        bytes: size of the file.
        fingerprint: of the trained index.
        items_sha256: checksum of the bundle's items; empty for rows of other items.
        id_type: ``int64`` or ``string``, of the users' ids; a faiss file has integers for strings, and a map beside it.
        query_adapter: whether queries go through the bundle's adapter before the engine.
        nlist: inverted lists; 0 is a flat index.
        nprobe: lists visited per query, as stored.
        seconds: whole export, self-check included.
        check_seconds: the self-check alone.
        worst_score_error: largest ``|difference| / max|score|`` of a query, engine against reference.
        rank_agreement: share of the ranks that hold the reference's item or one of equal score; of an engine with
            approximate scores the share of the reference's 10 best among its 50 best.
        queries_checked: queries of the self-check.
        results_checked: results per query of the self-check.
        options: of the engine, those that are not as by default, and what was measured of them.
        lists_file: name of the file beside it with the inverted lists, where they stay on disk.
        sha256: of the file; empty where the engine writes a folder.
        lists_sha256: of ``lists_file``.
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
    lists_sha256: str | None = None

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
        """The report on a bundle's export, all of whose rows were written.

        Args:
            bundle: what was written.
            agreement: what the self-check found.
            engine, path, size, nprobe, options: as of the fields; ``size`` is ``bytes``.
            began, written, checked: when the export began, when the engine's files were there, and when the self-check
                was done, all by ``time.perf_counter``.
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
        """One JSON object."""
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
    """Where the report of an engine's file or folder is: ``FILE.json``."""
    return path.with_name(path.name + ".json")


def read_report(path: Path) -> dict[str, Any]:
    """The report beside an exported file or folder, as its fields.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is no report.
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
