"""torch.export of the index in eval mode."""

from __future__ import annotations

import io

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from poeem.layers.choices import BeamSearch, ScoreAware
from poeem.layers.embedding_index import EmbeddingIndex
from poeem.layers.rotation import ROTATIONS

pytestmark = pytest.mark.filterwarnings("ignore")  # the exporter warns about torch itself
BATCH = torch.export.Dim("batch")
CASES = [
    ("PQ4x4", "ip", {}),
    ("PQ4x4", "cosine", {"estimator": "soft"}),
    ("IVF8,PQ2x4", "l2", {"assignment": ScoreAware(4.0)}),
    ("PQ4x4", "ip", {"assignment": "balanced", "estimator": "rotation-trick"}),
    ("RQ3x4", "ip", {}),
    ("IVF8,RQ3x4", "cosine", {"assignment": BeamSearch(3), "estimator": "task"}),
    *(("OPQ4,IVF8,PQ4x4", "cosine", {"rotation": rotation}) for rotation in ROTATIONS),
]


def sample(n=400, seed=0):
    return torch.randn(n, 16, generator=torch.Generator().manual_seed(seed)) + 0.1


def trained(spec, metric="ip", **options):
    index = EmbeddingIndex(16, spec, metric=metric, **options)
    index.warm_start(sample(1000, seed=7))
    optimizer = torch.optim.Adam(index.parameters(), lr=1e-2)
    for step in range(3):
        optimizer.zero_grad()
        index(sample(seed=step)).distortion.backward()
        optimizer.step()  # the last step is pending in the rotation
    return index


@pytest.mark.parametrize(
    ("spec", "metric", "options", "strict"),
    [
        *((*case, False) for case in CASES),
        # Strict mode is slow, and one rotation shows it.
        *((*case, True) for case in CASES if case[2].get("rotation", "cayley") == "cayley"),
    ],
)
def test_an_exported_index_gives_the_same_codes(spec, metric, options, strict):
    index = trained(spec, metric, **options)
    exported = torch.export.export(index.eval(), (sample(8),), dynamic_shapes={"x": {0: BATCH}}, strict=strict).module()
    for n in (2, 8, 333):
        x = sample(n, seed=n)
        out, again = index(x), exported(x)
        assert torch.equal(again[1], out.codes)
        assert again[2] is None if out.lists is None else torch.equal(again[2], out.lists)
        torch.testing.assert_close(again[0], out.embedding)
        torch.testing.assert_close(again[3], out.distortion)


def test_a_program_is_saved_and_loaded():
    index = trained("OPQ4,IVF8,PQ4x4").eval()
    file = io.BytesIO()
    torch.export.save(torch.export.export(index, (sample(8),), dynamic_shapes={"x": {0: BATCH}}), file)
    file.seek(0)
    again = torch.export.load(file).module()(sample())
    assert torch.equal(again[1], index(sample()).codes)


def test_token_vectors_are_exported():
    index = trained("OPQ4,PQ4x4").eval()
    x = sample(24).reshape(4, 6, 16)
    tokens = torch.export.Dim("tokens")
    exported = torch.export.export(index, (x,), dynamic_shapes={"x": {0: BATCH, 1: tokens}}).module()
    other = sample(30).reshape(3, 10, 16)
    assert torch.equal(exported(other)[1], index(other).codes)


def test_an_export_sees_what_the_last_eval_saw():
    model = nn.Sequential(nn.Linear(16, 16), trained("OPQ4,PQ4x4"))
    averaged = AveragedModel(model, use_buffers=True)
    for _ in range(3):
        averaged.update_parameters(model)
        with torch.no_grad():
            model[1].rotation.angles.add_(0.1)
            model[1].phase.count_step()
        model[1](sample())
    exported = torch.export.export(averaged.module.eval(), (sample(8),), dynamic_shapes=({0: BATCH},)).module()
    assert torch.equal(exported(sample())[1], averaged.module(sample()).codes)
    index = EmbeddingIndex(16, "OPQ4,PQ4x4", metric="ip").eval()
    index.load_state_dict(trained("OPQ4,PQ4x4").state_dict())  # in eval mode already
    exported = torch.export.export(index, (sample(8),), dynamic_shapes=({0: BATCH},)).module()
    assert torch.equal(exported(sample())[1], index(sample()).codes)


def test_refuses_what_is_not_ready_or_in_training():
    with pytest.raises(RuntimeError, match="not ready to be exported: warm-start it"):
        torch.export.export(EmbeddingIndex(16, "PQ4x4").eval(), (sample(8),), strict=False)
    for spec in ("OPQ4,PQ4x4", "PQ4x4"):
        with pytest.raises(RuntimeError, match="must be in eval mode to be exported"):
            torch.export.export(trained(spec), (sample(8),), strict=False)
