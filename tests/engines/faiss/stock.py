"""Stock faiss indexes of random vectors."""

from __future__ import annotations

import faiss
import numpy as np

DIM, ROWS = 16, 600


IP, L2 = faiss.METRIC_INNER_PRODUCT, faiss.METRIC_L2


def vectors(n=ROWS, seed=0, dim=DIM):
    return np.random.default_rng(seed).standard_normal((n, dim)).astype("float32")


def trained(factory, metric=L2, *, ids=None, rows=ROWS, dim=DIM):
    index = faiss.index_factory(dim, factory, metric)
    _hurry(index)
    index.train(vectors(rows, dim=dim))
    if ids is None:
        index.add(vectors(rows, dim=dim))
    else:
        index.add_with_ids(vectors(rows, dim=dim), ids)
    return index


def _hurry(index):
    """A few iterations will do; without the warning on stderr that k-means wants more rows."""
    inner = faiss.downcast_index(index)
    while isinstance(inner, faiss.IndexPreTransform):
        for i in range(inner.chain.size()):
            transform = faiss.downcast_VectorTransform(inner.chain.at(i))
            if isinstance(transform, faiss.OPQMatrix):
                transform.niter, transform.niter_pq, transform.niter_pq_0 = 2, 2, 2
        inner = faiss.downcast_index(inner.index)
    for part in (getattr(inner, "cp", None), getattr(getattr(inner, "pq", None), "cp", None)):
        if part is not None:
            part.min_points_per_centroid, part.niter = 1, 3
