from __future__ import annotations

import pytest
import torch

from tests.texts import small_texts, write_bert

pytest.importorskip("sentence_transformers", exc_type=ImportError)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_vectors_do_not_depend_on_the_blocks_and_learn(tmp_path):
    from poeem.towers.sentence_encoder import SentenceEncoder

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
