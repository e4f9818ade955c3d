"""EmbeddedSet: vectors of items and queries from a frozen encoder, with the relevant item of each query."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from poeem.data.encoders.cached import Encoder, cached_vectors

PARTS = ("train", "validation", "test")
# Data sets of texts: number of validation and test queries, and the tokens that an encoder reads.
VALIDATION, TEST = 1_500, 3_000
QUERY_TOKENS, DOCUMENT_TOKENS = 32, 64


@dataclass(frozen=True, eq=False)
class EmbeddedSet:
    """Vectors of items and of queries, scored by inner product, with the relevant item of each query.

    Args:
        items: float32, ``(n, dim)``, mapped read-only.
        queries: float32, ``(nq, dim)``, by part: ``train``, ``validation``, ``test``; no query is in two of them.
        relevance: int64, ``(nq,)``, by part: the row of ``items`` that is relevant to each query. None without labels:
            the nearest neighbours of the float vectors then count as relevant.
        titles: a line of text per item, ``(n,)``.
        warning: how the data differ from the published set, so that figures cannot be compared; empty if they do not.
    """

    items: np.ndarray
    queries: dict[str, np.ndarray]
    relevance: dict[str, np.ndarray] | None
    titles: Sequence[str]
    warning: str = ""

    @property
    def dim(self) -> int:
        return self.items.shape[1]


def split_queries(n: int, *, validation: int, test: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Split query numbers at random into training, validation and test parts (80 / 10 / 10).

    ``validation`` and ``test`` are upper limits. Queries above a limit are in no part, so the size of one part does not
    change another.

    Returns:
        int64 query numbers by part.

    >>> {part: rows.tolist() for part, rows in split_queries(20, validation=1, test=5).items()}
    {'train': [4, 19, 6, 2, 13, 16, 3, 11, 10, 8, 0, 12, 7, 5, 18, 17], 'validation': [14], 'test': [1, 15]}
    """
    order = np.random.default_rng(seed).permutation(n)
    first, second = n * 8 // 10, n * 9 // 10
    parts = (order[:first], order[first:second][:validation], order[second:][:test])
    return dict(zip(PARTS, parts))


def embedded_texts(
    name: str,
    documents: Sequence[str],
    queries: Sequence[str],
    answers: np.ndarray,
    *,
    encoder: Callable[[], Encoder],
    encoder_name: str,
    titles: Sequence[str],
    warning: str = "",
) -> EmbeddedSet:
    """Make a set of documents as items and short texts as queries. They are encoded at the first use and then cached.

    Args:
        name: name of the data set, for file names.
        documents, queries: texts.
        answers: int64, ``(len(queries),)``: the document that is relevant to each query.
        encoder, encoder_name: see ``cached_vectors``.
        titles, warning: see ``EmbeddedSet``.
    Returns:
        the set, its queries split by :func:`split_queries`.
    """
    parts = split_queries(len(queries), validation=VALIDATION, test=TEST)

    def vectors(part: str, texts: Sequence[str], max_tokens: int) -> np.ndarray:
        return cached_vectors(f"{name}-{part}", texts, max_tokens=max_tokens, name=encoder_name, encoder=encoder)

    return EmbeddedSet(
        items=vectors("items", documents, DOCUMENT_TOKENS),
        queries={
            part: vectors(part, [queries[int(row)] for row in rows], QUERY_TOKENS) for part, rows in parts.items()
        },
        relevance={part: np.asarray(answers[rows], dtype=np.int64) for part, rows in parts.items()},
        titles=titles,
        warning=warning,
    )
