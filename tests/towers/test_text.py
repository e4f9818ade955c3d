from __future__ import annotations

import numpy as np
import pytest
import torch

from poeem.towers.text import StaticEncoder, TextTower
from tests.texts import small_table

pytest.importorskip("tokenizers")


@pytest.fixture
def encoder() -> StaticEncoder:
    table = small_table(4)
    importance = torch.linspace(-1, 1, len(table.vectors))
    return StaticEncoder(torch.from_numpy(table.vectors), importance, tokenizer=table.tokenizer, max_tokens=3)


def test_the_vector_is_the_weighted_mean_of_the_first_tokens(encoder):
    texts = ["t1w1 t1w2", "q3w3", "t0w0 t0w1 t0w2 t0w3 t0w4"]
    found = encoder(encoder.prepare(texts)).detach().numpy()
    vocabulary, table = encoder.tokenizer.get_vocab(), encoder.tokens.weight.detach().numpy().astype(np.float64)
    for text, vector in zip(texts, found):
        tokens = [vocabulary[word] for word in text.split()[:3]]
        weights = np.exp(np.linspace(-1, 1, len(table))[tokens])
        np.testing.assert_allclose(vector, weights @ table[tokens] / weights.sum(), rtol=1e-5)


def test_vectors_and_importances_learn_and_only_those_of_the_tokens(encoder):
    tower = TextTower(encoder, ["t1w1 t1w2"], "query")
    tower(torch.tensor([0])).square().sum().backward()
    used = [encoder.tokenizer.get_vocab()[word] for word in ("t1w1", "t1w2")]
    for parameter in (encoder.tokens.weight, encoder.importance.weight):
        changed = parameter.grad.abs().sum(1).nonzero()[:, 0].tolist()
        assert changed == sorted(used)


def test_numbers_outside_the_texts_are_refused(encoder):
    tower = TextTower(encoder, ["t1w1"], "item")
    with pytest.raises(ValueError, match="number 1"):
        tower(torch.tensor([1]))
    with pytest.raises(ValueError, match="int64"):
        tower(torch.tensor([[0]]))


def test_a_text_without_tokens_is_the_zero_vector(encoder):
    assert encoder(encoder.prepare([" ", "t1w1"])).detach()[0].abs().max() == 0
