"""CompressedTable: item vectors as sums of shared codewords, in place of one vector per item."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from poeem.functional.additive import decode_additive

# Codewords of one codebook: as many as a byte can number.
KSUB = 256
_MOST_BYTES = 64


class CompressedTable(nn.Module):
    """A table that makes item vectors from shared codewords: ``e_i = Σ_m w_m[c_im]``.

    The vector of an item is the sum of the codewords of its code. Codes are fixed before training; codewords are
    trained by the loss of the model. In place of ``n_items * width`` floats it holds ``M * 256 * width`` floats and
    ``n_items * M`` bytes. It can stand wherever an ``nn.Embedding`` does. Items of equal codes have equal vectors, so
    codes should differ. With fewer than ``M * 256`` items an ``nn.Embedding`` is smaller.

    In the paper codewords are slices of the vector. Here they are as wide as the vector: there are M times as many
    floats, and every dimension depends on all codewords of the code.

    Args:
        codes: integers 0 to 255, ``(n_items, M)``: from :func:`~poeem.towers.item_codes.fit_item_codes`, or those
            of an index trained before.
        width: of the vectors.
        codewords: float, ``(M, 256, width)``, at the start, of any length; default random.
        std: spread of the vectors at the start, as in :class:`~poeem.towers.item_table.ItemTable`.
        seed: of a random start.
    Raises:
        ValueError: codes are no table of bytes, or codewords have another shape.
    Source:
        Petrov, Macdonald, "RecJPQ: training large-catalogue sequential recommenders", WSDM 2024, section 4; sums of
        codewords as in Babenko and Lempitsky, "Additive quantization for extreme vector compression", 2014.

    >>> table = CompressedTable(torch.tensor([[0, 255], [0, 7]]), 4)
    >>> vectors, codewords = table(torch.tensor([0, 1])), table.words.weight
    >>> difference = codewords[256 + 255] - codewords[256 + 7]  # the first codeword is shared
    >>> bool(torch.allclose(vectors[0] - vectors[1], difference, atol=1e-6))
    True
    """

    codes: Tensor

    def __init__(
        self, codes: Tensor, width: int, *, codewords: Tensor | None = None, std: float | None = None, seed: int = 0
    ) -> None:
        super().__init__()
        if codes.dim() != 2 or codes.is_floating_point() or len(codes) == 0:
            raise ValueError(f"codes must be integers, (n_items, M), not {codes.dtype}, {tuple(codes.shape)}")
        check_table_bytes(codes.shape[1])
        low, high = (int(end) for end in codes.aminmax())
        if low < 0 or high >= KSUB:
            raise ValueError(f"codes must be 0 to {KSUB - 1}, not {low} to {high}")
        M = codes.shape[1]
        if codewords is not None and tuple(codewords.shape) != (M, KSUB, width):
            raise ValueError(f"codewords (shape {tuple(codewords.shape)}) must be ({M}, {KSUB}, {width})")
        self.num_embeddings, self.embedding_dim = len(codes), width
        spread = width**-0.5 / 4 if std is None else std
        # One table of all codewords; codebook m starts at row m * KSUB. The name is that of stored models.
        self.words = nn.Embedding(M * KSUB, width)
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(seed)
            nn.init.normal_(self.words.weight, std=spread / M**0.5)
            if codewords is not None:
                length = decode_additive(codes, codewords).square().mean().sqrt().clamp_min(1e-12)
                self.words.weight.copy_(codewords.flatten(0, 1) * (spread / length))
        self.register_buffer("codes", codes.to(torch.uint8))

    def extra_repr(self) -> str:
        return f"{self.num_embeddings}, {self.embedding_dim}, M={self.codes.shape[1]}"

    def forward(self, numbers: Tensor) -> Tensor:
        """Return the vectors of items.

        Args:
            numbers: int64, ``(...)``, in ``[0, n_items)``.
        Returns:
            ``(..., width)``.
        """
        codes, width = self.codes[numbers.flatten()], self.embedding_dim
        codewords = self.words.weight.view(-1, KSUB, width)
        return decode_additive(codes, codewords).view(*numbers.shape, width)

    def pool(self, numbers: Tensor, weights: Tensor) -> Tensor:
        """Return a weighted sum of item vectors for each row: ``sum_l weights_l * self(numbers_l)``.

        Args:
            numbers, weights: int64 and float, ``(B, L)``.
        Returns:
            ``(B, width)``.
        """
        # Items repeat in the histories of a batch: each is decoded once.
        items, rows = numbers.unique(return_inverse=True)
        shares = weights.to(self.words.weight.dtype)
        return F.embedding_bag(rows, self(items), per_sample_weights=shares, mode="sum")


def check_table_bytes(M: int) -> None:
    """Raise ValueError for a code length outside 1 to 64.

    >>> check_table_bytes(0)
    Traceback (most recent call last):
    ...
    ValueError: table_bytes (=0) must be 1 to 64, bytes per item; 4 to 16 is usual
    """
    if not 1 <= M <= _MOST_BYTES:
        raise ValueError(f"table_bytes (={M}) must be 1 to {_MOST_BYTES}, bytes per item; 4 to 16 is usual")
