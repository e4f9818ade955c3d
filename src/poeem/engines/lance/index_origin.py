"""Check that the index of a dataset is still the trained one. Other tools may train it again without notice."""

from __future__ import annotations

from typing import Any

import numpy as np

from poeem.engines.lance.layout import INDEX
from poeem.engines.lance.sidecar import Facts, array_sha256
from poeem.spec import IndexSpec


def check_index_origin(dataset: Any, facts: Facts) -> None:
    """Raise an error if a part of the index has other lists than the trained ones.

    Lance's own ``optimize_indices()``, which LanceDB's ``Table.optimize()`` calls, joins small lists and splits large
    ones, and then encodes all rows again.

    Raises:
        ValueError: there is no index, or it has other lists.
    """
    parts = index_parts(dataset)
    if not parts:
        raise ValueError(f"{dataset.uri!r} has no index {INDEX!r} any more; open it with rebuild=True")
    lists = max(1, IndexSpec.parse(facts.spec).nlist)
    for part in parts:
        if part["num_partitions"] != lists or _centroids_sha256(part) not in (None, facts.centroids_sha256):
            raise ValueError(
                f"the index of {dataset.uri!r} is no longer the trained one: it has {part['num_partitions']} lists, "
                f"not those of {facts.spec}; another tool has optimized it. Open it with rebuild=True, and take new "
                "rows in by LanceSearcher.optimize"
            )


def index_parts(dataset: Any) -> list[dict[str, Any]]:
    """Return Lance's statistics of each part of the index; empty if there is no index."""
    if not any(one.name == INDEX for one in dataset.describe_indices()):
        return []
    return dataset.stats.index_stats(INDEX)["indices"]


def _centroids_sha256(part: dict[str, Any]) -> str | None:
    """Checksum of the centroids of a part; None where the statistics leave them out."""
    return array_sha256(np.array(part["centroids"])) if "centroids" in part else None
