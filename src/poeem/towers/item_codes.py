"""Codes and first codewords of items for a `CompressedTable`, from the interactions before any training."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from poeem.data.ragged import Ragged
from poeem.functional.additive import encode_additive
from poeem.functional.additive_fit import fit_additive
from poeem.towers.compressed_table import KSUB, check_table_bytes

# Rows that codewords are fitted to: 256 for each codeword of a codebook.
_MOST_ROWS = 65_536
# Codes are computed once. Partial sums of so many rows take 32 MiB per codeword of the code.
_BEAM, _ENCODE_ROWS = 16, 2**14


def fit_item_codes(train: Ragged, n_items: int, M: int, width: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Compute codes of items and their codewords: a residual quantization of a truncated SVD of the interactions.

    Items of the same users lie near each other in the SVD, so they share their first codewords.

    Args:
        train: the item numbers of every user.
        n_items: size of the catalogue; items without an event get random codes.
        M: bytes per item.
        width: width of the codewords, and the most singular vectors.
        seed: of the SVD, the k-means and the random codes.
    Returns:
        codes uint8, ``(n_items, M)``, and codewords float32, ``(M, 256, width)``; with fewer than 256 items that have
        events, the remaining codewords are 0 and no code uses them.
    Raises:
        ValueError: ``M`` is out of range, or there are no events.
    Source:
        Petrov, Macdonald, "RecJPQ", WSDM 2024, section 4.1, for codes by an SVD; there its dimensions are cut into
        quantiles.
    """
    check_table_bytes(M)
    vectors, known = _item_vectors(train, n_items, width, seed)
    if not bool(known.any()):
        raise ValueError("item_table (='compressed') needs training events; there are none")
    generator = torch.Generator().manual_seed(seed)
    sample = vectors[known]
    sample = sample[torch.randperm(len(sample), generator=generator)[:_MOST_ROWS]]
    k = min(KSUB, len(sample))
    codewords = torch.zeros(M, KSUB, width)
    codewords[:, :k] = fit_additive(sample, M, k, generator=generator)
    codes = torch.randint(k, (n_items, M), generator=generator)
    used = codewords[:, :k].contiguous()
    codes[known] = torch.cat([encode_additive(part, used, _BEAM) for part in vectors[known].split(_ENCODE_ROWS)])
    return codes.numpy().astype(np.uint8), codewords.numpy()


def _item_vectors(train: Ragged, n_items: int, width: int, seed: int) -> tuple[Tensor, Tensor]:
    """Unit vectors of the items, ``(n_items, width)``, and which items have events, ``(n_items,)``.

    The SVD is of ``D_u^(-1/2) A D_i^(-1/2)``, so that neither users with many items nor popular items fill the first
    dimensions. The dimensions are weighted by the root of their singular values. The mean degree is added to all
    degrees: otherwise a user whose items no other user has would fill a dimension alone, with the largest singular
    value (Qin and Rohe, "Regularized spectral clustering under the degree-corrected stochastic blockmodel",
    2013).
    """
    n_users = len(train.offsets) - 1
    pairs = torch.from_numpy(np.unique(np.stack([train.row_of_value, train.values]), axis=1))
    user_degrees, item_degrees = (
        torch.bincount(rows, minlength=n).float() for rows, n in zip(pairs, (n_users, n_items))
    )
    weights = [degrees + degrees.mean() for degrees in (user_degrees, item_degrees)]
    values = (weights[0][pairs[0]] * weights[1][pairs[1]]).rsqrt()
    scaled = torch.sparse_coo_tensor(pairs, values, (n_users, n_items), check_invariants=True, is_coalesced=True)
    smaller = min(n_users, n_items)
    rank = min(width, smaller)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        # More columns than are kept, and power iterations, make the randomised SVD exact enough for clustering.
        _, strengths, vectors = torch.svd_lowrank(scaled, q=min(rank + 8, smaller), niter=6)
    kept = vectors[:, :rank] * strengths[:rank].sqrt()
    return F.normalize(F.pad(kept, (0, width - rank)), dim=1), item_degrees > 0
