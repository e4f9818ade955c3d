"""RaBitQ: sign bits after a random rotation, with two floats a vector that make the estimate unbiased."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from poeem.baselines.baseline import Baseline, set_nprobe
from poeem.baselines.faiss_build import check_items, faiss_metric, lists_of, structure_of, train_and_add
from poeem.evaluation.scorers import DecodedScorer, prepared

# Bits a query is rounded to in the index, which faiss has fast code for; 0 would leave it as it is.
QUERY_BITS = 8


def build(
    items: np.ndarray,
    *,
    M: int = 0,
    nbits: int = 8,
    nlist: int = 0,
    nprobe: int | None = None,
    metric: str = "cosine",
    seed: int = 0,
) -> Baseline:
    """``RR{dim},RaBitQ``, or ``RR{dim},IVF{nlist},RaBitQ``: ``dim / 8 + 8`` bytes per vector, whatever ``M`` asks.

    The scorer leaves the query in float, which is RaBitQ at its best; the index that is timed rounds it to 8 bits, as
    faiss is slow without. Nothing but the centre and the lists is learned. Under
    ``l2`` an estimate may fall below a distance of zero; faiss's search then says zero, the scorer does not.

    Args:
        items: float, ``(n, dim)``.
        M, nbits: taken and left alone, as every baseline is called with them.
        nlist, nprobe: inverted lists, and those visited a query (default all); 0 is a flat index.
        metric: ``"ip"``, ``"l2"`` or ``"cosine"``.
        seed: of the rotation and of the lists' k-means.
    Raises:
        ValueError: fewer items than lists, or vectors that are not finite.
    Source:
        Gao, Long, "RaBitQ: quantizing high-dimensional vectors with a theoretical error bound for approximate nearest
        neighbor search", 2024.
    """
    import faiss

    vectors = prepared(items, metric, "items")
    n, dim = vectors.shape
    check_items("rabitq", n, nlist=nlist)
    structure = structure_of("RaBitQ", nlist, rotation=f"RR{dim}")
    index: Any = faiss.index_factory(dim, structure, faiss_metric(metric))
    start = time.perf_counter()
    train_and_add(index, vectors, M=M, nbits=nbits, seed=seed)
    seconds = time.perf_counter() - start
    inner: Any = faiss.downcast_index(index.index)
    inner.qb = QUERY_BITS
    if nlist:
        set_nprobe(index, nprobe or nlist)
    scorer = _scorer(index, inner, n, metric, nlist, nprobe)
    return Baseline("rabitq", structure, scorer, bytes_per_vector=inner.code_size, build_seconds=seconds, index=index)


def _scorer(index: Any, inner: Any, n: int, metric: str, nlist: int, nprobe: int | None) -> DecodedScorer:
    """Scores of faiss's estimate, which is a line in the query: ``<q, v> + b``.

    For an item ``x`` with centre ``c`` and signs ``s = ±1/√dim`` faiss stores factors ``a`` and ``p``, and estimates
    ``‖q - x‖² ≈ a + ‖q - c‖² - 2 p <q - c, s>`` (without the ``‖x‖²`` under an inner product, where ``-1/2`` of it is
    the score once ``‖q‖²`` is taken off): the same ranking as a vector ``v = c + p s`` with a term of its own.
    """
    import faiss

    dim = index.d
    if nlist:
        coarse, lists = lists_of(index, n)
        centres = faiss.downcast_index(inner.quantizer).reconstruct_n(0, nlist)[lists]
        codes = _codes_in_lists(inner, n)
    else:
        coarse, lists = None, None
        centres = faiss.vector_to_array(inner.center)[None]
        codes = faiss.vector_to_array(inner.codes).reshape(n, -1)
    n_bytes = -(-dim // 8)
    signs = np.unpackbits(codes[:, :n_bytes], axis=1, bitorder="little", count=dim).astype(np.float32) * 2 - 1
    factors = np.ascontiguousarray(codes[:, n_bytes:]).view(np.float32)
    a, steps = factors[:, 0], factors[:, 1:2] * signs / np.sqrt(np.float32(dim))
    vectors = centres + steps
    squared = a + np.square(centres).sum(1) + 2 * (centres * steps).sum(1)
    bias = np.square(vectors).sum(1) - squared if metric == "l2" else -squared / 2
    decoded = index.chain.at(0).reverse_transform(vectors)
    return DecodedScorer(decoded, metric, coarse=coarse, lists=lists, nprobe=nprobe, bias=bias)


def _codes_in_lists(ivf: Any, n: int) -> np.ndarray:
    """uint8 ``(n, code_size)``, by row of the items."""
    import faiss

    codes = np.empty((n, ivf.code_size), dtype=np.uint8)
    for number in range(ivf.nlist):
        size = ivf.invlists.list_size(number)
        if size:
            ids = faiss.rev_swig_ptr(ivf.invlists.get_ids(number), size)
            found = faiss.rev_swig_ptr(ivf.invlists.get_codes(number), size * ivf.code_size)
            codes[ids] = found.reshape(size, -1)
    return codes
