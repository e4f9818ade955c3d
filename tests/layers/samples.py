"""Vectors, and an embedding index that is fitted to them."""

from __future__ import annotations

import torch

from poeem.layers.embedding_index import EmbeddingIndex


def sample(n=400, dim=16, seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(n, dim, generator=g) @ torch.randn(dim, dim, generator=torch.Generator().manual_seed(1)) / 4


def ready(spec="OPQ4,IVF8,PQ4x4", metric="cosine", **options):
    index = EmbeddingIndex(16, spec, metric=metric, **options)
    index.warm_start(sample(1000, seed=7))
    return index
