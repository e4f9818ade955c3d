"""TextTower and StaticEncoder: they make vectors of texts as weighted sums of token vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from poeem.data.ragged import Ragged
from poeem.towers.protocol import check_numbers


class PreparedTexts(Protocol):
    """Protocol of texts in the form that an encoder reads."""

    def take(self, rows: np.ndarray, /) -> Any:
        """Return the given rows, in the given order."""
        ...


class TextEncoder(Protocol):
    """Protocol of an encoder of texts, which is a ``nn.Module``.

    ``prepare`` converts texts to the form that ``forward`` reads. ``forward`` maps ``n`` prepared texts to ``(n,
    dim)``.
    """

    @property
    def dim(self) -> int: ...

    def prepare(self, texts: list[str], kind: str) -> PreparedTexts:
        """Prepare texts of a kind, ``"query"`` or ``"item"``."""
        ...


class TextTower(nn.Module):
    """A tower from numbers of texts to vectors. All texts are prepared by the encoder at the first call, and kept.

    Args:
        encoder: a ``TextEncoder``; two towers may share it.
        texts: the texts, ``n`` of them.
        kind: ``"query"`` or ``"item"``.
    """

    def __init__(self, encoder: Any, texts: Sequence[str], kind: str) -> None:
        super().__init__()
        self.encoder, self.dim, self._texts, self._kind = encoder, encoder.dim, texts, kind
        self._prepared: PreparedTexts | None = None

    def forward(self, numbers: Tensor) -> Tensor:
        """Return the vectors of texts.

        Args:
            numbers: int64, ``(n,)``, text numbers.
        Returns:
            ``(n, dim)``.
        Raises:
            ValueError: wrong dtype or shape, or a number that no text has.
        """
        if numbers.dtype != torch.int64 or numbers.dim() != 1:
            raise ValueError(f"numbers must be int64, (n,), not {numbers.dtype}, {tuple(numbers.shape)}")
        check_numbers("numbers", numbers, len(self._texts))
        prepared = self._prepared
        if prepared is None:
            prepared = self._prepared = self.encoder.prepare(list(self._texts), self._kind)
        return self.encoder(prepared.take(numbers.cpu().numpy()))


class StaticEncoder(nn.Module):
    """An encoder of texts without context: the mean of a text's token vectors, weighted by the importance of each
    token.

    ``x = sum_t exp(w_t) e_t / sum_t exp(w_t)`` over the tokens ``t`` of the text. Both the vectors and the importances
    are trained.

    Args:
        vectors: float, ``(n_tokens, dim)``, token vectors at the start.
        importance: float, ``(n_tokens,)``: logarithms of the weights at the start; default 0.
        tokenizer: a tokenizer of the package ``tokenizers``, for ``prepare``.
        max_tokens: tokens of a text that are read.
    Source:
        Tulkens and van Dongen, "Model2Vec: fast state-of-the-art static embeddings", 2024; weights of tokens as in
        Arora et al., "A simple but tough-to-beat baseline for sentence embeddings", ICLR 2017.
    """

    def __init__(
        self, vectors: Tensor, importance: Tensor | None = None, *, tokenizer: Any = None, max_tokens: int = 128
    ) -> None:
        super().__init__()
        if max_tokens < 1:
            raise ValueError(f"max_tokens (={max_tokens}) must be at least 1")
        self.tokens = nn.Embedding.from_pretrained(vectors.clone(), freeze=False)
        importance = torch.zeros(len(vectors)) if importance is None else importance
        self.importance = nn.Embedding.from_pretrained(importance.clone()[:, None], freeze=False)
        self.dim, self.max_tokens, self.tokenizer = vectors.shape[1], max_tokens, tokenizer

    def prepare(self, texts: list[str], kind: str = "item") -> Ragged:
        """Return the token numbers of texts, a row per text; tokens beyond ``max_tokens`` are cut off. ``kind`` is not
        used.
        """
        lengths, tokens = [], []
        for start in range(0, len(texts), 4096):  # the tokenizer's own objects are large
            for encoding in self.tokenizer.encode_batch(texts[start : start + 4096], add_special_tokens=False):
                ids = encoding.ids[: self.max_tokens]
                lengths.append(len(ids))
                tokens.append(np.array(ids, dtype=np.int32))
        return Ragged.from_lengths(np.array(lengths, np.int64), np.concatenate([np.empty(0, np.int32), *tokens]))

    def unknown_share(self, texts: Ragged) -> float:
        """Return the share of the tokens that stand for anything that the vocabulary lacks; 1 for texts without tokens.

        Args:
            texts: token numbers, from `prepare`.
        """
        name = getattr(self.tokenizer.model, "unk_token", None)
        unknown = None if name is None else self.tokenizer.token_to_id(name)
        return 1.0 if not len(texts.values) else float((texts.values == (-1 if unknown is None else unknown)).mean())

    def forward(self, texts: Ragged) -> Tensor:
        """Return the vectors of texts.

        Args:
            texts: token numbers, ``n`` rows.
        Returns:
            ``(n, dim)``; a text without tokens is the zero vector.
        """
        device = self.tokens.weight.device
        tokens = torch.from_numpy(texts.values.astype(np.int64)).to(device)
        offsets = torch.from_numpy(texts.offsets).to(device)
        weights = self.importance(tokens)[:, 0].exp()
        sums = F.embedding_bag(
            tokens, self.tokens.weight, offsets, mode="sum", per_sample_weights=weights, include_last_offset=True
        )
        row = torch.repeat_interleave(torch.arange(len(texts), device=device), torch.diff(offsets))
        total = torch.zeros(len(texts), device=device, dtype=weights.dtype).index_add(0, row, weights)
        return sums / total.clamp(min=1e-12)[:, None]
