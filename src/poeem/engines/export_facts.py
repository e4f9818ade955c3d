"""Facts about the trained index that Lance and ScaNN exports store beside the engine's own files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from poeem.bundle.bundle import Bundle
from poeem.engines.faiss.build import stored_nprobe
from poeem.spec import IndexSpec


@dataclass(frozen=True)
class ExportFacts:
    """Facts about the trained index of an export.

    Args:
        fingerprint: fingerprint of the trained index.
        items_sha256: checksum of the bundle's items at the time of the export.
        spec: the trained structure.
        metric: ``ip``, ``l2`` or ``cosine``.
        dim: width of an embedding.
        nprobe: default number of lists visited per query.
    """

    fingerprint: str
    items_sha256: str
    spec: str
    metric: str
    dim: int
    nprobe: int

    @property
    def nlist(self) -> int:
        """Number of inverted lists; 0 for a flat index."""
        return IndexSpec.parse(self.spec).nlist


def facts_of(bundle: Bundle, nprobe: int | None) -> dict[str, Any]:
    """Return the fields of `ExportFacts` for a bundle; with ``nprobe=None`` the training's nprobe is taken."""
    return {
        "fingerprint": bundle.fingerprint,
        "items_sha256": bundle.files["items.parquet"].sha256,
        "spec": str(bundle.spec),
        "metric": bundle.metric,
        "dim": bundle.dim,
        "nprobe": stored_nprobe(bundle, nprobe),
    }
