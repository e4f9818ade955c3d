"""Search and change an exported Lance dataset, with queries and vectors as the towers give them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from poeem.bundle.bundle import Bundle
from poeem.engines.lance import row_changes
from poeem.engines.lance.index_origin import check_index_origin
from poeem.engines.lance.install import import_lance
from poeem.engines.lance.layout import DISTANCE, ID, VECTOR, lance_metric
from poeem.engines.lance.sidecar import read_arrays, read_facts
from poeem.engines.lance.trained_index import Trained
from poeem.engines.probing import check_nprobe
from poeem.engines.queries import check_k

if TYPE_CHECKING:
    import pyarrow as pa


class LanceSearcher:
    """Searches and changes an exported Lance dataset. Queries and vectors are those that the towers give.

    Args:
        dataset: the ``lance.LanceDataset``.
        trained: its trained index.
    """

    def __init__(self, dataset: Any, trained: Trained) -> None:
        self.dataset = dataset
        self.trained = trained
        facts = trained.facts
        self.metric, self.dim, self.nlist, self.nprobe = facts.metric, facts.dim, trained.spec.nlist, facts.nprobe
        self.string_ids = str(dataset.schema.field(ID).type) == "string"

    def __len__(self) -> int:
        return self.dataset.count_rows()

    def search(
        self,
        queries: Any,
        k: int,
        nprobe: int | None = None,
        *,
        filter: str | None = None,
        refine_factor: int | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Find the best items of every query.

        Args:
            queries: ``(nq, dim)``, neither rotated nor normalised.
            k: results per query.
            nprobe: lists visited per query; None takes the stored number.
            filter: SQL condition on the dataset's columns. Items are filtered before the search, so the visited lists
                give k results if they hold k such items.
            refine_factor: rank the best ``refine_factor * k`` candidates again by the stored vectors, and return the
                scores of the vectors; None ranks by codes alone.
        Returns:
            scores float32 and ids (int64, or str objects), both ``(nq, k)``, best first. If fewer than k items are
            found, the remaining ids are -1 (None for strings) and scores -inf (+inf for ``l2``).
        Raises:
            ValueError: queries of wrong shape, with NaN, or zero under ``cosine``; k, nprobe or refine_factor below 1;
                a filter that Lance does not understand.
        """
        (prepared, scales), k = self.trained.queries(queries), check_k(k)
        if refine_factor is not None and (isinstance(refine_factor, bool) or refine_factor < 1):
            raise ValueError(f"refine_factor (={refine_factor!r}) must be a whole number of at least 1, or None")
        nearest: dict[str, Any] = {
            "column": VECTOR,
            "k": k,
            "nprobes": check_nprobe(nprobe, max(1, self.nlist), default=self.nprobe),
            "metric": lance_metric(self.trained.spec, self.metric),
        }
        if refine_factor is not None:
            nearest["refine_factor"] = int(refine_factor)
        filtering = {} if filter is None else {"filter": filter, "prefilter": True}
        distances = np.full((len(prepared), k), np.inf, dtype=np.float32)
        ids = np.full((len(prepared), k), None) if self.string_ids else np.full((len(prepared), k), -1, dtype=np.int64)
        for i, query in enumerate(prepared):
            try:
                found = self.dataset.to_table(columns=[ID, DISTANCE], nearest={**nearest, "q": query}, **filtering)
            except (ValueError, OSError) as error:
                if filter is None:
                    raise
                reason = str(error).split(", /")[0]
                raise ValueError(f"filter (={filter!r}) is not understood by Lance: {reason}") from None
            distances[i, : len(found)] = found[DISTANCE].to_numpy()
            ids[i, : len(found)] = found[ID].to_numpy()
        return self.trained.scores(distances, prepared, scales), ids

    def add(self, ids: Any, vectors: Any, columns: pa.Table | None = None) -> None:
        """Add new items. Searches find them at once, by their vectors, and after `optimize` by their codes.

        Args:
            ids: ids of the dataset's type, none of them in it, ``(n,)``.
            vectors: finite floats, the output of the item tower, ``(n, dim)``.
            columns: the user's columns of these items, n rows; None or a missing column gives nulls.
        Raises:
            ValueError: an id is in the dataset already, is given twice or is of another type, or vectors or columns do
                not fit. Nothing has changed then.
        """
        rows = row_changes.new_rows(self.dataset.schema, self.trained, ids, vectors, columns)
        self._refresh(row_changes.add_rows(self.dataset, rows))

    def upsert(self, ids: Any, vectors: Any, columns: pa.Table | None = None) -> None:
        """Replace items whose ids are in the dataset, with all of their columns, and add the others.

        Args and errors as for `add`, except that ids may be in the dataset.
        """
        rows = row_changes.new_rows(self.dataset.schema, self.trained, ids, vectors, columns)
        self._refresh(row_changes.upsert_rows(self.dataset, rows))

    def delete(self, ids: Any) -> int:
        """Delete items. Unknown ids are ignored.

        Returns:
            number of deleted items.
        Raises:
            ValueError: ids are of another type than the dataset's.
        """
        before = len(self)
        self._refresh(row_changes.delete_rows(self.dataset, row_changes.id_column(self.dataset.schema, ids)))
        return before - len(self)

    def optimize(self) -> None:
        """Put all new items into the index, by codes of the trained codebooks. Nothing is trained."""
        self._refresh(row_changes.rebuild(self.dataset, self.trained))

    def _refresh(self, dataset: Any) -> None:
        self.dataset = dataset


def open_lance(path: str | Path, bundle: Bundle | None = None, *, rebuild: bool = False) -> LanceSearcher:
    """Open an exported dataset, and return a searcher. The bundle is not needed.

    Args:
        path: the dataset's folder.
        bundle: if given, the dataset must be of its training.
        rebuild: whether to build the index again from the stored codes, for a dataset that other tools have optimized.
    Raises:
        FileNotFoundError: there is no dataset.
        ValueError: the dataset is no export, is of another training, or has an index that other tools trained again;
            or pylance is not installed.
    """
    lance = import_lance()
    path = Path(path)
    if not is_dataset(path):
        raise FileNotFoundError(f"no Lance dataset at {str(path)!r}")
    dataset = lance.dataset(str(path))
    facts = read_facts(path, dataset.schema.metadata)
    if bundle is not None and bundle.fingerprint != facts.fingerprint:
        raise ValueError(
            f"{str(path)!r} was written from another training (fingerprint {facts.fingerprint[:12]}) than {bundle!r} "
            f"holds ({bundle.fingerprint[:12]}); export the bundle again"
        )
    trained = Trained(facts, read_arrays(path, facts))
    if rebuild:
        dataset = row_changes.rebuild(dataset, trained)
    check_index_origin(dataset, facts)
    return LanceSearcher(dataset, trained)


def is_dataset(path: Path) -> bool:
    """Return whether a folder holds a Lance dataset."""
    return (path / "_versions").is_dir()
