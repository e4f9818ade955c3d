from __future__ import annotations

import numpy as np
import pytest
import torch

from poeem.layers.embedding_index import EmbeddingIndex
from poeem.towers.two_tower import interaction_towers
from poeem.training.model import JointModel
from poeem.training.options.groups import LossOptions

N, DIM = 40, 8


def joint(
    metric: str = "cosine",
    kind: str = "history",
    indexed: bool = True,
    spec: str = "OPQ2,PQ2x4",
    estimator: str = "ste",
    **settings,
) -> JointModel:
    towers = interaction_towers(kind, N, DIM, history_length=4, dropout=0.0)
    index = EmbeddingIndex(DIM, spec, metric=metric, estimator=estimator, warmup_steps=100) if indexed else None
    log_q = torch.linspace(-5, -1, N)
    loss = LossOptions(**({"temperature": 0.5, "share": 0.5, "commitment": 0.0} | settings))
    model = JointModel(towers, index, log_q=log_q, loss=loss, metric=metric)
    if index is not None:
        with torch.no_grad():
            index.warm_start(towers.item(torch.arange(N)))
    return model


def batch() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    history = torch.randint(0, N, (6, 4), generator=generator)
    history[0, :3] = -1
    return {"history": history, "positive": torch.tensor([3, 5, 3, 9, 9, 9])}


def slow_softmax(queries: np.ndarray, items: np.ndarray, positive: list[int], columns: list[int], metric: str) -> float:
    """Row by row, in float64; columns of the positive's own item count once, as the target."""
    losses = []
    log_q = np.linspace(-5, -1, N)
    for q, wanted, target in zip(queries, positive, range(len(positive))):
        logits, found = [], None
        for place, (x, item) in enumerate(zip(items, columns)):
            score = -((q - x) ** 2).sum() if metric == "l2" else q @ x
            logit = score / 0.5 - log_q[item]
            if item == wanted:
                is_target = len(columns) < len(positive) or place == target
                if not is_target:
                    continue
                found = logit
            logits.append(logit)
        losses.append(np.log(np.exp(np.array(logits)).sum()) - found)
    return float(np.mean(losses))


def vectors_of(model, one, metric, candidates):
    """Positives, columns of the softmax, and float64 vectors: queries, items of the columns, their reconstructions."""
    positive = one["positive"].tolist()
    columns = sorted(set(positive)) if candidates == "unique" else positive
    with torch.no_grad():
        queries = model.towers.query(one["history"]).double().numpy()
        items = model.towers.item(torch.tensor(columns)).double()
        x_hat = model.index.eval()(items.float()).embedding.double().numpy()
    items = items.numpy()
    if metric == "cosine":
        queries /= np.linalg.norm(queries, axis=1, keepdims=True)
        items /= np.linalg.norm(items, axis=1, keepdims=True)
    return positive, columns, queries, items, x_hat


@pytest.mark.parametrize("candidates", ["unique", "positives"])
@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_loss_is_the_mean_of_both_views_and_the_distortion(metric, candidates):
    model, one = joint(metric, candidates=candidates), batch()
    out = model(**one)
    positive, columns, queries, items, x_hat = vectors_of(model, one, metric, candidates)
    views = [slow_softmax(queries, x, positive, columns, metric) for x in (items, x_hat)]
    assert out.retrieval.item() == pytest.approx(np.mean(views), rel=1e-5)
    each = [columns.index(item) for item in sorted(set(positive))]
    assert out.distortion.item() == pytest.approx(((items - x_hat) ** 2).sum(1)[each].mean(), rel=1e-4)
    assert out.loss.item() == pytest.approx(out.retrieval.item() + out.distortion.item(), rel=1e-6)


@pytest.mark.parametrize("metric", ["cosine", "ip"])
def test_commitment_pulls_items_to_their_codewords_and_leaves_the_codewords(metric):
    free, pulled = joint(metric), joint(metric, commitment=2.0)
    loss = free(**batch()).loss
    more = pulled(**batch())
    assert more.loss.item() == pytest.approx(loss.item() + 2 * more.distortion.item(), rel=1e-5)
    loss.backward()
    more.loss.backward()
    codebooks = [model.index.quantizer.codebooks.grad for model in (free, pulled)]
    torch.testing.assert_close(*codebooks)
    items = [torch.cat([p.grad.flatten() for p in model.towers.item.parameters()]) for model in (free, pulled)]
    assert not torch.allclose(*items, rtol=1e-2)


def test_before_the_warm_start_the_loss_is_that_of_the_float_model():
    with_index = joint()
    with_index.index = EmbeddingIndex(DIM, "OPQ2,PQ2x4", warmup_steps=100)
    assert not with_index.quantizes
    assert torch.equal(with_index(**batch()).loss, joint(indexed=False)(**batch()).loss)


def test_quantized_view_alone_leaves_the_float_view_out():
    both, alone, floats = (joint(views="both"), joint(views="quantized"), joint(indexed=False))
    total = both(**batch()).retrieval * 2
    assert total.item() == pytest.approx((alone(**batch()).retrieval + floats(**batch()).retrieval).item(), rel=1e-5)


def test_every_position_of_a_window_is_an_example_of_its_own():
    model = joint(kind="sequence").eval()
    window = torch.tensor([[-1, 3, 4, 5]])
    out = model(window, torch.tensor([[-1, 4, 5, 6]]))
    prefixes = torch.tensor([[-1, -1, -1, 3], [-1, -1, 3, 4], [-1, 3, 4, 5]])
    assert out.loss.item() == pytest.approx(model(prefixes, torch.tensor([4, 5, 6])).loss.item(), rel=1e-5)


@pytest.mark.parametrize("candidates", ["unique", "positives"])
@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_distillation_is_the_divergence_of_the_two_softmaxes(metric, candidates):
    plain, model, one = joint(metric, candidates=candidates), joint(metric, candidates=candidates, distill=3.0), batch()
    added = (model(**one).loss - plain(**one).loss).item()
    _, columns, queries, items, x_hat = vectors_of(model, one, metric, candidates)
    log_q, divergences = np.linspace(-5, -1, N)[columns], []
    for q in queries:
        logs = []
        for view in (items, x_hat):
            scores = -((view - q) ** 2).sum(1) if metric == "l2" else view @ q
            logits = scores / 0.5 - log_q
            logs.append(logits - np.log(np.exp(logits).sum()))
        divergences.append((np.exp(logs[0]) * (logs[0] - logs[1])).sum())
    assert added == pytest.approx(3 * np.mean(divergences), rel=1e-3)


def test_distillation_teaches_the_index_alone():
    models = joint(), joint(distill=3.0)
    for model in models:
        model(**batch()).loss.backward()
    quantizers, rotations = ([getattr(m.index, part) for m in models] for part in ("quantizer", "rotation"))
    assert not torch.allclose(quantizers[0].codebooks.grad, quantizers[1].codebooks.grad, rtol=1e-2)
    assert not torch.allclose(rotations[0].angles.grad, rotations[1].angles.grad, rtol=1e-2)
    for plain, taught in zip(*(model.towers.parameters() for model in models)):
        torch.testing.assert_close(plain.grad, taught.grad)


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
@pytest.mark.parametrize("candidates", ["unique", "positives"])
@pytest.mark.parametrize("balance", [0.0, 1.0])
def test_list_loss_is_the_softmax_over_centroids(metric, candidates, balance):
    settings = {"spec": "OPQ2,IVF4,PQ2x4", "candidates": candidates}
    plain, model, one = joint(metric, **settings), joint(metric, list_loss=2.0, balance=balance, **settings), batch()
    output = model(**one)
    added = (output.loss - plain(**one).loss).item()
    arrays = model.index.arrays()
    positive = one["positive"]
    columns = positive.unique() if candidates == "unique" else positive
    with torch.no_grad():
        queries = model.towers.query(one["history"]).double().numpy()
        lists, wanted = (model.index.encode(model.towers.item(items))[1].tolist() for items in (columns, positive))
    if metric == "cosine":
        queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    centroids = arrays["coarse"].astype(float) @ arrays["rotation"].T
    lengths = np.zeros(4)
    for item, place in zip(columns, lists):
        lengths[place] += 1 / np.exp(model.log_q[item].double().item())
    losses = []
    for q, place in zip(queries, wanted):
        logits = (-((centroids - q) ** 2).sum(1) if metric == "l2" else centroids @ q) / 0.5
        p = lengths**balance * np.exp(logits)
        losses.append(np.log(p.sum() / p[place]))
    assert added == pytest.approx(2 * np.mean(losses), rel=1e-4)
    output.loss.backward()
    assert model.index.coarse.directions.grad.abs().max() > 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"metric": "dot"}, "metric .*='dot'.* must be one of"),
        ({"commitment": -1.0}, "commitment .* must be 0 or more"),
        ({"views": "float"}, "views .* must be one of 'both', 'quantized'"),
        ({"candidates": "all"}, "candidates .* must be one of"),
        ({"temperature": 0.0}, "temperature .* above 0"),
        ({"distill": -1.0}, r"distill \(=-1.0\) must be 0 or more"),
        ({"list_loss": float("nan")}, "list_loss .* must be 0 or more"),
        ({"balance": -1.0}, r"balance \(=-1.0\) must be 0 or more"),
        ({"list_loss": 1.0}, r"list_loss \(=1.0\) goes with inverted lists, 'PQ2x4' has none"),
        ({"metric": "ip"}, r"index \(dim=8, metric='cosine'\) must have the towers' dim \(=8\) and the model's metric"),
    ],
)
def test_wrong_settings_are_refused(settings, message):
    towers, index = interaction_towers("history", N, DIM), EmbeddingIndex(DIM, "PQ2x4")
    metric = {name: settings.pop(name) for name in ("metric",) if name in settings}
    with pytest.raises(ValueError, match=message):
        JointModel(towers, index, log_q=torch.zeros(N), loss=LossOptions(**settings), **metric)
