"""Quantize and QuantizationAwareLoss with a small static model, Sentence Transformers' own losses and trainer."""

from __future__ import annotations

import warnings

import faiss
import numpy as np
import pytest
import torch

import poeem
from tests.texts import small_texts, word_tokenizer, write_bert

for package in ("datasets", "sentence_transformers"):
    pytest.importorskip(package, exc_type=ImportError)
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from datasets import Dataset
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.sentence_transformer import losses
    from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from sentence_transformers.util import dot_score

    from poeem.integrations import sentence_transformers as st

QUERIES, ITEMS = small_texts()
DIM = 16


def small_model(seed: int = 0) -> SentenceTransformer:
    torch.manual_seed(seed)
    return SentenceTransformer(modules=[StaticEmbedding(word_tokenizer(), embedding_dim=DIM)], device="cpu")


@pytest.fixture(scope="module")
def bert(tmp_path_factory) -> str:
    """A folder with a transformer of one layer: losses with gradient cache refuse static models."""
    folder = str(tmp_path_factory.mktemp("bert"))
    write_bert(folder, DIM)
    return folder


def ready_loss(make, specs=("RQ2x4",), folder=None, **options):
    """A wrapped loss whose indexes are warm-started, and its model."""
    model = small_model() if folder is None else SentenceTransformer(folder, device="cpu")
    loss = st.QuantizationAwareLoss(model, make(model), list(specs), **options)
    loss.quantize.warm_start(torch.from_numpy(st.float_documents(model, ITEMS)))
    return model.train(), loss.train()


def features(model, *columns):
    return [model.preprocess(list(texts)) for texts in columns]


def gradients(loss):
    return {name: None if p.grad is None else p.grad.clone() for name, p in loss.named_parameters()}


LOSSES = {
    "ranking": (lambda m: losses.MultipleNegativesRankingLoss(m), None, 2),
    "cached": (lambda m: losses.CachedMultipleNegativesRankingLoss(m, mini_batch_size=16), None, 2),
    "cosent": (lambda m: losses.CoSENTLoss(m), torch.linspace(0, 1, 64), 2),
    "margin": (lambda m: losses.MarginMSELoss(m), torch.linspace(-1, 1, 64), 3),
    "matryoshka": (lambda m: losses.MatryoshkaLoss(m, losses.MultipleNegativesRankingLoss(m), [16, 8]), None, 2),
}


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_reaches_codewords_rotation_and_model(name, bert):
    make, labels, columns = LOSSES[name]
    model, loss = ready_loss(make, ["OPQ4,PQ4x4", "RQ2x4"], bert if name == "cached" else None)
    texts = (QUERIES[:64], ITEMS[:64], ITEMS[64:128])[:columns]
    value = loss(features(model, *texts), labels)
    value.backward()
    found = gradients(loss)
    assert torch.isfinite(value)
    for part in ("codebooks", "rotation", "embeddings.weight" if name == "cached" else "embedding.weight"):
        touched = [g for n, g in found.items() if part in n]
        assert touched, part
        assert all(g is not None and g.abs().max() > 0 for g in touched), part


def test_the_loss_is_the_weighted_sum_of_its_views():
    make = lambda m: losses.MultipleNegativesRankingLoss(m, similarity_fct=dot_score)  # noqa: E731
    model, loss = ready_loss(make, share=0.5, commitment=2.0)
    value = loss(features(model, QUERIES[:32], ITEMS[:32]))
    with torch.no_grad():
        q, x = (model(one)["sentence_embedding"] for one in features(model, QUERIES[:32], ITEMS[:32]))
        unit = torch.nn.functional.normalize(x, dim=1)
        x_hat = loss.quantize.index(unit).embedding
        # As the engine scores: decoded vectors are not brought to unit length.
        scores = [torch.nn.functional.normalize(q, dim=1) @ view.T for view in (unit, x_hat)]
        parts = [torch.nn.functional.cross_entropy(20 * one, torch.arange(32)) for one in scores]
        gap = (unit - x_hat).square().sum(1).mean()
    assert value.item() == pytest.approx((0.5 * parts[0] + 0.5 * parts[1] + 3 * gap).item(), rel=1e-4)


def test_gradient_cache_gives_the_gradients_of_the_loss_without(bert):
    results = []
    for make in (LOSSES["ranking"][0], LOSSES["cached"][0]):
        model, loss = ready_loss(make, folder=bert)
        value = loss(features(model, QUERIES[:48], ITEMS[:48]))
        value.backward()
        results.append((value.item(), gradients(loss)))
    (plain, one), (cached, two) = results
    assert plain == pytest.approx(cached, rel=1e-4)
    for name, gradient in one.items():
        torch.testing.assert_close(two[name], gradient, rtol=1e-3, atol=1e-5)


def test_before_the_warm_start_it_is_the_loss_itself():
    model = small_model()
    plain = losses.MultipleNegativesRankingLoss(model)
    columns = features(model, QUERIES[:32], ITEMS[:32])
    expected = plain(columns, None).item()
    loss = st.QuantizationAwareLoss(model.train(), plain, ["RQ2x4"], buffer_rows=64)
    assert loss(columns).item() == pytest.approx(expected)
    assert not loss.quantize.ready
    loss(columns)
    assert loss.quantize.ready  # two batches have filled the buffer


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model that the trainer has trained, and its folder."""
    model, folder = small_model(), tmp_path_factory.mktemp("st")
    ranking = losses.MultipleNegativesRankingLoss(model, similarity_fct=dot_score)
    loss = st.QuantizationAwareLoss(model, ranking, ["RQ4x4", "RQ2x4"])
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(folder / "out"),
        max_steps=60,
        per_device_train_batch_size=64,
        learning_rate=0.05,
        report_to=[],
        use_cpu=True,
        save_strategy="no",
        disable_tqdm=True,
        logging_strategy="no",
        dataloader_pin_memory=False,
    )
    data = Dataset.from_dict({"anchor": QUERIES, "positive": ITEMS})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = SentenceTransformerTrainer(
            model=model, args=arguments, train_dataset=data, loss=loss, callbacks=[st.WarmStart(model, ITEMS)]
        )
        trainer.train()
        model.eval()
        model.save_pretrained(str(folder / "model"), create_model_card=False)
    return model, folder / "model"


def test_the_trainer_trains_codewords_from_the_warm_start_on(trained):
    quantize = st.find_quantize(trained[0])
    assert quantize.ready
    assert quantize.index.step == 60
    fresh = poeem.EmbeddingIndex(DIM, "RQ4x4")
    fresh.warm_start(torch.from_numpy(st.float_documents(trained[0], ITEMS)))
    assert not torch.equal(fresh.quantizer.codebooks, quantize.index.quantizer.codebooks)


def test_a_saved_model_loads_with_its_codes(trained):
    model, folder = trained
    again = SentenceTransformer(str(folder), device="cpu", trust_remote_code=True)
    np.testing.assert_allclose(again.encode_document(ITEMS[:20]), model.encode_document(ITEMS[:20]), atol=1e-6)
    np.testing.assert_array_equal(st.encode_codes(again, ITEMS[:20]), st.encode_codes(model, ITEMS[:20]))
    assert st.encode_codes(model, ITEMS[:20]).shape == (20, 2)
    assert st.find_quantize(again).specs == ["RQ4x4", "RQ2x4"]


def test_the_model_card_tells_structure_bytes_and_figures(trained, tmp_path):
    model, _ = trained
    model.save_pretrained(str(tmp_path), create_model_card=True)
    written = (tmp_path / "README.md").read_text()
    st.write_card_section(tmp_path, model)
    st.write_card_section(tmp_path, model, {"dot_recall@10": 0.91234})
    card = (tmp_path / "README.md").read_text()
    assert card.startswith(written[:200])
    assert card.count("## Index") == 1  # the second call has replaced the first section
    assert "| `RQ4x4` (active) | 2 | cosine |" in card
    assert "| `RQ2x4` | 1 | cosine |" in card
    assert "| dot_recall@10 | 0.9123 |" in card
    assert "takes 64 bytes" in card
    with pytest.raises(ValueError, match="does not exist; call model"):
        st.write_card_section(tmp_path / "none", model)


def test_documents_are_decoded_and_queries_stay_float(trained):
    model, _ = trained
    index = st.find_quantize(model).index
    codes, lists = index.encode(torch.from_numpy(st.float_documents(model, ITEMS[:9])))
    np.testing.assert_allclose(model.encode_document(ITEMS[:9]), index.decode(codes, lists).numpy(), atol=1e-6)
    plain = model.encode(QUERIES[:9], normalize_embeddings=True)
    np.testing.assert_allclose(model.encode_query(QUERIES[:9]), plain, atol=1e-6)
    features = model.encode_document(ITEMS[:3], output_value=None)
    np.testing.assert_array_equal([one["codes"].tolist() for one in features], codes[:3].tolist())


def test_the_evaluator_gives_the_figures_of_stock_faiss(trained, tmp_path):
    model, _ = trained
    written = st.bundle(model, np.arange(len(ITEMS)), ITEMS, tmp_path / "bundle")
    poeem.export(written, "faiss", tmp_path / "items.faiss", fastscan=False)
    k, test = 10, range(40)
    _, ids = faiss.read_index(str(tmp_path / "items.faiss")).search(model.encode_query([QUERIES[i] for i in test]), k)
    evaluator = InformationRetrievalEvaluator(
        queries={str(i): QUERIES[i] for i in test},
        corpus={str(i): text for i, text in enumerate(ITEMS)},
        relevant_docs={str(i): {str(i)} for i in test},
        score_functions={"dot": lambda a, b: torch.as_tensor(a) @ torch.as_tensor(b).T},
        accuracy_at_k=[k],
        mrr_at_k=[k],
        precision_recall_at_k=[k],
        ndcg_at_k=[k],
        map_at_k=[k],
        write_csv=False,
    )
    found = evaluator(model)
    hits = [(i in row) for i, row in zip(test, ids.tolist())]
    recall = next(value for name, value in found.items() if name.endswith("dot_recall@10"))
    assert recall == pytest.approx(np.mean(hits), abs=0.03)  # equal scores may stand in another order
    assert recall > 0.6


def test_another_size_is_chosen_by_its_structure(trained):
    model, _ = trained
    quantize = st.find_quantize(model)
    try:
        quantize.use("RQ2x4")
        assert st.encode_codes(model, ITEMS[:5]).shape == (5, 1)
    finally:
        quantize.use("RQ4x4")
    with pytest.raises(ValueError, match="must be one of 'RQ4x4', 'RQ2x4'"):
        quantize.use("RQ8")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda m: st.Quantize(DIM, "RQ8"), "must be a list of different structures"),
        (lambda m: st.Quantize(DIM, ["PQ3"]), r"dim \(=16\) must be divisible by M \(=3\)"),
        (lambda m: st.QuantizationAwareLoss(m, torch.nn.Identity(), share=2), r"share \(=2\)"),
        (lambda m: st.float_documents(m, ["a"]), "the model has no Quantize; append one"),
    ],
)
def test_mistakes_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make(small_model())


def test_a_model_with_other_structures_is_refused():
    model = small_model()
    model.append(st.Quantize(DIM, ["RQ2x4"]))
    with pytest.raises(ValueError, match=r"the model has a Quantize of \['RQ2x4'\]; leave specs and options out"):
        st.QuantizationAwareLoss(model, torch.nn.Identity(), ["RQ4x4"])
