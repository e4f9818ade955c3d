"""The callback of Lightning, with a small model and Lightning's own trainer."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn

import poeem

pytest.importorskip("lightning")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import lightning as L
    from lightning.pytorch.callbacks import Callback, ModelCheckpoint

    from poeem.integrations.lightning import WarmStart

pytestmark = pytest.mark.filterwarnings("ignore")
ITEMS, STEPS = 120, 20


class TwoTower(L.LightningModule):
    def __init__(self, indexed: bool = True):
        super().__init__()
        self.queries, self.items = nn.Embedding(ITEMS, 16), nn.Embedding(ITEMS, 16)
        self.index = poeem.EmbeddingIndex(16, "RQ2x4") if indexed else None

    def training_step(self, batch, _):
        q, x = self.queries(batch), self.items(batch)
        out = self.index(x)
        return nn.functional.cross_entropy(q @ out.embedding.T, torch.arange(len(q))) + out.distortion

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=0.05)


class Watch(Callback):
    """Whether the index is ready after each step, and the figures that were logged."""

    def __init__(self):
        self.ready, self.logged = [], {}

    def on_train_batch_end(self, trainer, module, *rest):
        self.ready.append(module.index.ready)
        self.logged |= {name: float(value) for name, value in trainer.callback_metrics.items()}


def data():
    numbers = torch.randint(0, ITEMS, (STEPS * 24,), generator=torch.Generator().manual_seed(0))
    return torch.utils.data.DataLoader(numbers, batch_size=24)


def trainer(folder, *callbacks, **options):
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    options = {"max_epochs": 1, "enable_checkpointing": False} | options
    return L.Trainer(default_root_dir=folder, callbacks=list(callbacks), **quiet, **options)


def all_items(module):
    assert not module.training
    assert not torch.is_grad_enabled()
    return module.items(torch.arange(ITEMS))


@pytest.mark.parametrize(("at", "first"), [(0.5, 10), (0.25, 5), (0.0, 0)])
def test_the_index_starts_at_its_step(at, first, tmp_path):
    watch, model = Watch(), TwoTower()
    trainer(tmp_path, WarmStart(all_items, at=at), watch).fit(model, data())
    assert watch.ready == [step >= first for step in range(STEPS)]
    assert model.training


def test_accumulated_batches_are_one_step(tmp_path):
    watch = Watch()
    trainer(tmp_path, WarmStart(all_items), watch, accumulate_grad_batches=2).fit(TwoTower(), data())
    assert watch.ready == [batch >= 10 for batch in range(STEPS)]  # step 5 of 10 begins with batch 10


def test_the_codewords_are_those_of_all_items(tmp_path):
    class Stop(Callback):
        def on_train_batch_start(self, trainer, module, batch, number):
            if number == 10:
                self.found = module.index.quantizer.codebooks.detach().clone()
                self.items = module.items.weight.detach().clone()

    stop = Stop()
    trainer(tmp_path, WarmStart(all_items), stop).fit(TwoTower(), data())
    fresh = poeem.EmbeddingIndex(16, "RQ2x4")
    fresh.warm_start(stop.items)
    torch.testing.assert_close(stop.found, fresh.quantizer.codebooks.detach())


def test_usage_is_logged(tmp_path, monkeypatch):
    monkeypatch.setattr("poeem.integrations.lightning.LOG_EVERY", 5)
    watch = Watch()
    trainer(tmp_path, WarmStart(all_items, at=0), watch).fit(TwoTower(), data())
    assert watch.logged["index/perplexity"] > 1
    assert 0 <= watch.logged["index/dead_share"] < 1


def test_a_resumed_training_does_not_start_again(tmp_path):
    checkpoint = ModelCheckpoint(tmp_path / "c", every_n_train_steps=15, save_top_k=-1)
    options = {"enable_checkpointing": True}
    trainer(tmp_path, WarmStart(all_items), checkpoint, **options).fit(TwoTower(), data())
    (file,) = (tmp_path / "c").glob("*step=15*.ckpt")
    called, watch, again = [], Watch(), TwoTower()
    trainer(tmp_path, WarmStart(called.append), watch).fit(again, data(), ckpt_path=str(file), weights_only=False)
    assert called == []
    assert watch.ready == [True] * 5
    assert again.index.step == STEPS


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda f: WarmStart(all_items, at=2), r"at \(=2\) must be 0 to 1"),
        (lambda f: trainer(f, WarmStart(all_items)).fit(TwoTower(indexed=False), data()), "has no EmbeddingIndex"),
        (lambda f: trainer(f, WarmStart(all_items), max_epochs=-1).fit(TwoTower(), data()), "has no last step"),
    ],
)
def test_mistakes_are_named(make, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        make(tmp_path)
