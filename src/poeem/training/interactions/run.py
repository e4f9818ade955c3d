"""InteractionRun: a stored run of the recipe for interactions, with query and item vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from poeem.bundle.bundle import Bundle
from poeem.data.batches import TrainingBatches
from poeem.data.interactions import Interactions
from poeem.data.ragged import Ragged
from poeem.data.split import Queries, Split, leave_last_out, seen_before_last
from poeem.functional.unit_length import as_served
from poeem.training.build import build_batches, build_model, column_log_q
from poeem.training.id_lookup import Lookup, check_same_items, check_trained, rows_of
from poeem.training.interactions.stored import read_stored_interactions
from poeem.training.item_file import read_item_numbers
from poeem.training.model import JointModel
from poeem.training.run_folder import RunFolder
from poeem.training.tower_vectors import item_vectors, query_vectors


@dataclass(frozen=True, eq=False)
class InteractionRun:
    """A finished run of ``poeem train --interactions``: ``poeem.load(DIR)``.

    Args:
        folder: paths of the run.
        config: settings, steps, timings, name of the data set.
        model: towers and index, in eval mode.
        bundle: the index with the codes of the catalogue.
        interactions: the events of training and test. Row i of the bundle is item number i, unless items have been
            added or deleted after the training.
    """

    folder: RunFolder
    config: dict[str, Any]
    model: JointModel
    bundle: Bundle
    interactions: Interactions

    @property
    def settings(self) -> dict[str, Any]:
        """Settings of the training by name."""
        return self.config["settings"]

    @cached_property
    def split(self) -> Split:
        """Training, validation and test parts of the interactions."""
        return leave_last_out(self.interactions)

    @property
    def test(self) -> Queries:
        """Test queries of ``split``."""
        return self.split.test

    @property
    def available(self) -> np.ndarray:
        """bool, ``(n_items,)``: items with a training event; others count as misses."""
        return self.split.seen_in_training

    def vectors_of(self, model: JointModel) -> tuple[np.ndarray, np.ndarray]:
        """Compute the vectors of all items and of the test queries by a model: float32 ``(n_items, dim)`` and ``(nq,
        dim)``.
        """
        return item_vectors(model, np.arange(self.split.n_items)), query_vectors(model, self.test.history)

    def twin(self) -> tuple[JointModel, TrainingBatches]:
        """Build the model without index, untrained, and its batches."""
        train, n_items = self.split.train, self.split.n_items
        batches = build_batches(self.settings, train)
        log_q = column_log_q(self.settings, train, batches, n_items)
        return build_model(self.settings, n_items, indexed=False, log_q=log_q, train=train), batches

    def data_facts(self) -> dict[str, Any]:
        """Sizes of the data, for ``metrics.json``."""
        return {
            "users": self.interactions.n_users,
            "items": self.interactions.n_items,
            "events": len(self.interactions),
            "test_queries": len(self.test),
            "unseen_item_share": self.split.unseen_item_share,
            "unseen_target_share": self.split.unseen_target_share,
        }

    @cached_property
    def seen_in_training(self) -> np.ndarray:
        """Whether each item has a training event: bool, ``(n_items,)``. Found without ``split``, which takes longer."""
        return seen_before_last(self.interactions)

    # Kept: its offsets are counted from all events.
    @cached_property
    def histories(self) -> Ragged:
        """All events of every user, oldest first."""
        return Ragged(self.interactions.offsets, self.interactions.item)

    @cached_property
    def rows(self) -> np.ndarray:
        """Row of the bundle for every item number, int64; -1 for an item that was deleted after the training."""
        known = self.interactions.item_ids
        if np.array_equal(self.bundle.ids, known):
            return np.arange(len(known))
        return rows_of(known, self.bundle.ids)

    @cached_property
    def item_numbers(self) -> np.ndarray:
        """Item number for every row of the bundle, int64; -1 for an item that was added after the training."""
        numbers = np.full(len(self.bundle), -1)
        numbers[self.rows[self.rows >= 0]] = np.flatnonzero(self.rows >= 0)
        return numbers

    @cached_property
    def untrained_ids(self) -> list[Any]:
        """Ids of items without a training event. Their vectors are random."""
        return self.interactions.item_ids[~self.seen_in_training].tolist()

    def known_items(self, users: Iterable[Any]) -> list[list[Any]]:
        """Return the ids of the items in the history of each user.

        Raises:
            ValueError: a user is unknown.
        """
        histories = self.histories.take(self._users.numbers_of(users))
        ids = self.interactions.item_ids[histories.values]
        return [ids[start:end].tolist() for start, end in zip(histories.offsets[:-1], histories.offsets[1:])]

    def check_unchanged(self) -> None:
        """Raise an error if items of the run have been changed after its training.

        Raises:
            ValueError: items were added or deleted.
        """
        check_same_items(self.bundle, self.interactions.item_ids)

    def items_of_file(self, path: Path) -> tuple[np.ndarray, Callable[[slice], np.ndarray]]:
        """Read item ids from a file, for ``poeem encode``.

        Args:
            path: a table with a column ``item`` of ids of the training.
        Returns:
            the ids, and a function from a slice of them to item vectors float32 ``(n, dim)``.
        Raises:
            ValueError: the column is missing, there is no row, or an id is unknown or given twice.
        """
        numbers = read_item_numbers(path, self.interactions.item_ids)
        return self.interactions.item_ids[numbers], lambda rows: self.items(numbers[rows])

    def queries(self, histories: Ragged) -> np.ndarray:
        """Compute query vectors of histories of item numbers: float32 ``(nq, dim)``, not of unit length.

        ``encode_users``, ``encode_histories`` and ``poeem search`` all call it.
        """
        return query_vectors(self.model, histories)

    def items(self, numbers: np.ndarray) -> np.ndarray:
        """Compute item vectors before the index, by item number: float32 ``(n, dim)``, not of unit length."""
        return item_vectors(self.model, numbers)

    def encode_users(self, ids: Iterable[Any]) -> np.ndarray:
        """Compute the query vectors of users of the training data, in the form that an exported index takes.

        Args:
            ids: user ids, ``n`` of them.
        Returns:
            float32, ``(n, dim)``; of unit length under ``cosine``.
        Raises:
            ValueError: an id is unknown.
        """
        return as_served(self.queries(self.histories.take(self._users.numbers_of(ids))), self.bundle.metric)

    def encode_histories(self, histories: Iterable[Iterable[Any]]) -> np.ndarray:
        """Compute the query vectors of histories, for instance of new users, in the form that an exported index takes.

        Args:
            histories: item ids of every user, oldest first; the model reads the last ``history_length`` of them.
        Returns:
            float32, ``(n, dim)``; of unit length under ``cosine``.
        Raises:
            ValueError: an id is unknown to the model.
        """
        rows = [list(history) for history in histories]
        numbers = self._items.numbers_of([id for row in rows for id in row])
        return as_served(
            self.queries(Ragged.from_lengths(np.array([len(row) for row in rows], int), numbers)), self.bundle.metric
        )

    def encode_items(self, ids: Iterable[Any]) -> np.ndarray:
        """Compute the vectors of items before the index, for instance as queries for similar items.

        Args:
            ids: item ids, ``n`` of them.
        Returns:
            float32, ``(n, dim)``; of unit length under ``cosine``.
        Raises:
            ValueError: an id is unknown to the model.
        """
        return as_served(self.items(self._items.numbers_of(ids)), self.bundle.metric)

    def item_vectors(self) -> np.ndarray:
        """Compute the vectors of all items before the index, in the bundle's order. ``export(..., refine=...)`` takes
        them. Vectors that were replaced after the training are not known here.

        Returns:
            float32, ``(n, dim)``; of unit length under ``cosine``.
        Raises:
            ValueError: items were added after the training, so that the model has no vectors of them.
        """
        numbers = self.item_numbers
        check_trained(self.bundle, numbers)
        return as_served(self.items(numbers), self.bundle.metric)

    # Kept: a server encodes again and again, and the table of all ids takes longer than a query.
    @cached_property
    def _users(self) -> Lookup:
        return Lookup(self.interactions.user_ids, "user")

    @cached_property
    def _items(self) -> Lookup:
        return Lookup(self.interactions.item_ids, "item", bundle_ids=self.bundle.ids)


def load_interaction_run(path: str | Path, device: str = "cpu") -> InteractionRun:
    """Read a finished run from its folder.

    Args:
        path: the folder ``out`` of the training.
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    Returns:
        the run, with its model in eval mode.
    Raises:
        FileNotFoundError: there is no finished run.
        ValueError: a part is damaged, or parts come from different runs.
    """
    folder = RunFolder(path)
    config, bundle = folder.finished("interactions")
    interactions = read_stored_interactions(folder.model)
    model = folder.load_model(lambda: build_model(config["settings"], interactions.n_items, indexed=True), device)
    return InteractionRun(folder, config, model, bundle, interactions)
