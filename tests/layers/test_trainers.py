"""The call order of trainers: they validate before the first training step, and after every epoch."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn

from poeem.layers.embedding_index import EmbeddingIndex


def batches(count, seed):
    return torch.randn(count, 32, 8, generator=torch.Generator().manual_seed(seed))


def model():
    return nn.Sequential(nn.Linear(8, 8), EmbeddingIndex(8, "OPQ4,IVF4,PQ4x4", metric="ip", buffer_rows=100))


def validate(model, data):
    model.eval()
    with torch.no_grad():
        outputs = [model(x) for x in data]
    model.train()
    return outputs


def test_a_validation_before_training_warns_once_and_changes_nothing():
    tower, untouched = model(), model()
    untouched.load_state_dict(tower.state_dict())
    held_out = batches(2, seed=1)
    with pytest.warns(UserWarning, match="has not been warm-started") as caught:
        outputs = validate(tower, held_out)
    assert len(caught) == 1
    for out, x in zip(outputs, held_out):
        assert torch.equal(out.embedding, tower[0](x))
        assert (out.codes, out.lists, out.distortion.item()) == (None, None, 0)
    results = []
    for one in (tower, untouched):
        optimizer = torch.optim.Adam(one.parameters(), lr=1e-2)
        for x in batches(8, seed=2):
            out = one(x)
            optimizer.zero_grad()
            (out.embedding.square().mean() + out.distortion).backward()
            optimizer.step()
        results.append(validate(one, held_out)[0])  # no warning: warnings are errors here
    assert tower[1].ready
    assert torch.equal(results[0].embedding, results[1].embedding)
    assert torch.equal(results[0].codes, results[1].codes)


def test_lightning_trains_with_its_default_settings(tmp_path):
    lightning = pytest.importorskip("lightning.pytorch")

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.tower = model()

        def training_step(self, x):
            out = self.tower(x)
            return out.embedding.square().mean() + out.distortion

        def validation_step(self, x):
            self.tower(x)

        def configure_optimizers(self):
            return torch.optim.Adam(self.parameters(), lr=1e-2)

    module = Module()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = lightning.Trainer(max_epochs=2, default_root_dir=tmp_path, accelerator="cpu", logger=False)
        data = [torch.utils.data.DataLoader(batches(count, seed=count), batch_size=None) for count in (8, 2)]
        trainer.fit(module, *data)
    assert module.tower[1].ready
    assert module.tower[1].step == 16
