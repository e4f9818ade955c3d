"""Rows that faiss itself added to an additive index are found."""

from __future__ import annotations

import faiss
import numpy as np
import pytest
import torch

import poeem
from poeem.explain.faiss_assigned import rows_assigned_by_faiss
from poeem.explain.sources import read_workload


def vectors(n, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 4, generator=generator) @ torch.randn(4, 16, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("spec", ["RQ4x5", "IVF8,RQ4x5"])
@pytest.mark.parametrize("metric", ["ip", "cosine"])
def test_rows_that_faiss_added_are_found(tmp_path, spec, metric):
    items, new = vectors(600, 1), vectors(5, 2)
    layer = poeem.EmbeddingIndex(16, spec, metric=metric)
    layer.warm_start(items)
    bundle = layer.eval().bundle(np.arange(600), items, tmp_path / "b")
    poeem.export(bundle, "faiss", tmp_path / "x.faiss", fastscan=False)
    unit = items / items.norm(dim=1, keepdim=True)
    assert len(rows_assigned_by_faiss(bundle, (unit if metric == "cosine" else items).numpy())) == 0

    index = faiss.read_index(str(tmp_path / "x.faiss"))
    index.add_with_ids(new.numpy(), np.arange(600, 605))
    faiss.write_index(index, str(tmp_path / "y.faiss"))
    everything = torch.cat([items, new]).numpy()
    workload = read_workload(faiss=tmp_path / "y.faiss", vectors=everything, queries=new.numpy())
    assert any("5 rows have the codes that faiss's own add gives" in note for note in workload.notes)
    good = read_workload(faiss=tmp_path / "x.faiss", vectors=items.numpy(), queries=new.numpy())
    assert not any("faiss's own add" in note for note in good.notes)
