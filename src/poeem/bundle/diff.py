"""Compare the items of two bundles: added, removed and changed items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from poeem.bundle.bundle import Bundle

if TYPE_CHECKING:
    import pyarrow as pa

# Examples of ids in a summary; all of them go into a file.
EXAMPLES = 10


@dataclass(frozen=True, eq=False)
class BundleDiff:
    """The items of two bundles, compared by their ids.

    Args:
        old, new: the bundles.
        added: row numbers in ``new`` of items that are missing in ``old``, int64.
        removed: row numbers in ``old`` of items that are missing in ``new``, int64.
        kept_old, kept_new: row numbers in ``old`` and ``new`` of the items in both, in the order of ``new``, int64.
        code_changed: bool, one per kept item: the code differs. All True if M or nbits differ.
        list_changed: bool, one per kept item: the list differs. All True if only one bundle has lists.
    """

    old: Bundle
    new: Bundle
    added: np.ndarray
    removed: np.ndarray
    kept_old: np.ndarray
    kept_new: np.ndarray
    code_changed: np.ndarray
    list_changed: np.ndarray

    @property
    def same_fingerprint(self) -> bool:
        """True if both bundles are of one training, so that their codes may be mixed."""
        return self.old.fingerprint == self.new.fingerprint

    @property
    def changed(self) -> np.ndarray:
        """Row numbers in ``new`` of kept items whose code or list differs, int64."""
        return self.kept_new[self.code_changed | self.list_changed]

    def counts(self) -> dict[str, Any]:
        """Return numbers of items as JSON values. ``kept`` are in both bundles; ``changed_share`` is changed / kept."""
        changed, kept = len(self.changed), len(self.kept_new)
        return {
            "same_fingerprint": self.same_fingerprint,
            "added": len(self.added),
            "removed": len(self.removed),
            "kept": kept,
            "changed": changed,
            "changed_share": changed / kept if kept else 0.0,
            "code_changed": int(self.code_changed.sum()),
            "list_changed": int(self.list_changed.sum()),
        }

    def summary(self) -> dict[str, Any]:
        """Return the counts, facts about both bundles, and the first 10 ids of each kind, as JSON values."""
        return {
            **self.counts(),
            "old": _facts(self.old),
            "new": _facts(self.new),
            "examples": {
                "added": self.new.ids[self.added[:EXAMPLES]].tolist(),
                "removed": self.old.ids[self.removed[:EXAMPLES]].tolist(),
                "changed": self.new.ids[self.changed[:EXAMPLES]].tolist(),
            },
        }

    def table(self) -> pa.Table:
        """Return a table of all items that differ: ``id``, ``change``, ``code_changed`` and ``list_changed``."""
        import pyarrow as pa

        from poeem.bundle.ids import ids_to_arrow

        either = self.code_changed | self.list_changed
        counts = {"added": len(self.added), "removed": len(self.removed), "changed": int(either.sum())}
        ids = [*self.new.ids[self.added], *self.old.ids[self.removed], *self.new.ids[self.changed]]
        nothing = [None] * (counts["added"] + counts["removed"])
        id_type = pa.string() if self.new.string_ids else pa.int64()
        return pa.table(
            {
                "id": ids_to_arrow([_plain(one) for one in ids]) if ids else pa.array([], id_type),
                "change": pa.array([name for name, count in counts.items() for _ in range(count)], pa.string()),
                "code_changed": pa.array([*nothing, *self.code_changed[either].tolist()], pa.bool_()),
                "list_changed": pa.array([*nothing, *self.list_changed[either].tolist()], pa.bool_()),
            }
        )


def diff_bundles(old: Bundle, new: Bundle) -> BundleDiff:
    """Compare two bundles item by item.

    Returns:
        the added, removed and kept items, and which kept items have another code or list.
    Raises:
        ValueError: one bundle has integer ids, the other string ids.
    """
    if old.string_ids != new.string_ids:
        kinds = ["strings" if one.string_ids else "integers" for one in (old, new)]
        raise ValueError(f"ids of the old bundle are {kinds[0]}, of the new one {kinds[1]}: no item is in both")
    row_of = {one: row for row, one in enumerate(old.ids.tolist())}
    found = np.array([row_of.get(one, -1) for one in new.ids.tolist()], dtype=np.int64)
    kept_new = np.flatnonzero(found >= 0)
    kept_old = found[kept_new]
    removed = np.setdiff1d(np.arange(len(old)), kept_old)
    if old.codes.shape[1] == new.codes.shape[1] and old.spec.nbits == new.spec.nbits:
        code_changed = (old.codes[kept_old] != new.codes[kept_new]).any(1)
    else:
        code_changed = np.ones(len(kept_new), dtype=bool)
    if old.lists is not None and new.lists is not None:
        list_changed = old.lists[kept_old] != new.lists[kept_new]
    else:
        list_changed = np.full(len(kept_new), (old.lists is None) != (new.lists is None))
    return BundleDiff(
        old, new, np.flatnonzero(found < 0), removed, kept_old, kept_new, code_changed, np.asarray(list_changed)
    )


def _facts(bundle: Bundle) -> dict[str, Any]:
    return {
        "path": str(bundle.path),
        "spec": str(bundle.spec),
        "metric": bundle.metric,
        "rows": len(bundle),
        "pending": bundle.pending,
        "fingerprint": bundle.fingerprint,
    }


def _plain(one: Any) -> Any:
    return one.item() if isinstance(one, np.generic) else one
