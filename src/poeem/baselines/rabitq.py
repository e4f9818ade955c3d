"""RaBitQ: sign bits after a random rotation, with two floats per vector that make the estimate unbiased."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from poeem.baselines.baseline import Baseline, BuildOptions, set_nprobe
from poeem.baselines.faiss_build import check_items, faiss_metric, lists_of, structure_of, train_and_add
from poeem.evaluation.scorers import DecodedScorer, prepared

# Bits of a query in the index, for which faiss has fast code; 0 would keep it in float.
QUERY_BITS = 8


def build(items: np.ndarray, options: BuildOptions) -> Baseline:
    """Build ``RR{dim},RaBitQ``, or ``RR{dim},IVF{nlist},RaBitQ``: ``dim / 8 + 8`` bytes per vector.

    The scorer keeps the query in float, which is RaBitQ at its best. The index that is timed rounds it to 8 bits,
    because faiss is slow otherwise. Only the centre and the lists are trained. Under ``l2`` an estimate may be below
    zero; faiss's search then returns zero, the scorer does not.

    Args:
        items: float, ``(n, dim)``.
        options: lists, metric, and the seed of the rotation and the k-means; the bytes are not used.
    Returns:
        the baseline.
    Raises:
        ValueError: there are fewer items than lists, or a vector is not finite.
    Source:
        Gao, Long, "RaBitQ: quantizing high-dimensional vectors with a theoretical error bound for approximate nearest
        neighbor search", 2024.
    """
    import faiss

    vectors = prepared(items, options.metric, "items")
    n, dim = vectors.shape
    check_items("rabitq", n, nlist=options.nlist)
    structure = structure_of("RaBitQ", options.nlist, rotation=f"RR{dim}")
    index: Any = faiss.index_factory(dim, structure, faiss_metric(options.metric))
    start = time.perf_counter()
    train_and_add(index, vectors, M=options.M, nbits=options.nbits, seed=options.seed)
    seconds = time.perf_counter() - start
    inner: Any = faiss.downcast_index(index.index)
    inner.qb = QUERY_BITS
    if options.nlist:
        set_nprobe(index, options.nprobe or options.nlist)
    scorer = _scorer(index, inner, n, options)
    return Baseline("rabitq", structure, scorer, bytes_per_vector=inner.code_size, build_seconds=seconds, index=index)


def _scorer(index: Any, inner: Any, n: int, options: BuildOptions) -> DecodedScorer:
    """Scores of faiss's estimate, which is linear in the query: ``<q, v> + b``.

    For an item ``x`` with centre ``c`` and signs ``s = ±1/√dim`` faiss stores factors ``a`` and ``p``, and estimates
    ``‖q - x‖² ≈ a + ‖q - c‖² - 2 p <q - c, s>`` (without the ``‖x‖²`` under an inner product, where ``-1/2`` of it is
    the score without ``‖q‖²``): the same ranking as a vector ``v = c + p s`` with a bias.
    """
    import faiss

    dim = index.d
    if options.nlist:
        coarse, lists = lists_of(index, n)
        centres = faiss.downcast_index(inner.quantizer).reconstruct_n(0, options.nlist)[lists]
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
    bias = np.square(vectors).sum(1) - squared if options.metric == "l2" else -squared / 2
    decoded = index.chain.at(0).reverse_transform(vectors)
    return DecodedScorer(decoded, options.metric, coarse=coarse, lists=lists, nprobe=options.nprobe, bias=bias)


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
