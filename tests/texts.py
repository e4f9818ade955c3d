"""A small world of texts: topics with words of their own, and a tokenizer of whole words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from poeem.data.encoders.token_table import TokenTable

TOPICS, WORDS = 12, 6


def small_texts(n_items: int = 240, seed: int = 0) -> tuple[list[str], list[str]]:
    """Queries and items, one query for each item: words of one topic, in a language of queries and one of items."""
    rng = np.random.default_rng(seed)
    queries, items = [], []
    for number in range(n_items):
        topic = number % TOPICS
        words = rng.integers(0, WORDS, 6)
        items.append(" ".join(f"t{topic}w{word}" for word in words))
        queries.append(" ".join(f"q{topic}w{word}" for word in words[:5]))
    return queries, items


def small_table(dim: int) -> TokenTable:
    """Random vectors for a tokenizer of the words of `small_texts`."""
    tokenizer = word_tokenizer()
    size = tokenizer.get_vocab_size()
    rng = np.random.default_rng(0)
    vectors = (rng.standard_normal((size, dim)) / dim**0.5).astype(np.float32)
    return TokenTable(vectors, tokenizer)


def word_tokenizer() -> Any:
    """A tokenizer of the words of `small_texts`."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = ["[UNK]", *(f"{kind}{t}w{w}" for kind in "qt" for t in range(TOPICS) for w in range(WORDS))]
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


def write_bert(folder: Path, dim: int = 16) -> None:
    """Write a transformer of one layer, random and without dropout, that reads the words of `small_texts`."""
    import torch
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    tokenizer = word_tokenizer()
    sizes = {"hidden_size": dim, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    rates = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=tokenizer.get_vocab_size(), **sizes, **rates)).save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[UNK]", unk_token="[UNK]").save_pretrained(folder)
