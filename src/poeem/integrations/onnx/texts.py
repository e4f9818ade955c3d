"""export_texts: encoder and index of a text run as ONNX files, with their tokenizer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from poeem.bundle.whole_file import write_text
from poeem.integrations.onnx.index import ItemCodes
from poeem.integrations.onnx.report import OnnxReport, differing_share
from poeem.integrations.onnx.write import write_onnx
from poeem.towers.sentence_encoder import SentenceEncoder
from poeem.towers.text import StaticEncoder
from poeem.training.pairs.run import PairRun

QUERY_FILE, ITEMS_FILE, TOKENIZER_FILE, FACTS_FILE = "queries.onnx", "items.onnx", "tokenizer.json", "texts.json"
SAMPLE = 256
_DYNAMIC = {0: "n", 1: "tokens"}


class PaddedEncoder(nn.Module):
    """An encoder that reads texts as a rectangle of tokens, as ONNX needs them.

    Args:
        encoder: a `StaticEncoder` or `SentenceEncoder`.
        normalise: whether vectors are brought to unit length.
    """

    def __init__(self, encoder: Any, *, normalise: bool) -> None:
        super().__init__()
        self.encoder, self.normalise = encoder, normalise

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return the vectors of texts.

        Args:
            ids: int64, ``(n, tokens)``: token numbers.
            mask: int64, ``(n, tokens)``: 1 for a token, 0 for padding.
        Returns:
            float32, ``(n, dim)``.
        """
        if isinstance(self.encoder, StaticEncoder):
            weights = self.encoder.importance(ids)[:, :, 0].exp() * mask
            sums = (weights[:, None] @ self.encoder.tokens(ids))[:, 0]
            x = sums / weights.sum(1, keepdim=True).clamp(min=1e-12)
        else:
            x = self.encoder.model({"input_ids": ids, "attention_mask": mask})["sentence_embedding"]
        return F.normalize(x, dim=1) if self.normalise else x


def export_texts(run: PairRun, folder: str | Path) -> OnnxReport:
    """Write encoder and index of a run of ``poeem train --pairs`` as ONNX files, and compare them with PyTorch.

    ``queries.onnx`` gives the vectors that an exported index takes; ``items.onnx`` gives codes, uint8 ``(n, M)``, and
    with lists int32 ``(n,)``. Both read ``ids`` and ``mask``, int64 ``(n, tokens)``, as ``tokenizer.json`` makes them.
    ``texts.json`` has the prompts, which must be put before the texts, and the structure of the index.

    Args:
        run: of ``poeem.load``.
        folder: made if it does not exist.
    Returns:
        the comparison on the first items and test queries.
    Raises:
        ValueError: a package is missing, or the encoder has a tokenizer of its own kind.
    """
    folder = Path(folder)
    encoder: Any = run.model.towers.item.encoder
    tokenizer, prompts = padded_tokenizer(encoder), prompts_of(encoder)
    folder.mkdir(parents=True, exist_ok=True)
    padded = PaddedEncoder(encoder, normalise=run.bundle.metric == "cosine").eval()
    assert run.model.index is not None
    items = ItemCodes(run.model.index, padded).eval()
    texts = {
        "query": [run.pairs.queries[number] for number in run.test.users[:SAMPLE]],
        "document": list(run.pairs.items[:SAMPLE]),
    }
    inputs = {kind: _tokens(tokenizer, [prompts[kind] + text for text in rows]) for kind, rows in texts.items()}
    example = {name: torch.from_numpy(rows[:2]) for name, rows in inputs["document"].items()}
    axes = dict.fromkeys(example, _DYNAMIC)
    queries = write_onnx(padded, example, ["vectors"], folder / QUERY_FILE, dynamic=axes)
    codes = write_onnx(items, example, items.outputs, folder / ITEMS_FILE, dynamic=axes)
    tokenizer.save(str(folder / TOKENIZER_FILE))
    spec = run.bundle.spec
    facts = {"prompts": prompts, "spec": str(spec), "metric": run.bundle.metric, "bytes": spec.bytes_per_vector}
    write_text(folder / FACTS_FILE, json.dumps(facts | {"fingerprint": run.bundle.fingerprint}, indent=2) + "\n")

    vectors = run.encode_queries(texts["query"])
    error = np.abs(queries.run(None, inputs["query"])[0] - vectors).max(1) / np.linalg.norm(vectors, axis=1).clip(1e-12)
    found, lists = run.model.index.encode(torch.from_numpy(run.encode_items(texts["document"])))
    expected = [found.numpy()] if lists is None else [found.numpy(), lists.numpy()]
    differing = differing_share(codes.run(None, inputs["document"]), expected)
    return OnnxReport(len(texts["document"]), differing, float(error.max(initial=0)))


def padded_tokenizer(encoder: Any) -> Any:
    """Return a tokenizer of the package ``tokenizers`` that makes all of the encoder's inputs by itself.

    It cuts texts to the encoder's length, pads them, and adds special tokens if the encoder reads them.
    """
    from tokenizers import Tokenizer

    outer = encoder.tokenizer if isinstance(encoder, StaticEncoder) else encoder.model.tokenizer
    own = getattr(outer, "backend_tokenizer", outer)
    if not isinstance(own, Tokenizer):
        raise ValueError(
            f"the encoder's tokenizer is a {type(own).__name__}; only those of the package tokenizers can be written"
        )
    content = json.loads(own.to_str())
    if isinstance(encoder, StaticEncoder):
        content["post_processor"] = None
    tokenizer = Tokenizer.from_str(json.dumps(content))
    length = encoder.max_tokens if isinstance(encoder, StaticEncoder) else encoder.model.max_seq_length
    tokenizer.enable_truncation(length)
    # Some models count positions by the padding's number.
    tokenizer.enable_padding(pad_id=getattr(outer, "pad_token_id", None) or 0)
    return tokenizer


def prompts_of(encoder: Any) -> dict[str, str]:
    """Return the texts that the encoder puts before queries and documents."""
    prompts = encoder.model.prompts or {} if isinstance(encoder, SentenceEncoder) else {}
    return {kind: prompts.get(kind) or "" for kind in ("query", "document")}


def _tokens(tokenizer: Any, texts: list[str]) -> dict[str, np.ndarray]:
    """The inputs of the ONNX files: ``ids`` and ``mask``, int64 ``(n, tokens)``."""
    encodings = tokenizer.encode_batch(texts)
    return {
        "ids": np.array([encoding.ids for encoding in encodings], np.int64),
        "mask": np.array([encoding.attention_mask for encoding in encodings], np.int64),
    }
