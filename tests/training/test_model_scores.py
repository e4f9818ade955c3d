from __future__ import annotations

import numpy as np
import pytest

from poeem.training.load import load_run
from poeem.training.model_scores import BundleScorer, index_scorer, sample_queries, score, validation_score


@pytest.mark.parametrize("nprobe", [1, 2, None])
def test_index_in_training_scores_what_its_bundle_scores(finished, nprobe):
    run = load_run(finished[0])
    items = run.items(np.arange(run.interactions.n_items))
    queries = run.queries(run.split.test.history)
    np.testing.assert_allclose(
        index_scorer(run.model, items, nprobe).scores(queries),
        BundleScorer(run.bundle, nprobe).scores(queries),
        atol=1e-5,
    )


def test_validation_is_of_the_index(finished):
    run = load_run(finished[0])
    expected = score(BundleScorer(run.bundle, 2), run.model, run.split.validation, run.split)["ndcg@10"]
    items, available = run.items(np.arange(run.interactions.n_items)), run.available
    queries = sample_queries(run.split.validation, seed=0)
    found = validation_score(run.model, queries, items, run.queries(queries.history), available=available, nprobe=2)
    assert found == pytest.approx(expected, abs=1e-9)
