"""Items for users, for histories, and like an item, from a stored run."""

from __future__ import annotations

import numpy as np

from poeem.data.ragged import Ragged
from poeem.engines.probing import check_nprobe
from poeem.engines.queries import check_k
from poeem.training.load import Run
from poeem.training.model_scores import BundleScorer


def recommend(run: Run, histories: Ragged, k: int = 10, nprobe: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The best items for histories, as the index scores them; what a history holds is left out.

    Args:
        run: the stored run.
        histories: item numbers, oldest first, ``nq`` rows.
        k: items a query.
        nprobe: lists visited; default the run's.
    Returns:
        scores float32 and rows of the bundle int64, ``(nq, k)``, best first; row -1 where there are not so many items.
    Raises:
        ValueError: ``k`` or ``nprobe`` below 1.
    """
    return _best(run, run.queries(histories), histories, k, nprobe)


def similar_items(run: Run, items: np.ndarray, k: int = 10, nprobe: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The items nearest to the given ones ``(nq,)``, as ``recommend``; each leaves itself out."""
    itself = Ragged(np.arange(len(items) + 1), items)
    return _best(run, run.items(items), itself, k, nprobe)


def _best(run: Run, queries: np.ndarray, left_out: Ragged, k: int, nprobe: int | None) -> tuple[np.ndarray, np.ndarray]:
    k, nlist = check_k(k), run.bundle.spec.nlist
    nprobe = check_nprobe(nprobe, nlist, default=run.settings["nprobe"] or 1)
    scores = BundleScorer(run.bundle, nprobe).scores(queries)
    # The catalogue may have lost items since the training, and gained others.
    rows = run.rows[left_out.values]
    scores[left_out.row_of_value[rows >= 0], rows[rows >= 0]] = -np.inf
    # An item without a training event has a vector that means nothing.
    untrained = run.rows[~run.split.seen_in_training]
    scores[:, untrained[untrained >= 0]] = -np.inf
    numbers = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    best = np.take_along_axis(scores, numbers, axis=1)
    numbers = np.where(np.isneginf(best), -1, numbers)
    missing = ((0, 0), (0, k - numbers.shape[1]))
    best, numbers = np.pad(best, missing, constant_values=-np.inf), np.pad(numbers, missing, constant_values=-1)
    return (-best if run.bundle.metric == "l2" else best), numbers
