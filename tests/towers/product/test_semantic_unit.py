"""The multi-granular semantic unit against numpy."""

import numpy as np
import torch

from poeem.towers.product.mean_embedding import MeanEmbedding
from poeem.towers.product.semantic_unit import MultiGranularUnit, QueryTokens, WordUnit

from . import oracles

QUERY = QueryTokens(
    characters=torch.tensor([[0, 3, 3, 5], [2, -1, -1, -1], [-1, -1, -1, -1]]),
    bigrams=torch.tensor([[1, 2, 4], [-1, -1, -1], [-1, -1, -1]]),
    words=torch.tensor([[0, 6, 2], [5, 5, -1], [-1, -1, -1]]),
    past=torch.tensor([[[1, 2, -1], [3, -1, -1]], [[-1, -1, -1], [0, 1, 2]], [[-1, -1, -1], [-1, -1, -1]]]),
)


def unit() -> MultiGranularUnit:
    made = MultiGranularUnit(MeanEmbedding(7, 8), 6, 5, heads=2)
    oracles.randomise(made)
    return made


def test_the_six_rows_are_the_oracles():
    made = unit()
    weights, found = oracles.numbers(made), made(QUERY).detach().numpy()
    words = weights["words.vectors.weight"]
    for i in range(3):
        tokens = QUERY.words[i].numpy()
        known = tokens[tokens >= 0]
        past = [row.numpy() for row in QUERY.past[i] if (row >= 0).any()]
        mean = oracles.mean_embedding(words, tokens)
        in_context = np.zeros(8)
        if len(known):
            in_context = oracles.self_attention(oracles.below(weights, "in_context"), words[known + 1], 2).mean(0)
        past_means = np.stack([oracles.mean_embedding(words, row) for row in past]) if past else np.empty((0, 8))
        rows = [
            oracles.mean_embedding(weights["characters.vectors.weight"], QUERY.characters[i].numpy()),
            oracles.mean_embedding(weights["bigrams.vectors.weight"], QUERY.bigrams[i].numpy()),
            mean,
            in_context,
            oracles.query_attention(np.exp(weights["past.log_scale"]), mean[None], past_means)[0],
        ]
        np.testing.assert_allclose(found[i], [*rows, sum(rows)], atol=1e-4)
    assert (found[2] == 0).all(), "an unknown query says nothing"


def test_padding_does_not_matter():
    made = unit()
    longer = QueryTokens(*(torch.cat([part, torch.full_like(part, -1)], -1) for part in QUERY))
    torch.testing.assert_close(made(longer), made(QUERY))


def test_the_word_unit_is_the_third_row():
    made = unit()
    torch.testing.assert_close(WordUnit(made.words)(QUERY)[:, 0], made(QUERY)[:, 2])
