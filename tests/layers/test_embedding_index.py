from __future__ import annotations

import copy
import re
import shutil

import numpy as np
import pytest
import torch

from poeem.layers.choices import BeamSearch, ScoreAware, Soft
from poeem.layers.embedding_index import EmbeddingIndex

SPECS = ["PQ4x4", "OPQ4,PQ4x4", "IVF8,PQ4x4", "OPQ4,IVF8,PQ4x4"]
METRICS = ["ip", "l2", "cosine"]


def sample(n=400, dim=16, seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(n, dim, generator=g) @ torch.randn(dim, dim, generator=torch.Generator().manual_seed(1)) / 4


def ready(spec="OPQ4,IVF8,PQ4x4", metric="cosine", **options):
    index = EmbeddingIndex(16, spec, metric=metric, **options)
    index.warm_start(sample(1000, seed=7))
    return index


def by_definition(index, x):
    """The layer's contract in numpy float64: x_hat, codes, lists."""
    arrays = {name: array.astype(np.float64) for name, array in index.arrays().items()}
    x = x.detach().numpy().astype(np.float64)
    if index.metric == "cosine":
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
    y = x @ arrays["rotation"] if "rotation" in arrays else x
    lists, centroid = None, 0.0
    if "coarse" in arrays:
        lists = ((y[:, None] - arrays["coarse"]) ** 2).sum(-1).argmin(1)
        centroid = arrays["coarse"][lists]
    books = arrays["codebooks"]
    slices = (y - centroid).reshape(len(x), len(books), 1, -1)
    codes = ((slices - books) ** 2).sum(-1).argmin(-1)
    y_hat = centroid + np.concatenate([books[m][codes[:, m]] for m in range(len(books))], axis=1)
    x_hat = y_hat @ arrays["rotation"].T if "rotation" in arrays else y_hat
    return x, x_hat, codes, lists


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("training", [True, False])
def test_computes_what_the_contract_says(spec, metric, training):
    index = ready(spec, metric).train(training)
    x = sample()
    out = index(x)
    exact, x_hat, codes, lists = by_definition(index, x)
    assert (out.codes.numpy() == codes).all()
    assert (out.lists is None) == (lists is None)
    if lists is not None:
        assert (out.lists.numpy() == lists).all()
    np.testing.assert_allclose(out.embedding.detach().numpy(), x_hat, atol=2e-6)
    assert out.distortion.item() == pytest.approx(((x_hat - exact) ** 2).sum(1).mean(), rel=1e-5)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("spec", SPECS)
def test_training_encoding_and_decoding_agree(spec, metric):
    index = ready(spec, metric)
    x = sample()
    out = index(x)
    codes, lists = index.eval().encode(x)
    assert torch.equal(codes, out.codes)
    assert lists is None if out.lists is None else torch.equal(lists, out.lists)
    torch.testing.assert_close(index.decode(codes, lists), out.embedding.detach(), atol=1e-6, rtol=0)


def test_decoding_and_encoding_again_is_stable_for_flat_pq():
    index = ready("OPQ4,PQ4x4", "l2").eval()
    codes, _ = index.encode(sample())
    assert torch.equal(index.encode(index.decode(codes))[0], codes)


@pytest.mark.parametrize(("estimator", "learns_from_the_task"), [("ste", False), ("task", True)])
def test_where_the_gradients_go(estimator, learns_from_the_task):
    index = ready(metric="ip", estimator=estimator)
    x = sample(50).requires_grad_()
    weights = torch.randn(50, 16, generator=torch.Generator().manual_seed(3))
    (index(x).embedding * weights).sum().backward()
    torch.testing.assert_close(x.grad, weights)
    received = {name: p.grad is not None and bool(p.grad.abs().sum() > 0) for name, p in index.named_parameters()}
    assert set(received.values()) == {learns_from_the_task}, received
    index.zero_grad()
    x.grad = None
    index(x).distortion.backward()
    assert x.grad is None
    assert all(p.grad.abs().sum() > 0 for p in index.parameters())


def test_the_distortions_gradient_is_that_of_finite_differences():
    index = ready("IVF8,PQ4x4", "l2")
    x = sample(30)
    index(x).distortion.backward()
    with torch.no_grad():
        for parameter in (index.quantizer.codebooks, index.coarse.directions):
            where = parameter.grad.abs().argmax()
            flat, step = parameter.view(-1), 1e-3
            flat[where] += step
            up = index(x).distortion.double()
            flat[where] -= 2 * step
            down = index(x).distortion.double()
            flat[where] += step
            assert ((up - down) / (2 * step)).item() == pytest.approx(parameter.grad.view(-1)[where].item(), rel=0.02)


def test_training_lowers_the_distortion_and_keeps_the_rotation():
    index = EmbeddingIndex(16, "OPQ4,IVF8,PQ4x4", metric="l2")
    index.warm_start(sample(200, seed=9))
    x = sample(1000)
    optimizer = torch.optim.Adam(index.parameters(), lr=3e-3)
    before = index.eval()(x).distortion.item()
    index.train()
    for _ in range(200):
        optimizer.zero_grad()
        index(x).distortion.backward()
        optimizer.step()
    assert index.eval()(x).distortion.item() < 0.9 * before
    R = index.rotation.matrix().double()
    assert (R.T @ R - torch.eye(16)).abs().max() < 1e-5


@pytest.mark.parametrize("metric", ["ip", "cosine"])
def test_centroids_keep_one_norm_through_training(metric):
    index = ready(metric=metric)
    optimizer = torch.optim.Adam(index.parameters(), lr=1e-2)
    for step in range(20):
        optimizer.zero_grad()
        index(sample(100, seed=step)).distortion.backward()
        optimizer.step()
    norms = np.linalg.norm(index.arrays()["coarse"].astype(np.float64), axis=1)
    np.testing.assert_allclose(norms, norms[0], rtol=1e-6)


def test_passes_three_phases():
    index = EmbeddingIndex(16, "OPQ4,PQ4x4", metric="ip", warmup_steps=2, buffer_rows=100)
    for step in range(5):
        x = sample(40, seed=step).requires_grad_()
        out = index(x)
        # Two forwards of warm-up, then 40 + 40 + 40 rows are collected; the third fills the buffer.
        assert index.ready == (step >= 4)
        assert index.step == step + 1
        (out.embedding.sum() + out.distortion).backward()
        assert all(p.grad is not None for p in index.parameters())
        index.zero_grad()
        if not index.ready:
            assert torch.equal(out.embedding, x)
            assert (out.codes, out.lists, out.distortion.item()) == (None, None, 0)
    assert out.codes.shape == (40, 4)
    assert out.distortion > 0


def test_the_two_warm_starts_are_one():
    index = EmbeddingIndex(16, "OPQ4,PQ4x4", metric="ip", buffer_rows=100)
    at_once = copy.deepcopy(index)
    index(sample(150))
    at_once.warm_start(sample(150)[:100])
    assert all(np.array_equal(a, at_once.arrays()[name]) for name, a in index.arrays().items())


def test_before_the_warm_start_eval_is_the_identity_with_one_warning(tmp_path):
    index = EmbeddingIndex(16, "PQ4x4", metric="ip").eval()
    x = sample()
    with pytest.warns(UserWarning, match="has not been warm-started"):
        out = index(x)
    assert torch.equal(out.embedding, x)
    assert (out.codes, out.lists, out.distortion.item(), index.step) == (None, None, 0.0, 0)
    index(x)  # warnings are errors here: the second forward gives none
    with pytest.raises(RuntimeError, match=r"not ready.*call warm_start\(sample\)"):
        index.encode(x)
    with pytest.raises(RuntimeError, match="not ready"):
        index.bundle(range(len(x)), x, tmp_path / "bundle")


def test_dead_codewords_and_lists_are_moved_to_vectors():
    index = ready("IVF8,PQ4x4", "l2", reseed_every=5)
    x = sample(300)
    index.usage()
    with torch.no_grad():
        index.quantizer.codebooks[:, :8] = 1e4
        index.coarse.directions[:3] = -1e4
    for _ in range(4):
        index(x)
    assert index.usage()["dead_share"] >= 0.5
    for _ in range(6):
        index(x)
    assert index.quantizer.codebooks.abs().max() < 100
    assert index.coarse.directions.abs().max() < 100
    index(x)
    assert index.eval()(x).codes.unique(dim=0).shape[0] > 50


def test_codewords_are_not_called_dead_before_a_full_window_of_use():
    index = EmbeddingIndex(16, "PQ4", metric="l2", reseed_every=5)
    for _ in range(4):  # four identities: the next multiple of the window falls right after the warm start
        index(sample(8))
    index.warm_start(sample(1000))
    fitted = index.quantizer.codebooks.detach().clone()
    for _ in range(5):
        index(sample(8))
    assert torch.equal(index.quantizer.codebooks, fitted)
    index(sample(8))
    assert not torch.equal(index.quantizer.codebooks, fitted)


@pytest.mark.parametrize("forwards", [1, 2])
@pytest.mark.parametrize("estimator", ["ste", "task", "soft"])
def test_moving_dead_codewords_and_lists_leaves_the_backward_of_the_step_alone(estimator, forwards):
    index = ready("OPQ4,IVF8,PQ4x4", "cosine", reseed_every=3, estimator=estimator)
    with torch.no_grad():
        index.coarse.directions[5:] = index.coarse.directions[4]  # ties go to the first
        index.quantizer.codebooks[:, 8:] = 1e3
    moved = []
    for _ in range(4):
        before = index.coarse.directions.detach().clone()
        index.zero_grad()
        outs = [index(sample(300)) for _ in range(forwards)]
        loss = sum(out.embedding.sum() + out.distortion + index.coarse.centroids().square().sum() for out in outs)
        loss.backward()
        assert all(p.grad.isfinite().all() for p in index.parameters())
        moved.append(not torch.equal(index.coarse.directions, before))
    assert sum(moved) == 1


def test_the_gradient_of_a_step_that_moves_codewords_is_that_of_the_moved_codewords():
    index = ready("IVF8,PQ4x4", "cosine", reseed_every=3)
    with torch.no_grad():
        index.coarse.directions[5:] = index.coarse.directions[4]
    x = sample(300)
    for _ in range(3):
        index(x)
    before = index.coarse.directions.detach().clone()
    index.zero_grad()
    index(x).distortion.backward()
    assert not torch.equal(index.coarse.directions, before)
    found = index.coarse.directions.grad.clone()
    index.zero_grad()
    index(x).distortion.backward()  # the same codewords, none moved
    torch.testing.assert_close(found, index.coarse.directions.grad)


def test_reports_the_use_of_codewords_and_lists():
    index = ready()
    index(sample())
    use = index.usage()
    assert 8 < use["perplexity"] <= 16
    assert 0 <= use["dead_share"] < 0.2
    assert 1 <= use["list_imbalance"] < 8
    assert set(ready("PQ4x4").usage()) == {"perplexity", "dead_share"}


@pytest.mark.parametrize("spec", ["OPQ4,IVF8,PQ4x4", "IVF8,RQ3x4"])
@pytest.mark.parametrize("when", [1, 3, 6, 9])
def test_a_resumed_run_continues_as_if_uninterrupted(when, spec):
    def train(steps, model=None, optimizer=None, start=0):
        model = model or EmbeddingIndex(16, spec, warmup_steps=2, buffer_rows=90, reseed_every=4)
        optimizer = optimizer or torch.optim.Adam(model.parameters(), lr=1e-2)
        for step in range(start, steps):
            out = model(sample(30, seed=step))
            optimizer.zero_grad()
            out.distortion.backward()
            optimizer.step()
        return model, optimizer

    whole, _ = train(12)
    model, optimizer = train(when)
    kept = copy.deepcopy((model.state_dict(), optimizer.state_dict()))
    model, _ = train(0)
    model.load_state_dict(kept[0])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    optimizer.load_state_dict(kept[1])
    resumed, _ = train(12, model, optimizer, when)
    for (name, a), b in zip(whole.state_dict().items(), resumed.state_dict().values()):
        assert torch.equal(a, b), name


def test_a_state_without_the_phase_is_refused():
    index = ready()
    state = index.state_dict()
    del state["phase.progress"]
    with pytest.raises(RuntimeError, match="progress"):
        EmbeddingIndex(16, "OPQ4,IVF8,PQ4x4").load_state_dict(state)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_float_types_are_computed_in_float32(dtype):
    index = ready()
    x = sample().to(dtype)
    out = index(x)
    assert out.embedding.dtype == dtype
    assert torch.equal(out.codes, index(x.float()).codes)


def test_under_autocast_assignment_stays_in_float32():
    index = ready()
    x = sample()
    with torch.autocast("cpu", torch.bfloat16):
        out = index(x)
    assert torch.equal(out.codes, index(x).codes)
    assert out.distortion.dtype == torch.float32


def test_a_batch_without_rows():
    index = ready()
    out = index(torch.empty(0, 16))
    assert (out.embedding.shape, out.codes.shape, out.lists.shape, out.distortion) == ((0, 16), (0, 4), (0,), 0)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.zeros(3, 15), "x (shape (3, 15)) must be (n, 16)"),
        (torch.zeros(16), "x (shape (16,)) must be (n, 16)"),
        (torch.zeros(3, 16, dtype=torch.int64), "x (=torch.int64) must be a floating-point tensor"),
        (np.zeros((3, 16), np.int64), "must be a floating-point tensor"),
        (torch.eye(16).index_fill(0, torch.tensor([2, 5]), torch.nan), "2 rows with NaN or infinity, the first is row"),
        (torch.eye(16) * torch.inf, "NaN or infinity"),
        (torch.zeros(3, 16, device="meta"), "x (on meta) must be on the device of the index (cpu)"),
    ],
)
@pytest.mark.parametrize("call", ["__call__", "encode", "warm_start"])
def test_refuses_bad_vectors(call, x, message):
    index = ready()
    with pytest.raises(ValueError, match=re.escape(message)):
        getattr(index, call)(x)


def test_large_finite_values_are_no_infinity():
    index = ready(metric="ip")
    assert index(torch.full((4, 16), 3e38)).codes.shape == (4, 4)


def test_zero_rows_under_cosine():
    index = ready()
    x = sample(5).index_fill(0, torch.tensor([3]), 0.0)
    assert index(x).embedding.isfinite().all()
    for call in (index.eval(), index.encode, index.warm_start):
        with pytest.raises(ValueError, match=r"1 zero rows, the first is row 3.*drop them or use metric='ip'"):
            call(x)
    ready(metric="ip").eval()(x)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dim": 100, "spec": "PQ16"}, "dim (=100) must be divisible by M (=16)"),
        ({"dim": 16, "spec": "PQ4", "assignment": BeamSearch(4)}, "assignment (=BeamSearch(beam=4)) is for additive"),
        ({"dim": 16, "spec": "RQ4", "assignment": ScoreAware()}, "assignment (='score-aware') chooses codewords"),
        ({"dim": 16, "spec": "PQ4", "metric": "dot"}, "metric (='dot') must be one of 'ip', 'l2', 'cosine'"),
        ({"dim": 16, "spec": "PQ4", "estimator": "gumbel"}, "estimator (='gumbel') must be one of 'ste', 'task'"),
        (
            {"dim": 16, "spec": "RQ4", "estimator": "soft"},
            "'RQ4x8' has no slices; use 'ste', 'task' or 'rotation-trick'",
        ),
        ({"dim": 16, "spec": "PQ4", "assignment": "l1"}, "assignment (='l1') must be one of 'nearest', 'score-aware'"),
        (
            {"dim": 16, "spec": "RQ4", "assignment": "balanced"},
            "assignment (='balanced') chooses codewords",
        ),
        ({"dim": 16, "spec": "OPQ4,PQ4", "rotation": "svd"}, "rotation (='svd') must be one of 'givens-greedy'"),
        ({"dim": 16, "spec": "PQ4", "rotation": "svd"}, "rotation (='svd')"),
        ({"dim": 16, "spec": "PQ4", "seed": -1}, "seed (=-1)"),
        ({"dim": 16, "spec": "PQ4", "buffer_rows": 100}, "buffer_rows (=100) must be at least 256"),
        ({"dim": 16, "spec": "PQ4", "warmup_steps": -1}, "warmup_steps (=-1)"),
        ({"dim": 16, "spec": "PQ4", "warmup_steps": 2.5}, "warmup_steps (=2.5)"),
        ({"dim": 0, "spec": "PQ4"}, "dim (=0)"),
    ],
)
def test_refuses_bad_arguments(options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        EmbeddingIndex(**options)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BeamSearch(0), "beam (=0) must be at least 1"),
        (lambda: BeamSearch(-1), "beam (=-1) must be a whole number"),
        (lambda: ScoreAware(0.5), "eta (=0.5) must be at least 1"),
        (lambda: Soft(0.0), "temperature (=0.0) of Soft must be a number above 0"),
    ],
)
def test_refuses_choices_out_of_range(make, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        make()


def test_refuses_a_sample_too_small():
    with pytest.raises(ValueError, match=r"sample \(=255 rows\) must have at least 256 rows"):
        EmbeddingIndex(16, "PQ4").warm_start(sample(255))


@pytest.mark.parametrize(
    ("codes", "lists", "message"),
    [
        (torch.zeros(2, 3, dtype=torch.int64), torch.zeros(2, dtype=torch.int64), "shape (2, 4)"),
        (torch.zeros(2, 4), torch.zeros(2, dtype=torch.int64), "must be integers"),
        (torch.full((2, 4), 16), torch.zeros(2, dtype=torch.int64), "must lie in 0 to 15"),
        (torch.zeros(2, 4, dtype=torch.uint8), None, "lists must be given"),
        (torch.zeros(2, 4, dtype=torch.uint8), torch.tensor([0, 8]), "lists (0 to 8) must lie in 0 to 7"),
    ],
)
def test_refuses_bad_codes(codes, lists, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        ready().decode(codes, lists)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the compiler warns about torch itself
@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
def test_compiles(backend, tmp_path, monkeypatch):
    # Kernels in a shared cache may have been compiled for other instructions than ATEN_CPU_CAPABILITY allows here.
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    if backend == "inductor" and shutil.which("g++") is None:
        pytest.skip("inductor needs a C++ compiler")
    index = ready()
    x = sample()
    plain = index(x)
    compiled = torch.compile(index, backend=backend)(x)
    assert torch.equal(plain.codes, compiled.codes)
    torch.testing.assert_close(plain.embedding, compiled.embedding)
    compiled.distortion.backward()
    assert all(p.grad is not None for p in index.parameters())


def test_runs_on_every_device(device):
    index = ready().to(device)
    x = sample().to(device)
    out = index(x)
    (out.embedding.sum() + out.distortion).backward()
    assert (out.codes.cpu() == ready()(sample()).codes).float().mean() > 0.999
    assert out.embedding.device.type == device.type


def test_zero_row_is_named_by_its_number_among_all_rows():
    index = ready()
    x = torch.ones(40_000, index.dim)
    x[30_000] = 0
    with pytest.raises(ValueError, match="first is row 30000"):
        index.encode(x)


@pytest.mark.parametrize("spec", ["PQ4x4", "RQ4x4"])
def test_what_a_fit_adds_travels_with_state_and_arrays(spec):
    index = ready(spec)
    codes = index.encode(sample())[0]
    index.keep_encoding()
    index.set_query_adapter(2 * torch.eye(16))
    with torch.no_grad():
        index.quantizer.codebooks.mul_(1.5)
    assert (index.encode(sample())[0] == codes).all()
    assert (index.eval()(sample()).codes == codes).all()
    other = EmbeddingIndex(16, spec, metric="cosine")
    other.load_state_dict(index.state_dict())
    assert (other.encode(sample())[0] == codes).all()
    for name, array in index.arrays().items():
        assert (other.arrays()[name] == array).all()
    np.testing.assert_allclose(index.arrays()["codebooks"], 1.5 * index.arrays()["encoder_codebooks"], rtol=1e-6)
    plain = ready(spec)
    other.load_state_dict(plain.state_dict())
    assert set(other.arrays()) == {"codebooks"}


def test_refuses_an_adapter_of_another_width():
    with pytest.raises(ValueError, match=r"matrix \(shape \(3, 3\)\) must be \(16, 16\)"):
        ready().set_query_adapter(torch.eye(3))


@pytest.mark.filterwarnings("ignore")  # the compiler warns about torch itself
@pytest.mark.parametrize("spec", ["OPQ4,PQ4x4", "IVF4,RQ2x4"])
def test_compiled_training_settles_after_the_second_step_of_each_phase(spec):
    torch._dynamo.reset()
    index = EmbeddingIndex(16, spec, metric="ip", warmup_steps=20, buffer_rows=20 * 64 + 1, reseed_every=8)
    compiled = torch.compile(index, backend="eager")
    optimizer = torch.optim.SGD(index.parameters(), lr=1e-3)
    x = sample(64)
    for _ in range(3):  # warm-up, collecting, ready
        for step in range(20):
            with torch._dynamo.config.patch(error_on_recompile=step >= 2):
                out = compiled(x)
                optimizer.zero_grad()
                (out.embedding.square().mean() + out.distortion).backward()
                optimizer.step()
    assert index.ready


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("spec", ["OPQ4,IVF4,PQ4x4", "RQ2x4"])
def test_leading_dimensions_go_in_and_come_out(spec, training):
    index = ready(spec, "cosine").train(training)
    x = sample(24)
    rows, shaped = copy.deepcopy(index)(x), index(x.reshape(2, 3, 4, 16))
    assert torch.equal(shaped.embedding, rows.embedding.reshape(2, 3, 4, 16))
    assert torch.equal(shaped.codes, rows.codes.reshape(2, 3, 4, -1))
    assert torch.equal(shaped.distortion, rows.distortion)
    codes, lists = index.encode(x.reshape(2, 3, 4, 16))
    flat_codes, flat_lists = index.encode(x)
    assert torch.equal(codes, flat_codes.reshape(2, 3, 4, -1))
    if lists is not None:
        assert torch.equal(lists, flat_lists.reshape(2, 3, 4))
        assert torch.equal(shaped.lists, rows.lists.reshape(2, 3, 4))
    assert torch.equal(index.decode(codes, lists), index.decode(flat_codes, flat_lists).reshape(2, 3, 4, 16))


def test_a_bundle_wants_one_row_an_id(tmp_path):
    with pytest.raises(ValueError, match=r"embeddings \(shape \(2, 3, 16\)\) must be \(n, 16\).*reshape\(-1, 16\)"):
        ready("PQ4x4", "ip").bundle(range(2), torch.ones(2, 3, 16), tmp_path / "bundle")


@pytest.mark.parametrize("spec", ["OPQ4,IVF4,PQ4x4", "RQ2x4"])
def test_numpy_in_numpy_out(spec):
    index = ready(spec, "ip")
    x = sample(24).reshape(2, 12, 16)
    codes, lists = index.encode(x)
    for array in (x.numpy(), x.double().numpy(), np.flip(np.flip(x.numpy(), 0), 0)):
        numpy_codes, numpy_lists = index.encode(array)
        np.testing.assert_array_equal(numpy_codes, codes.numpy())
        assert (numpy_lists is None) == (lists is None)
        if lists is not None:
            np.testing.assert_array_equal(numpy_lists, lists.numpy())
    decoded = index.decode(numpy_codes.astype(np.uint8), numpy_lists)
    assert isinstance(decoded, np.ndarray)
    np.testing.assert_array_equal(decoded, index.decode(codes, lists).numpy())
    with pytest.raises(ValueError, match="must be a floating-point tensor"):
        index(x.numpy())
