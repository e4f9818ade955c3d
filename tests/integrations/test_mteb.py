"""CodedSearch as a backend of mteb: against stock faiss, and in a task of mteb on local data if mteb is installed."""

from __future__ import annotations

import faiss
import numpy as np
import pytest
import torch

import poeem
from poeem.integrations.mteb import CodedSearch
from tests.texts import small_texts, word_tokenizer

RNG = np.random.default_rng(0)
DOCUMENTS, QUERIES = (RNG.standard_normal((n, 16)).astype(np.float32) for n in (300, 20))
IDS = [f"d{number}" for number in range(len(DOCUMENTS))]


def added(search: CodedSearch) -> CodedSearch:
    search.add_documents(DOCUMENTS[:100], IDS[:100])
    search.add_documents(torch.from_numpy(DOCUMENTS[100:]), IDS[100:])
    return search


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_the_results_are_those_of_the_exported_index(metric, tmp_path):
    search = added(CodedSearch("RQ4x4", metric=metric))
    scores, places = search.search(QUERIES, 10)
    index = poeem.EmbeddingIndex(16, "RQ4x4", metric=metric)
    index.warm_start(torch.from_numpy(DOCUMENTS))
    bundle = index.eval().bundle(range(300), DOCUMENTS, tmp_path / "bundle")
    poeem.export(bundle, "faiss", tmp_path / "items.faiss", fastscan=False)
    found, ids = faiss.read_index(str(tmp_path / "items.faiss")).search(QUERIES, 10)
    np.testing.assert_allclose(scores, -found if metric == "l2" else found, rtol=1e-3, atol=1e-4)
    assert (np.array(places) == ids).mean() > 0.98  # equal scores may stand in another order


def test_a_trained_index_is_used_as_it_is():
    index = poeem.EmbeddingIndex(16, "RQ2x4")
    index.warm_start(torch.from_numpy(DOCUMENTS[:50]))
    search = added(CodedSearch(index=index))
    expected = (
        torch.nn.functional.normalize(torch.from_numpy(QUERIES))
        @ index.decode(*index.encode(torch.from_numpy(DOCUMENTS))).T
    )
    np.testing.assert_allclose(search.search(QUERIES, 5)[0], expected.topk(5).values, rtol=1e-5)
    search.clear()
    with pytest.raises(ValueError, match="there are no documents"):
        search.search(QUERIES, 5)
    with pytest.raises(ValueError, match="index must be ready"):
        CodedSearch(index=poeem.EmbeddingIndex(16, "RQ2x4"))


def test_only_the_given_documents_are_ranked_again():
    search = added(CodedSearch("RQ4x4"))
    wanted = {"q0": ["d7", "d200", "d3"], "q1": ["d5"]}
    scores, places = search.search(QUERIES[:2], 10, top_ranked=wanted, query_idx_to_id={0: "q0", 1: "q1"})
    assert sorted(places[0]) == [3, 7, 200]
    assert places[1] == [5]
    assert scores[0] == sorted(scores[0], reverse=True)
    all_scores, all_places = search.search(QUERIES[:1], 300)
    by_place = dict(zip(all_places[0], all_scores[0]))
    np.testing.assert_allclose(scores[0], [by_place[place] for place in places[0]], rtol=1e-5)


def test_too_few_documents_are_named():
    search = CodedSearch("RQ2x8")
    search.add_documents(DOCUMENTS[:10], IDS[:10])
    with pytest.raises(ValueError, match=r"sample \(=10 rows\) must have at least 256 rows"):
        search.search(QUERIES, 5)


@pytest.mark.filterwarnings("ignore")
def test_a_task_of_mteb_runs_on_local_data():
    mteb = pytest.importorskip("mteb")
    pytest.importorskip("sentence_transformers")
    from datasets import Dataset
    from mteb.abstasks.retrieval import AbsTaskRetrieval
    from mteb.models.search_wrappers import SearchEncoderWrapper
    from mteb.models.sentence_transformer_wrapper import SentenceTransformerEncoderWrapper
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    texts = small_texts()[1]

    class Local(AbsTaskRetrieval):
        metadata = mteb.TaskMetadata(
            name="Local",
            description="Local texts that find themselves.",
            dataset={"path": "local", "revision": "1"},
            reference=None,
            type="Retrieval",
            category="t2t",
            eval_splits=["test"],
            eval_langs=["eng-Latn"],
            main_score="ndcg_at_10",
            date=None,
            domains=None,
            task_subtypes=None,
            license=None,
            annotations_creators=None,
            dialect=None,
            sample_creation=None,
            bibtex_citation=None,
        )

        def load_data(self, *args, **kwargs):
            rows = [str(number) for number in range(40)]
            self.dataset = {
                "default": {
                    "test": {
                        "corpus": Dataset.from_dict({"id": [str(n) for n in range(len(texts))], "text": texts}),
                        "queries": Dataset.from_dict({"id": rows, "text": texts[:40]}),
                        "relevant_docs": {row: {row: 1} for row in rows},
                        "top_ranked": None,
                    }
                }
            }
            self.data_loaded = True

    torch.manual_seed(0)
    model = SentenceTransformer(modules=[StaticEmbedding(word_tokenizer(), embedding_dim=32)], device="cpu")
    found = {}
    for spec in (None, "RQ8x4", "RQ1x4"):
        encoder = SentenceTransformerEncoderWrapper(model)
        backend = None if spec is None else CodedSearch(spec)
        wrapped = SearchEncoderWrapper(encoder, index_backend=backend)
        result = mteb.evaluate(wrapped, Local(), cache=None, overwrite_strategy="always")
        found[spec] = result[0].scores["test"][0]["ndcg_at_10"]
    assert found[None] > 0.9
    assert 0.5 < found["RQ8x4"] <= found[None] + 1e-6
    assert found["RQ1x4"] < found["RQ8x4"]  # four bits do not tell 240 texts apart
