from __future__ import annotations

import pytest
import torch

from poeem.layers.embedding_index import EmbeddingIndex
from poeem.towers.two_tower import interaction_towers
from poeem.training.model import JointModel
from poeem.training.optimizer import make_optimizer


def test_only_matrices_of_the_towers_decay():
    towers = interaction_towers("history", 40, 8)
    model = JointModel(towers, EmbeddingIndex(8, "OPQ2,IVF4,PQ2x4"), log_q=torch.zeros(40))
    optimizer = make_optimizer(model, lr=1e-3, weight_decay=0.1)
    decay = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    decayed = {name for name, p in model.named_parameters() if decay[id(p)] > 0}
    assert decayed == {
        f"towers.{name}.weight"
        for name in ("query.mlp.widen", "query.mlp.narrow", "query.mlp.skip", "item.mlp.widen", "item.mlp.narrow")
    }
    assert len(decay) == len(list(model.parameters()))


def test_the_index_has_a_rate_of_its_own():
    towers = interaction_towers("history", 40, 8)
    model = JointModel(towers, EmbeddingIndex(8, "OPQ2,IVF4,PQ2x4"), log_q=torch.zeros(40))
    optimizer = make_optimizer(model, lr=1e-3, weight_decay=0.1, index_lr=3.0)
    found = {id(p): (group["lr"], group["lr_factor"]) for group in optimizer.param_groups for p in group["params"]}
    for name, parameter in model.named_parameters():
        factor = 3.0 if name.startswith("index.") else 1.0
        assert found[id(parameter)] == (pytest.approx(factor * 1e-3), factor), name
    with pytest.raises(ValueError, match=r"index_lr \(=-1\)"):
        make_optimizer(model, lr=1e-3, index_lr=-1)


@pytest.mark.parametrize(("lr", "decay", "message"), [(0, 0, "lr"), (float("nan"), 0, "lr"), (1, -1, "weight_decay")])
def test_senseless_numbers_are_refused(lr, decay, message):
    with pytest.raises(ValueError, match=message):
        make_optimizer(torch.nn.Linear(2, 2), lr=lr, weight_decay=decay)
