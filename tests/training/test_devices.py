from __future__ import annotations

import pytest
import torch

from poeem.training.devices import check_device, make_accelerator, torch_device
from poeem.training.recipes.interactions import train_interactions


def test_cpu_is_always_there():
    assert torch_device("cpu") == make_accelerator("cpu").device == torch.device("cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is one")
def test_what_is_not_there_is_refused():
    with pytest.raises(ValueError, match=r"device \(='cuda'\) is not available on this machine"):
        check_device("cuda")


def test_a_tracker_gets_the_figures(small, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    options = {"dim": 8, "steps": 100, "batch_size": 64, "device": "cpu", "baselines": (), "show": False}
    train_interactions(small, spec="PQ2x4", out=tmp_path / "run", log_with="tensorboard", **options)
    events = EventAccumulator(str(tmp_path / "run" / "logs" / "poeem"))
    events.Reload()
    tags = set(events.Tags()["scalars"])
    assert {"training/loss", "training/lr", "index/perplexity", "validation/ndcg@10"} <= tags
    assert [event.step for event in events.Scalars("training/loss")] == [50, 100]
