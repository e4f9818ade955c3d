"""Learn a query adapter from queries that are not used to measure."""

from __future__ import annotations

import numpy as np

from poeem.bundle.bundle import Bundle

# An adapter learned from fewer queries does not generalise.
FEWEST_QUERIES = 200
_EPOCHS = 2.0


def learn_adapter(bundle: Bundle, items: np.ndarray, queries: np.ndarray, seed: int = 0) -> np.ndarray | None:
    """Learn a query adapter, as ``poeem fit`` with fixed codebooks does.

    Args:
        bundle: the index. It is not changed.
        items: float, ``(n, dim)``, the input of the index.
        queries: float, ``(m, dim)``, at least ``FEWEST_QUERIES``. Some of them are held out from the fit.
        seed: seed of all random numbers.
    Returns:
        the matrix ``(dim, dim)``; None if it does not help on the held-out queries.
    """
    from poeem.engines.faiss.read import FaissContents
    from poeem.training.recipes.vectors import fit_vectors

    arrays = {name: array for name, array in bundle.arrays.items() if name in ("rotation", "coarse", "codebooks")}
    start = FaissContents(
        bundle.spec, bundle.metric, bundle.dim, arrays, bundle.codes, bundle.lists, np.arange(len(bundle))
    )
    result = fit_vectors(
        items, queries, initial_index=start, train_codebooks=False, epochs=_EPOCHS, seed=seed, device="cpu", show=False
    ).result
    return result.adapter if result.kept else None
