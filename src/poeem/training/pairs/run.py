"""PairRun: a stored run of the recipe for pairs of texts, with vectors of queries and items."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from poeem.bundle.bundle import Bundle
from poeem.data.pairs.batches import PairBatches
from poeem.data.pairs.text_pairs import TextPairs, item_columns, read_items
from poeem.data.ragged import Ragged
from poeem.data.split import Queries
from poeem.evaluation.query_set import QuerySet
from poeem.functional.unit_length import as_served
from poeem.training.encoding.parquet_source import ParquetSource, schema_of
from poeem.training.id_lookup import check_same_items, check_trained, rows_of
from poeem.training.model import JointModel
from poeem.training.pairs.build import (
    build_pair_batches,
    build_pair_model,
    new_encoder,
    split_pairs,
    stored_encoder,
)
from poeem.training.pairs.new_items import encode_new_items
from poeem.training.pairs.stored import read_stored_pairs
from poeem.training.run_folder import RunFolder
from poeem.training.tower_vectors import evaluating, item_vectors, number_vectors

if TYPE_CHECKING:
    import pyarrow as pa

TEXTS = 4096


@dataclass(frozen=True, eq=False)
class PairRun:
    """A finished run of ``poeem train --pairs``: ``poeem.load(DIR)``.

    Args:
        folder: paths of the run.
        config: settings, steps, timings, name of the data set.
        model: towers and index, in eval mode.
        bundle: the index with the codes of the catalogue.
        pairs: the texts of training and test. Row i of the bundle is item number i, unless items have been added or
            deleted after the training.
    """

    folder: RunFolder
    config: dict[str, Any]
    model: JointModel
    bundle: Bundle
    pairs: TextPairs

    @property
    def settings(self) -> dict[str, Any]:
        """Settings of the training."""
        return self.config["settings"]

    @property
    def test(self) -> Queries:
        """Test queries."""
        return self._test

    @cached_property
    def _test(self) -> Queries:
        return queries_of(self.pairs, split_pairs(self.pairs)["test"])

    @property
    def available(self) -> None:
        """Every item may be returned: the encoder knows the texts of all."""
        return

    @cached_property
    def rows(self) -> np.ndarray:
        """Row of the bundle for every item number, int64; -1 for an item that was deleted after the training."""
        return rows_of(self.pairs.item_ids, self.bundle.ids)

    def check_unchanged(self) -> None:
        """Refuse a run whose items have been changed after its training.

        Raises:
            ValueError: items were added or deleted.
        """
        check_same_items(self.bundle, self.pairs.item_ids)

    def vectors_of(self, model: JointModel) -> tuple[np.ndarray, np.ndarray]:
        """Compute the vectors of all items and of the test queries by a model: float32 ``(n_items, dim)`` and ``(nq,
        dim)``.
        """
        items = item_vectors(model, np.arange(self.pairs.n_items))
        return items, number_vectors(model, model.towers.query, self.test.users)

    def twin(self) -> tuple[JointModel, PairBatches]:
        """Build the model without index, untrained, and its batches."""
        batches = build_pair_batches(self.settings, self.pairs)
        encoder, size = new_encoder(self.settings, self.pairs), batches.batch_size
        return build_pair_model(self.settings, self.pairs, encoder, indexed=False, batch_size=size), batches

    def data_facts(self) -> dict[str, Any]:
        """Return the numbers of queries, items, pairs and test queries, for ``metrics.json``."""
        return {
            "queries": len(self.pairs.queries),
            "items": self.pairs.n_items,
            "pairs": len(self.pairs.relevant.values),
            "test_queries": len(self.test),
        }

    def encode_queries(self, texts: Sequence[str]) -> np.ndarray:
        """Compute the vectors of queries, as an exported index takes them. A text without tokens has the zero vector.

        Args:
            texts: ``n`` of them.
        Returns:
            float32, ``(n, dim)``; of unit length under ``cosine``.
        Raises:
            ValueError: a text is empty.
        """
        return self._encoded(texts, "query")

    def knows(self, text: str) -> bool:
        """Return whether the encoder knows a token of a text. A transformer's tokenizer counts as one that does."""
        encoder: Any = self.model.towers.item.encoder
        return not hasattr(encoder, "unknown_share") or encoder.unknown_share(encoder.prepare([text])) < 1

    def encode_items(self, texts: Sequence[str]) -> np.ndarray:
        """Compute the vectors of items before the index, as ``BundleEditor.add`` takes them.

        Returns:
            float32, ``(n, dim)``; of unit length under ``cosine``.
        """
        return self._encoded(texts, "item")

    def item_vectors(self) -> np.ndarray:
        """Compute the vectors before the index of all items in the bundle's order, as ``export(..., refine=...)`` takes
        them. Vectors that were replaced after the training are not known here.

        Returns:
            float32, ``(n, dim)``; of unit length under ``cosine``.
        Raises:
            ValueError: items were added after the training, whose texts are not stored.
        """
        numbers = rows_of(self.bundle.ids, self.pairs.item_ids)
        check_trained(self.bundle, numbers)
        return as_served(item_vectors(self.model, numbers), self.bundle.metric)

    def items_of_file(self, path: Path) -> tuple[np.ndarray, Callable[[slice], np.ndarray]]:
        """Read the ids of a file's items.

        Args:
            path: a table with a column ``item`` of texts, known or new, and ``item_id`` if the pairs had one.
        Returns:
            the ids, and a function from a slice of them to item vectors.
        Raises:
            ValueError: a column is missing, or a text is empty.
        """
        ids, texts = read_items(path, ids=self._has_ids)
        return ids, lambda rows: self.encode_items(texts[rows])

    def parquet_items(self, files: list[Path]) -> ParquetSource:
        """Return a source of the texts of Parquet files, with the columns of `items_of_file`. They are read and encoded
        a few rows at a time.

        Raises:
            ValueError: a column is missing.
        """
        names = schema_of(files[0]).names
        try:
            ids, text = item_columns(names, ids=self._has_ids)
        except ValueError as error:
            raise ValueError(f"{files[0]}: {error}") from None

        def encode(table: Any, where: str, first: int) -> np.ndarray:
            texts = table[text].to_pylist()
            for row, one in enumerate(texts):
                if not isinstance(one, str) or not one.strip():
                    raise ValueError(f"{where}: row {first + row}: {text} is missing, empty or no text; fill it in")
            return self.encode_items(texts)

        return ParquetSource(files, ids, [text], encode)

    @property
    def _has_ids(self) -> bool:
        """Whether the items of the training have ids of their own, and not only numbers."""
        known = self.pairs.item_ids
        return known.dtype == object or not np.array_equal(known, np.arange(len(known)))

    def new_items(self, path: Path, log: Callable[[str], object] = lambda line: None) -> tuple[pa.Table, np.ndarray]:
        """Read the texts of a file for ``poeem add``: a table of ids and titles, and vectors. Arguments and errors:
        `encode_new_items`.
        """
        return encode_new_items(path, self.encode_items, known_ids=self.bundle.ids, log=log)

    def query_set(self) -> QuerySet:
        """Return the test queries with the relevant rows of the bundle. Items that were deleted after the training are
        left out.
        """
        relevant = self.test.relevant
        rows = self.rows[relevant.values]
        lengths = np.bincount(relevant.row_of_value[rows >= 0], minlength=len(relevant))
        vectors = number_vectors(self.model, self.model.towers.query, self.test.users)
        return QuerySet(as_served(vectors, self.bundle.metric), Ragged.from_lengths(lengths, rows[rows >= 0]))

    def _encoded(self, texts: Sequence[str], kind: str) -> np.ndarray:
        empty = next((row for row, text in enumerate(texts) if not text.strip()), None)
        if empty is not None:
            raise ValueError(f"{kind} number {empty} is empty; give a text")
        encoder: Any = self.model.towers.item.encoder
        parts = [np.empty((0, self.bundle.dim), np.float32)]
        with evaluating(self.model):
            for start in range(0, len(texts), TEXTS):
                prepared = encoder.prepare(list(texts[start : start + TEXTS]), kind)
                parts.append(encoder(prepared).float().cpu().numpy())
        return as_served(np.concatenate(parts), self.bundle.metric)


def queries_of(pairs: TextPairs, numbers: np.ndarray) -> Queries:
    """Return queries by number with their relevant items. No item is known, so none is masked."""
    nothing = Ragged(np.zeros(len(numbers) + 1, np.int64), np.empty(0, np.int64))
    return Queries(numbers, nothing, pairs.relevant.take(numbers))


def load_pair_run(path: str | Path, device: str = "cpu") -> PairRun:
    """Read a finished run from its folder.

    Args:
        path: the folder ``out`` of the training.
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    Raises:
        FileNotFoundError: there is no finished run.
        ValueError: a part is damaged, or parts come from different runs.
    """
    folder = RunFolder(path)
    config, bundle = folder.finished("pairs")
    pairs = read_stored_pairs(folder.model)
    settings = config["settings"]
    model = folder.load_model(
        lambda: build_pair_model(settings, pairs, stored_encoder(settings, folder.model), indexed=True), device
    )
    return PairRun(folder, config, model, bundle, pairs)
