"""A matrix on the queries' side, learnt from queries that nothing is measured by."""

from __future__ import annotations

import numpy as np

from poeem.bundle.bundle import Bundle

# Fewer queries than this teach nothing that holds for others.
FEWEST_QUERIES = 200
_EPOCHS = 2.0


def learnt_adapter(bundle: Bundle, items: np.ndarray, queries: np.ndarray, seed: int = 0) -> np.ndarray | None:
    """The query adapter alone, ``(dim, dim)``; None if it does not help on queries held out of these.

    Args:
        bundle: the index, which stays as it is.
        items: float, ``(n, dim)``, before the index.
        queries: float, ``(m, dim)``, at least ``FEWEST_QUERIES``.
        seed: of everything random.
    """
    from poeem.engines.faiss.read import FaissContents
    from poeem.training.recipes.vectors import fit_vectors

    arrays = {name: array for name, array in bundle.arrays.items() if name in ("rotation", "coarse", "codebooks")}
    start = FaissContents(
        bundle.spec, bundle.metric, bundle.dim, arrays, bundle.codes, bundle.lists, np.arange(len(bundle))
    )
    result = fit_vectors(
        items, queries, start=start, train_codebooks=False, epochs=_EPOCHS, seed=seed, device="cpu", show=False
    ).result
    return result.adapter if result.kept else None
