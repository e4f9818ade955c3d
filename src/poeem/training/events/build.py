"""EventModel from the settings of a run and its data; also for the float twin and for a stored run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import torch

from poeem.data.attributes import attribute_names, value_numbers
from poeem.data.events.inputs import EventInputs, Spans
from poeem.data.events.search_events import SearchEvents
from poeem.data.vocabulary import Vocabulary
from poeem.layers.embedding_index import EmbeddingIndex
from poeem.towers.product.query import QueryParts, TokenCounts, product_towers
from poeem.training.events.model import EventModel
from poeem.training.options.events import EventLossOptions

# Longest title that is read, in words.
TITLE_WORDS = 32


def event_inputs(settings: Mapping[str, Any], events: SearchEvents, vocabulary: Vocabulary) -> EventInputs:
    """What the towers read of the events."""
    spans = Spans(**{name: settings[name] for name in ("recent", "short", "long", "past")})
    return EventInputs(events, vocabulary, spans)


def build_event_model(
    settings: Mapping[str, Any],
    events: SearchEvents,
    vocabulary: Vocabulary,
    *,
    indexed: bool,
    log_q: np.ndarray | None = None,
) -> EventModel:
    """Towers, loss and, if ``indexed``, the index that the settings describe. The seed gives the initial weights.

    Args:
        settings: of a run, see ``EventOptions.settings``; with ``steps``.
        events: for their item table.
        vocabulary: of queries and titles.
        indexed: False for the float twin, which is otherwise the same.
        log_q: float32, ``(n_items,)``; for training only.
    Raises:
        ValueError: a setting is out of range.
    """
    table = events.item_table
    names = attribute_names(table, settings["attributes"])
    towers = product_towers(
        torch.from_numpy(vocabulary.encode(events.titles).words[:, :TITLE_WORDS]),
        TokenCounts(len(vocabulary.words), len(vocabulary.characters), len(vocabulary.bigrams)),
        settings["dim"],
        attributes={name: torch.from_numpy(value_numbers(table[name])) for name in names},
        n_kinds=len(events.kinds),
        parts=QueryParts(**{field.name: settings[field.name] for field in fields(QueryParts)}),
        seed=settings["seed"],
    )
    index = None
    if indexed:
        index = EmbeddingIndex(
            settings["dim"],
            settings["spec"],
            metric=settings["metric"],
            estimator=settings["estimator"],
            assignment=settings["assignment"],
            rotation=settings["rotation"],
            # The recipe warm-starts on the whole catalogue at its own step; the layer must not start before.
            warmup_steps=settings["steps"] + 1,
            seed=settings["seed"],
        )
    return EventModel(
        towers,
        index,
        log_q=torch.zeros(events.n_items) if log_q is None else torch.from_numpy(log_q),
        loss=EventLossOptions(**{field.name: settings[field.name] for field in fields(EventLossOptions)}),
        metric=settings["metric"],
    )
