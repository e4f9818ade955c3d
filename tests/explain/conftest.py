from __future__ import annotations

import numpy as np
import pytest
import torch

from poeem.explain import refits
from poeem.layers.embedding_index import EmbeddingIndex
from poeem.spec import IndexSpec

DIM = 32


def clustered(n, seed, *, centres=60, spread=1.2):
    """Vectors around centres that are the same for every seed, with axes of uneven variance, mixed by a rotation."""
    fixed = np.random.default_rng(123)
    means = fixed.standard_normal((centres, DIM)) * np.linspace(2, 0.3, DIM)
    mix = np.linalg.qr(fixed.standard_normal((DIM, DIM)))[0]
    rng = np.random.default_rng(seed)
    x = means[rng.integers(0, centres, n)] + spread * rng.standard_normal((n, DIM)) * np.linspace(2, 0.3, DIM)
    return (x @ mix).astype(np.float32)


@pytest.fixture(scope="session")
def items():
    return clustered(2000, 1)


@pytest.fixture(scope="session")
def queries():
    return clustered(400, 2)


@pytest.fixture(scope="session")
def fitted(items):
    """A good index of these items, made once for each structure."""
    made = {}

    def fit(spec="OPQ16,IVF32,PQ16x4", metric="l2"):
        if (spec, metric) not in made:
            layer = EmbeddingIndex(DIM, spec, metric=metric, seed=0)
            layer.warm_start(torch.from_numpy(items))
            codes, lists = layer.eval().encode(torch.from_numpy(items))
            made[spec, metric] = refits.in_memory_bundle(
                IndexSpec.parse(spec),
                metric,
                layer.arrays(),
                codes.numpy(),
                None if lists is None else lists.numpy(),
            )
        return made[spec, metric]

    return fit
