"""SentenceEncoder: a Sentence Transformers model as the encoder of a TextTower."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

# Texts in one pass of a model that does not train.
ROWS = 64


class Texts(NamedTuple):
    """Texts of a kind, ``"query"`` or ``"item"``."""

    texts: list[str]
    kind: str

    def take(self, rows: np.ndarray) -> Texts:
        """The given rows, in the given order."""
        return Texts([self.texts[row] for row in rows.tolist()], self.kind)


class SentenceEncoder(nn.Module):
    """A Sentence Transformers model, with its own prompts for queries and documents.

    Args:
        source: folder or name of the model.
        max_tokens: tokens of a text that are read, at most as many as the model can.
    Raises:
        ValueError: the package is not installed, or there is no such model.
    """

    def __init__(self, source: str | Path, *, max_tokens: int = 128) -> None:
        super().__init__()
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise ValueError(
                f"encoder (={str(source)!r}) needs the package {error.name!r}; install the extra: "
                "pip install 'poeem-torch[text]'"
            ) from error
        try:
            self.model: Any = SentenceTransformer(str(source), device="cpu")
        except Exception as error:
            # Of many kinds: missing files, no network, damaged weights, a module of an unknown class.
            reason = " ".join(str(error).split())[:300]
            if "poeem.integrations" in reason:
                raise ValueError(
                    f"encoder (={str(source)!r}) has an index (Quantize) at its end already; name the model without it"
                ) from None
            raise ValueError(
                f"encoder (={str(source)!r}) cannot be read as a Sentence Transformers model ({reason}); name a folder "
                "that save_pretrained wrote, or static"
            ) from None
        self._check_tokenizer(str(source))
        self.dim: int = self.model.get_embedding_dimension()
        self.model.max_seq_length = min(max_tokens, self.model.max_seq_length or max_tokens)

    def _check_tokenizer(self, source: str) -> None:
        """Raise a ValueError if the model's folder has no tokenizer: transformers then makes one without any word."""
        tokenizer = self.model.tokenizer
        if hasattr(tokenizer, "all_special_ids") and len(tokenizer.get_vocab()) <= len(set(tokenizer.all_special_ids)):
            raise ValueError(
                f"encoder (={source!r}) has no tokenizer: its files, such as tokenizer.json, are missing; copy them "
                "into the folder"
            )

    def prepare(self, texts: list[str], kind: str) -> Texts:
        """Texts as `forward` reads them."""
        return Texts(texts, kind)

    def forward(self, texts: Texts) -> Tensor:
        """``n`` texts to ``(n, dim)``. Without gradients they pass in blocks of similar length."""
        if torch.is_grad_enabled():
            return self._encoded(texts.texts, texts.kind)
        order = np.argsort([len(text) for text in texts.texts], kind="stable")
        blocks = [texts.take(order[start : start + ROWS]) for start in range(0, len(order), ROWS)]
        vectors = torch.cat([self._encoded(block.texts, block.kind) for block in blocks])
        return vectors[torch.from_numpy(np.argsort(order))]

    def _encoded(self, texts: list[str], kind: str) -> Tensor:
        task = "query" if kind == "query" else "document"
        prompt = (self.model.prompts or {}).get(task)
        features = self.model.preprocess(texts, prompt=prompt) if prompt else self.model.preprocess(texts)
        device = next(self.model.parameters()).device
        features = {name: value.to(device) if isinstance(value, Tensor) else value for name, value in features.items()}
        return self.model(features)["sentence_embedding"]
