"""The trainer of Hugging Face with a model that has an index: precision, accumulation, checkpointing, DDP, resume."""

from __future__ import annotations

import socket
import warnings

import pytest
import torch

from tests import forked
from tests.integrations.trainer_runs import DIM, ITEMS, QUERIES, train, train_one_of_two, weights
from tests.texts import write_bert

pytestmark = pytest.mark.filterwarnings("ignore")
pytest.importorskip("datasets", exc_type=ImportError)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    st = pytest.importorskip("poeem.integrations.sentence_transformers", exc_type=ImportError)


def index_of(trainer):
    return st.find_quantize(trainer.model).index


def hits(trainer, k: int = 10) -> float:
    """Share of the queries that find their document among the k best decoded ones."""
    model = trainer.model.eval()
    scores = torch.from_numpy(model.encode_query(QUERIES) @ model.encode_document(ITEMS).T)
    return float((scores.topk(k).indices == torch.arange(len(QUERIES))[:, None]).any(1).float().mean())


@pytest.fixture(scope="module")
def bert(tmp_path_factory) -> str:
    folder = str(tmp_path_factory.mktemp("bert"))
    write_bert(folder, DIM)
    return folder


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return train(tmp_path_factory.mktemp("plain"))


def test_bfloat16_trains_the_index_in_float32(tmp_path, plain):
    trainer = train(tmp_path, bf16=True)
    index = index_of(trainer)
    assert index.ready
    assert index.step == 16
    assert index.quantizer.codebooks.dtype == torch.float32
    assert hits(trainer) > 0.7 * hits(plain) > 0.1


def test_accumulated_batches_warm_start_at_half_of_the_steps(tmp_path, monkeypatch):
    steps = []
    warm_start = st.Quantize.warm_start
    monkeypatch.setattr(
        st.Quantize,
        "warm_start",
        lambda self, vectors: steps.append((self.index.step, len(vectors))) or warm_start(self, vectors),
    )
    trainer = train(tmp_path, gradient_accumulation_steps=2, max_steps=8)
    # The index counts forward passes: 8 of them are 4 steps of the optimizer.
    assert steps == [(8, len(ITEMS))]
    assert index_of(trainer).step == 16


def test_gradient_checkpointing_gives_the_same_weights(bert, tmp_path):
    options = {"max_steps": 4, "learning_rate": 1e-3}
    one = train(tmp_path / "a", bert, **options)
    two = train(tmp_path / "b", bert, gradient_checkpointing=True, **options)
    assert index_of(one).step == index_of(two).step == 4  # nothing of the index is computed twice
    for name, tensor in weights(one).items():
        torch.testing.assert_close(weights(two)[name], tensor, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("step", [4, 12])
def test_a_resumed_training_ends_as_an_uninterrupted_one(step, tmp_path):
    options = {"save_strategy": "steps", "save_steps": 4}
    whole = train(tmp_path / "run", **options)
    # Step 4 lies before the warm start, step 12 behind it.
    resumed = train(tmp_path / "run", resume=str(tmp_path / "run" / f"checkpoint-{step}"), **options)
    assert index_of(resumed).step == 16
    for name, tensor in weights(whole).items():
        torch.testing.assert_close(weights(resumed)[name], tensor, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_two_processes_have_one_index(tmp_path, plain):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = [forked.start(train_one_of_two, rank, port, tmp_path) for rank in range(2)]
    for process in processes:
        process.join(240)
        assert process.exitcode == 0
    one, two = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    assert one["step"] == two["step"] == 16
    counts = ("codeword_counts", "batches", "list_counts")  # each process counts its own
    for name, tensor in one["weights"].items():
        if not name.endswith(counts):
            assert torch.equal(tensor, two["weights"][name]), name
    codebooks = next(tensor for name, tensor in one["weights"].items() if name.endswith("codebooks"))
    assert codebooks.abs().max() > 0
