from __future__ import annotations

import hashlib
import json
import pickle

import pytest
import torch
from torch import nn

from poeem.training.checkpoints import Checkpoints

SETTINGS = {"lr": 0.1, "spec": "PQ8", "patience": None}


class Tied(nn.Module):
    """Two names for one table, as query and item tower have."""

    def __init__(self) -> None:
        super().__init__()
        table = nn.Embedding(5, 3)
        self.a, self.b = nn.Sequential(table), nn.Sequential(table)
        self.register_buffer("rotation", torch.eye(3, dtype=torch.float64) / 3)


def trained() -> tuple[nn.Module, torch.optim.Optimizer]:
    model = Tied()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    model.a(torch.arange(5)).square().sum().backward()
    optimizer.step()
    return model, optimizer


def started(folder) -> Checkpoints:
    kept = Checkpoints(folder, SETTINGS, resume=False)
    assert not folder.exists() or not list(folder.iterdir())
    kept.begin()
    return kept


def test_everything_comes_back_bit_for_bit(tmp_path):
    model, optimizer = trained()
    kept = started(tmp_path / "c")
    kept.save(7, model, optimizer, {"best_step": None, "seconds": 1.5})
    other, fresh = Tied(), None
    fresh = torch.optim.AdamW(other.parameters(), lr=1.0)
    again = Checkpoints(tmp_path / "c", SETTINGS, resume=True)
    assert again.steps() == [7]
    assert again.load(7, other, fresh) == {"best_step": None, "seconds": 1.5}
    for (name, a), b in zip(model.state_dict().items(), other.state_dict().values()):
        assert torch.equal(a, b), name
    assert other.rotation.dtype == torch.float64
    assert other.a[0] is other.b[0]
    before, after = optimizer.state_dict(), fresh.state_dict()
    assert before["param_groups"] == after["param_groups"]
    for key, value in before["state"][0].items():
        assert torch.equal(value, after["state"][0][key])


def test_keeps_the_last_two_and_the_best(tmp_path):
    kept = started(tmp_path)
    for step in (10, 20, 30, 40):
        kept.save(step, *trained(), {"best_step": 10 if step < 40 else 30})
        assert 10 in kept.steps() or step == 40
    assert kept.steps() == [30, 40]


def test_an_interrupted_write_is_finished_or_forgotten(tmp_path):
    kept = started(tmp_path)
    kept.save(10, *trained(), {})
    kept.save(20, *trained(), {})
    # As a kill leaves them: one complete but not yet renamed in, one half written.
    (tmp_path / "step-20").rename(tmp_path / ".step-20.ready")
    (tmp_path / ".step-30.new-host-999999999-0").mkdir()
    assert kept.steps() == [10, 20]
    kept.load(20, Tied())


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (SETTINGS | {"lr": 0.2}, r"lr \(=0.2\) differs from that of the run to resume \(=0.1\); resume with the same"),
        (SETTINGS | {"patience": 3}, r"patience \(=3\) differs .* \(=None\)"),
        ({"lr": 0.1, "spec": "PQ8", "new": 1}, r"new \(=1\) differs"),
        ({"lr": 0.1}, r"spec \(=None\) differs .* \(='PQ8'\)"),
    ],
)
def test_other_settings_are_refused_by_name(tmp_path, asked, message):
    started(tmp_path)
    with pytest.raises(ValueError, match=message):
        Checkpoints(tmp_path, asked, resume=True)


def test_a_run_is_not_started_over(tmp_path):
    started(tmp_path)
    with pytest.raises(ValueError, match="holds a run already; resume it, or choose another folder"):
        Checkpoints(tmp_path, SETTINGS, resume=False)


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.pt", "state.json"])
@pytest.mark.parametrize("how", ["flipped", "cut", "missing"])
def test_damage_is_refused_with_what_to_do(tmp_path, name, how):
    kept = started(tmp_path)
    file = kept.save(10, *trained(), {}) / name
    data = bytearray(file.read_bytes())
    if how == "missing":
        file.unlink()
    else:
        data[len(data) // 2] ^= 255
        file.write_bytes(data if how == "flipped" else data[:0])
    with pytest.raises(ValueError, match=r"checkpoint .*step-10 .*; delete .*step-10 to resume from the checkpoint"):
        kept.load(10, *trained())


@pytest.mark.parametrize("pickled", [pickle.dumps(print, protocol=4), b"\x80\x05.", b""])
def test_a_foreign_pickle_is_refused_without_a_warning(tmp_path, pickled, recwarn):
    """Its checksum is right, as someone who means harm would write it."""
    kept = started(tmp_path)
    folder = kept.save(10, *trained(), {})
    (folder / "optimizer.pt").write_bytes(pickled)
    state = json.loads((folder / "state.json").read_text())
    state["files"]["optimizer.pt"] = hashlib.sha256(pickled).hexdigest()
    (folder / "state.json").write_text(json.dumps(state))
    with pytest.raises(ValueError, match=r"optimizer.pt holds no optimizer state .*; delete"):
        kept.load(10, *trained())
    assert not recwarn.list


def test_unreadable_settings_are_refused(tmp_path):
    started(tmp_path)
    (tmp_path / "settings.json").write_text("[")
    with pytest.raises(ValueError, match=r"settings.json cannot be read .* start a new run in another folder"):
        Checkpoints(tmp_path, SETTINGS, resume=True)


def test_weights_of_another_model_are_refused(tmp_path):
    kept = started(tmp_path)
    kept.save(10, *trained(), {})
    assert json.loads((tmp_path / "step-10" / "state.json").read_text())["step"] == 10
    with pytest.raises(ValueError, match="holds the weights of another model"):
        kept.load(10, nn.Linear(2, 2))
