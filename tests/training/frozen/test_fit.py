from __future__ import annotations

import numpy as np
import pytest
import torch

from poeem.layers.embedding_index import EmbeddingIndex
from poeem.training.devices import make_accelerator
from poeem.training.frozen.data import FrozenData
from poeem.training.frozen.fit import fit_frozen
from poeem.training.frozen.held_out import HeldOut
from poeem.training.frozen.model import FrozenModel
from poeem.training.frozen.top_items import blocks, top_items
from poeem.training.options.fit import FitOptions


@pytest.fixture(scope="module")
def data():
    """Clusters of uneven variance, and queries near items: as embeddings are."""
    rng = np.random.default_rng(0)
    mixing = rng.standard_normal((32, 32)) * np.exp(-np.arange(32)[:, None] / 10)
    items = rng.standard_normal((100, 32))[rng.integers(0, 100, 1500)] + 0.7 * rng.standard_normal((1500, 32))
    queries = items[rng.integers(0, 1500, 3000)] + 0.7 * rng.standard_normal((3000, 32))
    unit = [
        (x @ mixing / np.linalg.norm(x @ mixing, axis=1, keepdims=True)).astype(np.float32) for x in (items, queries)
    ]
    return unit[0], unit[1][:2500], unit[1][2500:]


def warm(items, spec="PQ4x4", metric="ip"):
    index = EmbeddingIndex(32, spec, metric=metric)
    index.warm_start(torch.from_numpy(items))
    return index.eval()


def judged(items, queries, metric="ip"):
    return HeldOut(queries, top_items(queries, blocks(items), 10, metric=metric)[1])


def run(data, index, codes=None, **options):
    items, queries, held = data
    _, top = top_items(queries, blocks(items), 50, metric=index.metric)
    given = FitOptions(**({"batch_size": 64, "list_weight": 0.0, "show": False} | options))
    return fit_frozen(
        index,
        FrozenData(items, queries, top, codes=codes),
        given,
        held_out=judged(items, held, index.metric),
        accelerator=make_accelerator("cpu"),
        sampled=4,  # with more, every step would hold all of so few items
    )


@pytest.mark.parametrize("metric", ["ip", "l2"])
@pytest.mark.parametrize("spec", ["PQ4x4", "OPQ4,PQ4x4", "RQ4x4", "IVF8,PQ4x4"])
def test_finds_more_neighbours_than_the_warm_start(data, spec, metric):
    result = run(data, warm(data[0], spec, metric), epochs=3)
    assert result.kept
    # Squared distances leave less to gain: every error of length counts there already.
    least = 0.01 if metric == "ip" else 0.0015
    assert result.best["neighbour_recall@10"] > result.warm_start["neighbour_recall@10"] + least


@pytest.mark.parametrize("metric", ["ip", "l2"])
def test_lists_are_judged_by_what_is_found_for_as_many_codes(data, metric):
    items, _, held = data
    index = warm(items, "OPQ4,IVF16,PQ4x4", metric)
    codes, lists = index.encode(torch.from_numpy(items))
    arrays, decoded = index.arrays(), index.decode(codes, lists).numpy()
    centroids, lists = arrays["coarse"] @ arrays["rotation"].T, lists.numpy()

    def nearness(x):
        return held @ x.T if metric == "ip" else -((held[:, None] - x) ** 2).sum(-1)

    scores, of_lists = nearness(decoded), nearness(centroids)
    for query, order in enumerate(np.argsort(-of_lists, axis=1)):
        scanned = 0
        for one in order:
            if scanned >= len(items) * 4 / 16:  # 4 lists of 16 are the default
                scores[query, lists == one] = -np.inf
            scanned += (lists == one).sum()
    found, wanted = np.argsort(-scores, axis=1)[:, :10], judged(items, held, metric).neighbours
    overlap = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found, wanted)])
    result = run(data, index, epochs=0.05)
    assert result.warm_start["neighbour_recall@10"] == pytest.approx(overlap, abs=1e-3)


def test_fixed_codes_stay_and_the_encoder_still_gives_them(data):
    index = warm(data[0])
    codes = index.encode(torch.from_numpy(data[0]))[0]
    codebooks = index.quantizer.codebooks.detach().clone()
    index.keep_encoding()
    result = run(data, index, codes=codes.numpy().astype(np.uint8), epochs=3)
    assert result.kept
    assert (index.encode(torch.from_numpy(data[0]))[0] == codes).all()
    assert (index.encoder_codebooks == codebooks).all()
    assert not torch.allclose(index.quantizer.codebooks, codebooks)


def test_the_adapter_alone_leaves_the_index_as_it_is(data):
    index = warm(data[0])
    before = {name: value.clone() for name, value in index.state_dict().items()}
    codes = index.encode(torch.from_numpy(data[0]))[0].numpy().astype(np.uint8)
    result = run(data, index, codes=codes, train_codebooks=False, epochs=3)
    assert result.kept
    assert result.adapter is not None
    for name, value in index.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_what_does_not_beat_the_warm_start_is_not_kept(data):
    index = warm(data[0])
    before = index.quantizer.codebooks.detach().clone()
    result = run(data, index, epochs=1, lr=10.0)
    assert not result.kept
    assert result.adapter is None
    assert result.best == result.warm_start
    assert torch.equal(index.quantizer.codebooks, before)


def test_labels_beat_the_teacher_where_it_is_wrong(data):
    """Relevant is the item that the query was made of, by a matrix that the teacher does not know."""
    from poeem.data.ragged import Ragged

    items, _, _ = data
    rng = np.random.default_rng(1)
    rows = rng.integers(0, 1500, 3000)
    queries = items[rows] @ (np.eye(32) + 0.6 * rng.standard_normal((32, 32))).astype(np.float32)
    relevant = Ragged.from_lengths(np.ones(3000, np.int64), rows)
    _, top = top_items(queries, blocks(items), 50, metric="ip")
    _, neighbours = top_items(queries[2500:], blocks(items), 10, metric="ip")
    held_out = HeldOut(queries[2500:], neighbours, relevant.take(np.arange(2500, 3000)))
    result = fit_frozen(
        warm(items),
        FrozenData(items, queries[:2500], top[:2500], relevant.take(np.arange(2500))),
        FitOptions(batch_size=128, epochs=10, show=False),
        held_out=held_out,
        accelerator=make_accelerator("cpu"),
    )
    exact = held_out.figures(queries[2500:], blocks(items), "ip")
    assert result.best["recall@100"] > exact["recall@100"] + 0.02


def test_the_same_seed_gives_the_same_index(data):
    one, other = warm(data[0]), warm(data[0])
    run(data, one, epochs=1, seed=5)
    run(data, other, epochs=1, seed=5)
    assert torch.equal(one.quantizer.codebooks, other.quantizer.codebooks)


def test_balanced_words_of_a_step_all_learn_and_encoding_is_by_the_nearest(data):
    items, queries, _ = data
    none = torch.empty(0, dtype=torch.int64)
    learning = {}
    for assignment in ("nearest", "balanced"):
        index = EmbeddingIndex(32, "PQ4x4", metric="ip", assignment=assignment)
        index.warm_start(torch.from_numpy(items))
        with torch.no_grad():
            index.quantizer.codebooks[:, :8] += 3  # hardly anything is near these
        model = FrozenModel(index, FitOptions(adapter=False, temperature=0.1), labelled=False).train()
        model(torch.from_numpy(queries[:100]), torch.from_numpy(items), none, none, none, none).loss.backward()
        learning[assignment] = index.quantizer.codebooks.grad.abs().sum(-1) > 0
        codes = index.encode(torch.from_numpy(items))[0]
        assert torch.equal(codes, index.eval().encode(torch.from_numpy(items))[0])
    assert learning["balanced"].all()
    assert learning["nearest"].float().mean() < 0.8


def test_the_term_of_the_lists_ranks_items_by_their_centroids(data):
    """By its definition in numpy; and the centroids learn from it."""
    items, queries, _ = data
    index = warm(items, "OPQ4,IVF16,PQ4x4")
    none = torch.empty(0, dtype=torch.int64)
    batch = (torch.from_numpy(queries[:20]), torch.from_numpy(items[:200]), none, none, none, none)
    with_lists, without = (
        FrozenModel(index, FitOptions(adapter=False, temperature=0.1, list_weight=weight), labelled=False)(*batch).loss
        for weight in (3.0, 0.0)
    )
    arrays = {name: array.astype(float) for name, array in index.arrays().items()}
    lists = index.encode(batch[1])[1].numpy()
    centroids = (arrays["coarse"] @ arrays["rotation"].T)[lists]
    teacher, student = (np.exp(queries[:20].astype(float) @ x.T / 0.1) for x in (items[:200].astype(float), centroids))
    teacher, student = teacher / teacher.sum(1, keepdims=True), student / student.sum(1, keepdims=True)
    divergence = (teacher * np.log(teacher / student)).sum(1).mean()
    assert (with_lists - without).item() == pytest.approx(3 * divergence, rel=1e-4)
    with_lists.backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in index.coarse.parameters())


def test_the_models_scores_are_those_of_the_engine(data):
    items, queries, _ = data
    for metric in ("ip", "l2"):
        index = warm(items, "OPQ4,PQ4x4", metric)
        model = FrozenModel(index, FitOptions(temperature=0.1), labelled=False)
        with torch.no_grad():
            model.adapter.copy_(torch.randn(32, 32, generator=torch.Generator().manual_seed(0)))
            found = model.scores(
                model.adapted(torch.from_numpy(queries[:5])), index.decode(*index.encode(torch.from_numpy(items)))
            )
        adapted = queries[:5].astype(float) @ model.adapter.detach().double().numpy()
        decoded = index.decode(*index.encode(torch.from_numpy(items))).double().numpy()
        expected = adapted @ decoded.T
        if metric == "l2":
            expected = (adapted**2).sum(1, keepdims=True) - ((adapted[:, None] - decoded) ** 2).sum(-1)
        np.testing.assert_allclose(found.numpy(), expected, atol=1e-4)


def test_the_temperature_follows_the_spread_of_the_exact_scores(data):
    """Scores twice as far apart have twice the temperature: the losses are the same."""
    items, queries, _ = data
    none = torch.empty(0, dtype=torch.int64)
    losses = []
    for factor in (1.0, 2.0):
        index = warm(factor * items, "PQ4x4")
        model = FrozenModel(index, FitOptions(adapter=False), labelled=False, scale=7.0, spread=factor * 5.0)
        assert model.temperature == pytest.approx(factor * 2.0)
        batch = (torch.from_numpy(queries[:20]), torch.from_numpy(factor * items[:200]))
        losses.append(model(*batch, none, none, none, none).loss.item())
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)
    # A given one is for unit vectors: it counts in units of their lengths.
    given = FrozenModel(index, FitOptions(temperature=0.1), labelled=False, scale=7.0, spread=5.0)
    assert given.temperature == pytest.approx(0.7)


@pytest.mark.parametrize("factor", [1e-30, 1e25])
def test_lengths_that_no_product_in_float32_can_hold_are_refused(data, factor):
    """A loss that is not finite would otherwise blame the learning rate."""
    scaled = [(part * factor).astype(np.float32) for part in data]
    with pytest.raises(ValueError, match="scale the vectors"):
        run(scaled, warm(data[0]))
