"""A small table in place of a vector for every item: items are spelled with words that they share."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from poeem.data.split import Sequences

# Words of one place of the code: what a byte can count.
KSUB = 256


class CompressedTable(nn.Module):
    """``e_i = [w_1[c_i1], ..., w_M[c_iM]]``: the vector of an item is put together from the words of its code.

    Codes are fixed before training, words are trained by the model's own loss. In place of ``n_items * width`` floats
    it holds ``256 * width`` floats and ``n_items * M`` bytes. Works where an ``nn.Embedding`` does; the item tower may
    tell items of one code apart no more, so codes should differ.

    Args:
        codes: integers 0 to 255, ``(n_items, M)``: from :func:`svd_codes`, or those of an index trained before.
        width: of the vectors, a multiple of M.
        std: spread of the vectors at the start, as in :class:`~poeem.towers.item_table.ItemTable`.
        seed: of the start.
    Raises:
        ValueError: codes are no table of bytes, or M does not divide the width.
    Source:
        Petrov, Macdonald, "RecJPQ: training large-catalogue sequential recommenders", WSDM 2024, section 4.

    >>> table = CompressedTable(torch.tensor([[0, 255], [0, 7]]), 4)
    >>> vectors = table(torch.tensor([0, 1]))
    >>> vectors.shape, bool((vectors[0, :2] == vectors[1, :2]).all())  # they share their first word
    (torch.Size([2, 4]), True)
    """

    codes: Tensor
    places: Tensor

    def __init__(self, codes: Tensor, width: int, *, std: float | None = None, seed: int = 0) -> None:
        super().__init__()
        if codes.dim() != 2 or codes.is_floating_point() or len(codes) == 0:
            raise ValueError(f"codes must be integers, (n_items, M), not {codes.dtype}, {tuple(codes.shape)}")
        low, high = (int(end) for end in codes.aminmax())
        if low < 0 or high >= KSUB:
            raise ValueError(f"codes must be 0 to {KSUB - 1}, not {low} to {high}")
        check_table_bytes(codes.shape[1], width)
        self.num_embeddings, self.embedding_dim = len(codes), width
        # One table of all words; place m of the code counts from m * KSUB.
        self.words = nn.Embedding(codes.shape[1] * KSUB, width // codes.shape[1])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            nn.init.normal_(self.words.weight, std=width**-0.5 / 4 if std is None else std)
        self.register_buffer("codes", codes.to(torch.uint8))
        self.register_buffer("places", torch.arange(codes.shape[1]) * KSUB, persistent=False)

    def extra_repr(self) -> str:
        return f"{self.num_embeddings}, {self.embedding_dim}, M={self.codes.shape[1]}"

    def forward(self, numbers: Tensor) -> Tensor:
        """int64 ``(...)`` in ``[0, n_items)`` to ``(..., width)``."""
        return self.words(self._rows(numbers)).flatten(-2)

    def pool(self, numbers: Tensor, weights: Tensor) -> Tensor:
        """``sum_l weights_l * self(numbers_l)``: ``(B, L)`` twice to ``(B, width)``."""
        (b, length), M = numbers.shape, self.codes.shape[1]
        rows = self._rows(numbers).transpose(1, 2).reshape(b * M, length)
        shares = weights.to(self.words.weight.dtype)[:, None].expand(b, M, length).reshape(b * M, length)
        return F.embedding_bag(rows, self.words.weight, per_sample_weights=shares, mode="sum").view(b, -1)

    def _rows(self, numbers: Tensor) -> Tensor:
        return self.codes[numbers].long() + self.places


def svd_codes(train: Sequences, n_items: int, M: int, seed: int = 0) -> np.ndarray:
    """Codes by who has taken what: the item vectors of a truncated SVD, each dimension cut into 256 quantiles.

    Items that the same users take are near each other in every dimension and so share words; quantiles use all words
    equally often.

    Args:
        train: training events.
        n_items: size of the catalogue; items without an event get codes by chance.
        M: bytes an item.
        seed: of the SVD, and of the order of ties.
    Returns:
        uint8, ``(n_items, M)``.
    Raises:
        ValueError: there are fewer users or items than ``M``.
    Source:
        Petrov, Macdonald, WSDM 2024, section 4.1.
    """
    users, smaller = train.ragged.row_of_value, min(len(train.offsets) - 1, n_items)
    if not 1 <= M <= smaller:
        raise ValueError(f"table_bytes (={M}) must be 1 to {smaller}, the fewer of users and items")
    pairs = np.unique(np.stack([users, train.items]), axis=1)
    shape = (len(train.offsets) - 1, n_items)
    taken = torch.sparse_coo_tensor(
        torch.from_numpy(pairs), torch.ones(pairs.shape[1]), shape, check_invariants=True, is_coalesced=True
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        # More columns than are kept, and some power iterations, make the randomised SVD exact enough to cut by.
        vectors = torch.svd_lowrank(taken, q=min(M + 8, smaller), niter=4)[2][:, :M].numpy()
    rng = np.random.default_rng(seed)
    ranks = np.empty((n_items, M), np.int64)
    for m in range(M):
        ranks[np.lexsort((rng.random(n_items), vectors[:, m])), m] = np.arange(n_items)
    return (ranks * KSUB // n_items).astype(np.uint8)


def check_table_bytes(M: int, width: int) -> None:
    """Refuse a code length that does not divide the width of the vectors."""
    if not 1 <= M <= width or width % M:
        fitting = ", ".join(str(m) for m in range(1, width + 1) if width % m == 0)
        raise ValueError(f"table_bytes (={M}) must divide the width of the vectors (={width}): choose one of {fitting}")
