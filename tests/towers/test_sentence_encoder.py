from __future__ import annotations

import pytest
import torch

from poeem.towers.sentence_encoder import SentenceEncoder
from tests.texts import small_texts, write_bert

pytest.importorskip("sentence_transformers", exc_type=ImportError)
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


def test_vectors_do_not_depend_on_the_blocks_and_learn(tmp_path):
    write_bert(tmp_path / "bert")
    encoder = SentenceEncoder(tmp_path / "bert", max_tokens=5).eval()
    # More texts than a block, of different lengths.
    texts = [" ".join(text.split()[: 1 + row % 5]) for row, text in enumerate(small_texts()[1][:100])]
    with torch.no_grad():
        blocks = encoder(encoder.prepare(texts, "item"))
    whole = encoder(encoder.prepare(texts, "item"))
    torch.testing.assert_close(blocks, whole.detach(), atol=1e-5, rtol=1e-5)
    assert blocks.shape == (100, encoder.dim)
    whole.square().sum().backward()
    assert any(parameter.grad is not None and parameter.grad.abs().max() > 0 for parameter in encoder.parameters())
    with pytest.raises(ValueError, match="cannot be read as a Sentence Transformers model"):
        SentenceEncoder(tmp_path / "none")


def test_a_folder_without_a_tokenizer_is_refused(tmp_path):
    write_bert(tmp_path)
    for file in tmp_path.glob("tokenizer*"):
        file.unlink()
    with pytest.raises(ValueError, match=r"has no tokenizer: its files, such as tokenizer.json, are missing"):
        SentenceEncoder(tmp_path)


def test_a_model_with_an_index_is_refused(tmp_path):
    from sentence_transformers import SentenceTransformer

    from poeem.integrations.sentence_transformers import Quantize

    write_bert(tmp_path / "bert")
    model = SentenceTransformer(str(tmp_path / "bert"), device="cpu")
    model.append(Quantize(16, ["RQ2x4"]))
    model.save_pretrained(str(tmp_path / "model"), create_model_card=False)
    with pytest.raises(ValueError, match=r"has an index \(Quantize\) at its end already; name the model without it"):
        SentenceEncoder(tmp_path / "model")
