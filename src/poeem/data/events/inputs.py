"""EventInputs: the inputs of the towers of product search, from events: query tokens and behaviour in three spans."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from poeem.data.events.search_events import NO_QUERY, SearchEvents
from poeem.data.histories import history_before
from poeem.data.ragged import Ragged, offsets_of
from poeem.data.vocabulary import Tokens, Vocabulary

# Longest query that is read, in words and in characters.
WORDS, CHARACTERS = 12, 48


@dataclass(frozen=True)
class Spans:
    """Lengths of the spans of a user's behaviour, in events.

    Args:
        recent: number of the latest events.
        short: number of the events before these.
        long: number of the events before those.
        past: number of past queries.
    Raises:
        ValueError: a length is below 1.
    """

    recent: int = 15
    short: int = 30
    long: int = 400
    past: int = 5

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 1:
                raise ValueError(f"{name} (={value}) must be at least 1 event")


class EventInputs:
    """Makes the inputs of the query tower, as numpy arrays by name.

    Args:
        events: the log.
        vocabulary: of the queries.
        spans: lengths of the spans.
    """

    def __init__(self, events: SearchEvents, vocabulary: Vocabulary, spans: Spans) -> None:
        self.events, self.vocabulary, self.spans = events, vocabulary, spans
        self._items, self._kinds = events.items, Ragged(events.offsets, events.kind)
        self._tokens = _cut(vocabulary.encode(events.queries))
        asked = events.query != NO_QUERY
        self._asked_before = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(asked)])
        self._past = Ragged(
            offsets_of(np.bincount(events.user[asked], minlength=len(events.user_ids))), events.query[asked]
        )

    def of_events(self, positions: np.ndarray) -> dict[str, np.ndarray]:
        """Return the inputs for events by position: the query, and what was known of the user before it.

        Every event must have a query, which is not checked. Events of the same user and time were not known. They are
        one visit, whose behaviour is returned once: ``visit``, int64 ``(B,)``, is the row of each query's behaviour.
        """
        tokens = Tokens(*(_filled_places(part[self.events.query[positions]]) for part in self._tokens))
        # An event is known by the first event of its user and time.
        first, visit = np.unique(self.events.known_before[positions], return_inverse=True)
        return self._inputs(tokens, visit, self.events.user[first], first)

    def of_typed(self, text: str, user: int | None) -> dict[str, np.ndarray]:
        """Return the inputs ``(1, ...)`` for a typed query of a user after all of the user's events; None: a user
        without events. Characters and words beyond ``CHARACTERS`` and ``WORDS`` are cut off.
        """
        tokens = _cut(self.vocabulary.encode([text]))
        users = np.array([0 if user is None else user])
        stops = self.events.offsets[users + (0 if user is None else 1)]
        return self._inputs(tokens, np.zeros(1, dtype=np.int64), users, stops)

    def _inputs(self, tokens: Tokens, visit: np.ndarray, users: np.ndarray, stops: np.ndarray) -> dict[str, np.ndarray]:
        recent, short, long, past = self.spans.recent, self.spans.short, self.spans.long, self.spans.past
        items = history_before(self._items, users, stops, recent + short + long)
        kinds = history_before(self._kinds, users, stops, recent + short + long)
        queries = history_before(self._past, users, self._asked_before[stops], past)
        words = self._tokens.words[queries.clip(min=0)]
        words[queries < 0] = -1
        return {
            **tokens._asdict(),
            "visit": visit,
            "past": _filled_places(words),
            "recent": items[:, short + long :],
            "short": items[:, long : short + long],
            "long": items[:, :long],
            "long_kinds": kinds[:, :long],
        }


def _cut(tokens: Tokens) -> Tokens:
    # Words are cut first: a pasted page is no query.
    return Tokens(tokens.characters[:, :CHARACTERS], tokens.bigrams[:, : CHARACTERS - 1], tokens.words[:, :WORDS])


def _filled_places(tokens: np.ndarray) -> np.ndarray:
    """The first places of rows of tokens, without those that are empty in every row; at least one."""
    filled = (tokens >= 0).reshape(-1, tokens.shape[-1]).any(0)
    return tokens[..., : max(1, int(filled.sum()))]
