"""The beam search of additive codes by faiss's compiled encoder, for many rows on a CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from poeem.functional.compile_guard import compile_guard, is_exporting
from poeem.functional.packing import unpack_codes

# Below, the products of all codewords cost more than they save.
_FEWEST_ROWS = 512
# Memory of one block of rows, bytes: faiss's own default of 5 GB leaves the cache and is half as fast.
_BLOCK_BYTES = 2**24
# Products of all codewords, bytes; they grow with the square of M * ksub.
_MOST_TABLE_BYTES = 2**28


def suits_faiss(x: Tensor, codebooks: Tensor, beam: int) -> bool:
    """Return whether faiss encodes these rows as `encode_additive` does, and faster: many float32 rows on a CPU, a beam
    above 1, and codebooks of 16 to 256 codewords whose look-up tables fit into memory.
    """
    M, ksub, _ = codebooks.shape
    return (
        not is_exporting()
        and x.device.type == "cpu"
        and x.dtype == codebooks.dtype == torch.float32
        and len(x) >= _FEWEST_ROWS
        and beam > 1
        and ksub in (16, 32, 64, 128, 256)
        and 2 * (M * ksub) ** 2 <= _MOST_TABLE_BYTES
    )


@compile_guard
@torch.no_grad()
def encode_by_faiss(x: Tensor, codebooks: Tensor, beam: int) -> Tensor:
    """Encode as `encode_additive` does, by faiss's ``ResidualQuantizer`` with look-up tables (``use_beam_LUT``).

    Args:
        x: float32, ``(n, dim)``, of which `suits_faiss` is true.
        codebooks: float32, ``(M, ksub, dim)``.
        beam: partial sums kept.
    Returns:
        int64 codes, ``(n, M)``; equal to those of torch up to ties of rounding.
    """
    import faiss

    M, ksub, dim = codebooks.shape
    # Every sum has a codeword of the first codebook: near its mean float32 does not cancel.
    origin = codebooks[0].mean(0)
    centred = torch.cat([codebooks[:1] - origin, codebooks[1:]])
    nbits = ksub.bit_length() - 1
    quantizer: Any = faiss.ResidualQuantizer(dim, M, nbits)
    faiss.copy_array_to_vector(np.ascontiguousarray(centred.numpy()).ravel(), quantizer.codebooks)
    quantizer.is_trained = True
    quantizer.max_beam_size, quantizer.use_beam_LUT = beam, 1
    quantizer.max_mem_distances = _BLOCK_BYTES
    before = faiss.omp_get_max_threads()
    # faiss's setting belongs to the calling thread, and follows torch's here.
    faiss.omp_set_num_threads(torch.get_num_threads())
    try:
        quantizer.compute_codebook_tables()
        packed = quantizer.compute_codes(np.ascontiguousarray((x - origin).numpy()))
    finally:
        faiss.omp_set_num_threads(before)
    return torch.from_numpy(unpack_codes(packed, M, nbits).astype(np.int64))
