"""A small table in place of a vector for every item: items are spelled with words that they share."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from poeem.functional.additive import decode_additive

# Words of one place of the code: what a byte can count.
KSUB = 256
_MOST_BYTES = 64


class CompressedTable(nn.Module):
    """``e_i = Σ_m w_m[c_im]``: the vector of an item is the sum of the words of its code.

    Codes are fixed before training, words are trained by the model's own loss. In place of ``n_items * width`` floats
    it holds ``M * 256 * width`` floats and ``n_items * M`` bytes, whatever the number of items. Works where an
    ``nn.Embedding`` does; the item tower may tell items of one code apart no more, so codes should differ.

    Words are as wide as the vector, where the paper has slices of it: M times as many floats in the words, and an item
    then depends on all words of its code in every dimension. With fewer than ``M * 256`` items an ``nn.Embedding`` is
    smaller.

    Args:
        codes: integers 0 to 255, ``(n_items, M)``: from :func:`~poeem.towers.shared_words.shared_words`, or those of
            an index trained before.
        width: of the vectors.
        words: float, ``(M, 256, width)``, to begin with, of any length; default random.
        std: spread of the vectors at the start, as in :class:`~poeem.towers.item_table.ItemTable`.
        seed: of a random start.
    Raises:
        ValueError: codes are no table of bytes, or words have another shape.
    Source:
        Petrov, Macdonald, "RecJPQ: training large-catalogue sequential recommenders", WSDM 2024, section 4; sums of
        words as in Babenko and Lempitsky, "Additive quantization for extreme vector compression", 2014.

    >>> table = CompressedTable(torch.tensor([[0, 255], [0, 7]]), 4)
    >>> vectors, words = table(torch.tensor([0, 1])), table.words.weight
    >>> bool(torch.allclose(vectors[0] - vectors[1], words[256 + 255] - words[256 + 7], atol=1e-6))  # word 0 is shared
    True
    """

    codes: Tensor

    def __init__(
        self, codes: Tensor, width: int, *, words: Tensor | None = None, std: float | None = None, seed: int = 0
    ) -> None:
        super().__init__()
        if codes.dim() != 2 or codes.is_floating_point() or len(codes) == 0:
            raise ValueError(f"codes must be integers, (n_items, M), not {codes.dtype}, {tuple(codes.shape)}")
        check_table_bytes(codes.shape[1])
        low, high = (int(end) for end in codes.aminmax())
        if low < 0 or high >= KSUB:
            raise ValueError(f"codes must be 0 to {KSUB - 1}, not {low} to {high}")
        M = codes.shape[1]
        if words is not None and tuple(words.shape) != (M, KSUB, width):
            raise ValueError(f"words (shape {tuple(words.shape)}) must be ({M}, {KSUB}, {width})")
        self.num_embeddings, self.embedding_dim = len(codes), width
        spread = width**-0.5 / 4 if std is None else std
        # One table of all words; place m of the code counts from m * KSUB.
        self.words = nn.Embedding(M * KSUB, width)
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(seed)
            nn.init.normal_(self.words.weight, std=spread / M**0.5)
            if words is not None:
                length = decode_additive(codes, words).square().mean().sqrt().clamp_min(1e-12)
                self.words.weight.copy_(words.flatten(0, 1) * (spread / length))
        self.register_buffer("codes", codes.to(torch.uint8))

    def extra_repr(self) -> str:
        return f"{self.num_embeddings}, {self.embedding_dim}, M={self.codes.shape[1]}"

    def forward(self, numbers: Tensor) -> Tensor:
        """int64 ``(...)`` in ``[0, n_items)`` to ``(..., width)``."""
        codes, width = self.codes[numbers.flatten()], self.embedding_dim
        words = self.words.weight.view(-1, KSUB, width)
        return decode_additive(codes, words).view(*numbers.shape, width)

    def pool(self, numbers: Tensor, weights: Tensor) -> Tensor:
        """``sum_l weights_l * self(numbers_l)``: ``(B, L)`` twice to ``(B, width)``."""
        # Items come again and again in the histories of a batch: each is spelled once.
        items, rows = numbers.unique(return_inverse=True)
        shares = weights.to(self.words.weight.dtype)
        return F.embedding_bag(rows, self(items), per_sample_weights=shares, mode="sum")


def check_table_bytes(M: int) -> None:
    """Refuse a code length outside 1 to 64.

    >>> check_table_bytes(0)
    Traceback (most recent call last):
    ...
    ValueError: table_bytes (=0) must be 1 to 64, words an item; 4 to 16 is usual
    """
    if not 1 <= M <= _MOST_BYTES:
        raise ValueError(f"table_bytes (={M}) must be 1 to {_MOST_BYTES}, words an item; 4 to 16 is usual")
