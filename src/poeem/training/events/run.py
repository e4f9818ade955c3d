"""EventRun: a stored run of the recipe for search events: vectors of typed queries and of items, and search."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from poeem.bundle.bundle import Bundle
from poeem.data.events.inputs import EventInputs
from poeem.data.events.search_events import SearchEvents
from poeem.data.events.split import EventSplit, split_by_time
from poeem.data.ragged import Ragged
from poeem.data.title_match import TitleMatch
from poeem.data.vocabulary import Vocabulary, normalised
from poeem.engines.condition import parse_condition
from poeem.engines.faiss.searcher import FaissSearcher, open_engine
from poeem.engines.filtered_search import search_matching
from poeem.evaluation.query_set import QuerySet
from poeem.functional.unit_length import as_served
from poeem.training.events.build import build_event_model, event_inputs
from poeem.training.events.model import EventModel
from poeem.training.events.scores import event_query_vectors, product_vectors, typed_vectors
from poeem.training.events.stored import read_stored_events
from poeem.training.id_lookup import Lookup, check_trained, rows_of
from poeem.training.item_file import read_item_numbers
from poeem.training.run_folder import RunFolder


@dataclass(frozen=True, eq=False)
class EventRun:
    """A finished run of ``poeem train --events``: ``poeem.load(DIR)``.

    Args:
        folder: paths of the run.
        config: settings, steps, timings, name of the data set.
        model: towers and index, in eval mode.
        bundle: the index with the codes of the catalogue, and the item table as columns.
        events: the log of training and test.
        vocabulary: of queries and titles.
    """

    folder: RunFolder
    config: dict[str, Any]
    model: EventModel
    bundle: Bundle
    events: SearchEvents
    vocabulary: Vocabulary

    @property
    def settings(self) -> dict[str, Any]:
        """Settings of the training."""
        return self.config["settings"]

    @cached_property
    def inputs(self) -> EventInputs:
        """What the towers read of the events."""
        return event_inputs(self.settings, self.events, self.vocabulary)

    @cached_property
    def split(self) -> EventSplit:
        """Training, validation and test parts."""
        return split_by_time(self.events)

    def encode_query(self, text: str, user: Any = None) -> np.ndarray:
        """The vector of a typed query: float32 ``(1, dim)``, of unit length under ``cosine``.

        Args:
            text: the query.
            user: id of a user of the log, whose events are read; None: somebody without events.
        Raises:
            ValueError: the query is empty, or the user is unknown.
        """
        if not normalised(text):
            raise ValueError("query is empty; type what you look for, such as 'organic milk'")
        number = None if user is None else self._users.number(str(user))
        vector = typed_vectors(self.model, self.inputs.of_typed(text, number))
        return as_served(vector, self.bundle.metric)

    def search(
        self,
        text: str,
        user: Any = None,
        k: int = 10,
        *,
        where: str | None = None,
        match_title: bool = False,
        nprobe: int | None = None,
    ) -> tuple[np.ndarray, np.ndarray, int]:
        """The best items for a typed query, as faiss serves them.

        Items that do not match are dropped before the ranking is cut to ``k``: ``min(k, matching)`` are returned.

        Args:
            text, user: as for ``encode_query``.
            k: results.
            where: condition over the columns of the items, see :func:`~poeem.engines.condition.parse_condition`.
            match_title: only items whose title has all known words of the query, see ``TitleMatch``.
            nprobe: inverted lists visited at first; default the run's.
        Returns:
            scores float32 and rows of the bundle int64, ``(1, k)``, row -1 where fewer items match; and the number of
            items that match.
        Raises:
            ValueError: see ``encode_query`` and ``parse_condition``.
        """
        vector = self.encode_query(text, user)
        matching = np.ones(len(self.bundle), dtype=bool)
        if where is not None:
            condition = parse_condition(where, self.bundle.columns)
            assert self.bundle.columns is not None
            matching &= condition.rows(self.bundle.columns)
        if match_title:
            matching &= self.titles.rows(text)
        found = int(matching.sum())
        if not found:
            worst = np.inf if self.bundle.metric == "l2" else -np.inf
            return np.full((1, k), worst, np.float32), np.full((1, k), -1), 0
        only = None if found == len(matching) else self.bundle.ids[matching]
        scores, ids = search_matching(
            lambda queries, visited: self.engine.search(queries, k, visited, only=only),
            vector,
            k,
            found,
            nlist=self.engine.nlist,
            nprobe=nprobe or self.settings["nprobe"],
        )
        return scores, rows_of(ids[0], self.bundle.ids)[None], found

    @cached_property
    def engine(self) -> FaissSearcher:
        """The bundle in faiss, in memory."""
        return open_engine(self.bundle)

    @cached_property
    def titles(self) -> TitleMatch:
        """Words of the titles in the bundle."""
        columns = self.bundle.columns
        assert columns is not None
        return TitleMatch([title or "" for title in columns["title"].to_pylist()])

    def item_vectors(self) -> np.ndarray:
        """Vectors before the index of all items in the bundle's order: float32 ``(n, dim)``.

        Raises:
            ValueError: items were added after the training, so that the model has no vectors of them.
        """
        numbers = rows_of(self.bundle.ids, self.events.item_ids)
        check_trained(self.bundle, numbers)
        return as_served(product_vectors(self.model, numbers), self.bundle.metric)

    def items_of_file(self, path: Path) -> tuple[np.ndarray, Callable[[slice], np.ndarray]]:
        """Ids of a file's items, and a function from a slice of them to item vectors."""
        numbers = read_item_numbers(path, self.events.item_ids)

        def vectors(part: slice) -> np.ndarray:
            return as_served(product_vectors(self.model, numbers[part]), self.bundle.metric)

        return self.events.item_ids[numbers], vectors

    def query_set(self) -> QuerySet:
        """The test queries with the item that was chosen, as rows of the bundle."""
        rows = rows_of(self.events.item_ids, self.bundle.ids)[self.events.item[self.split.test]]
        test = self.split.test[rows >= 0]
        rows = rows[rows >= 0]
        vectors = event_query_vectors(self.model, self.inputs, test)
        return QuerySet(vectors, Ragged(np.arange(len(rows) + 1), rows))

    # Kept: a server looks up again and again.
    @cached_property
    def _users(self) -> Lookup:
        return Lookup(self.events.user_ids, "user")


def load_event_run(path: str | Path, device: str = "cpu") -> EventRun:
    """Read a finished run of search events from its folder; arguments and errors as ``poeem.load``."""
    folder = RunFolder(path)
    config, bundle = folder.finished("events")
    events, vocabulary = read_stored_events(folder.model)
    model = folder.load_model(lambda: build_event_model(config["settings"], events, vocabulary, indexed=True), device)
    return EventRun(folder, config, model, bundle, events, vocabulary)
