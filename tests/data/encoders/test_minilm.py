from __future__ import annotations

import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save

from poeem.data.encoders import minilm

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"abcdefgh"]


@pytest.fixture
def model(tmp_path):
    """An archive as published, of a network with two layers and random weights; and the network itself."""
    transformers = pytest.importorskip("transformers")
    tokenizers = pytest.importorskip("tokenizers")
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32
    )
    network = transformers.BertModel(config).eval()
    tokens = tokenizers.Tokenizer(tokenizers.models.WordLevel({word: k for k, word in enumerate(WORDS)}, "[UNK]"))
    tokens.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokens.post_processor = tokenizers.processors.TemplateProcessing(
        "[CLS] $A [SEP]", None, [("[CLS]", 2), ("[SEP]", 3)]
    )
    tokens.enable_padding(length=32)  # as the published file has it
    path = tmp_path / "model.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("m/config.json", json.dumps(config.to_dict()))
        wheel.writestr("m/model.safetensors", save(network.state_dict()))
        wheel.writestr("m/tokenizer.json", tokens.to_str())
    return minilm.MiniLM(path, "m"), network


def test_vectors_are_the_unit_mean_of_each_text_alone(model, monkeypatch):
    encoder, network = model
    monkeypatch.setattr(minilm, "TOKENS", 20)  # several batches, with padding in some
    texts = ["a b c d e f g h", "a", "", "h g f", "b b", "c a b", "a b c d e f g h a b"]
    found = encoder.encode(texts, max_tokens=9)
    assert (found.dtype, found.shape, encoder.dim) == (np.float32, (7, 16), 16)
    for text, vector in zip(texts, found):
        ids = [2, *[WORDS.index(word) for word in text.split()][:7], 3]
        with torch.no_grad():
            mean = network(torch.tensor([ids])).last_hidden_state[0].double().mean(0).numpy()
        np.testing.assert_allclose(vector, mean / np.linalg.norm(mean), atol=1e-5)


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ValueError, match=r"pip install 'poeem-torch\[text\]'"):
        minilm.MiniLM()


def test_the_data_sets_load_without_it():
    code = "import sys, poeem.data.datasets; print({'transformers', 'tokenizers', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.data
def test_as_published():
    pytest.importorskip("transformers")
    encoder = minilm.MiniLM()
    texts = ["a player for video files", "plays video files", "a compiler of the C language"]
    first, second, third = encoder.encode(texts, max_tokens=32)
    assert encoder.dim == 384
    assert first @ second > 0.7 > 0.3 > first @ third
