"""A factory string of faiss, trained and filled by faiss, and scored by what its codes decode to."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from poeem.evaluation.baselines.baseline import Baseline
from poeem.evaluation.scorers import DecodedScorer, prepared


def structure_of(quantizer: str, nlist: int, rotation: str = "") -> str:
    """Factory string with lists, if any, in front of the quantizer.

    >>> structure_of("PQ8x8np", 64, rotation="OPQ8"), structure_of("RQ8x8", 0)
    ('OPQ8,IVF64,PQ8x8np', 'RQ8x8')
    """
    return ",".join(part for part in (rotation, f"IVF{nlist}" if nlist else "", quantizer) if part)


def build_with_faiss(
    name: str,
    structure: str,
    items: np.ndarray,
    *,
    M: int,
    nbits: int,
    nlist: int,
    nprobe: int | None,
    metric: str,
    seed: int,
) -> Baseline:
    """Trains and fills ``structure`` on the items; scores are those of faiss's search.

    Under ``cosine`` the items are normalised and compared by inner product. faiss scores an item by its reconstruction,
    so that the scorer needs no search: reconstructions in the space of the queries, and the list of every item.

    Args:
        name: word of ``BASELINES``.
        structure: factory string.
        items: float, ``(n, dim)``.
        M, nbits, nlist: what ``structure`` says, to check and count with.
        nprobe: lists visited a query; default all.
        metric: ``"ip"``, ``"l2"`` or ``"cosine"``.
        seed: of every k-means.
    Raises:
        ValueError: fewer items than centroids, or vectors that are not finite.
    """
    import faiss

    vectors = prepared(items, metric, "items")
    n, dim = vectors.shape
    for what, needed in ((f"nbits (={nbits})", 2**nbits), (f"nlist (={nlist})", nlist)):
        if n < needed:
            raise ValueError(
                f"{what} needs at least {needed} items to train baseline {name!r} on, got {n}; choose less"
            )
    index = faiss.index_factory(dim, structure, faiss.METRIC_L2 if metric == "l2" else faiss.METRIC_INNER_PRODUCT)
    # Keeps the object alive that the rotation's training refers to without owning it.
    words = _settle(index, M, nbits, seed)
    start = time.perf_counter()
    index.train(vectors)
    index.add(vectors)
    seconds = time.perf_counter() - start
    del words
    scorer = _scorer(index, n, metric, nlist, nprobe)
    return Baseline(name, structure, scorer, bytes_per_vector=-(-M * nbits // 8), build_seconds=seconds)


def _settle(index: Any, M: int, nbits: int, seed: int) -> Any:
    """Seeds every k-means, and lets small catalogues train without a warning for each of them."""
    import faiss

    words = None
    inner: Any = index
    if isinstance(index, faiss.IndexPreTransform):
        chain: Any = index.chain
        rotation: Any = faiss.downcast_VectorTransform(chain.at(0))
        # By itself OPQ fits the rotation to words of 8 bits, whatever the quantizer after it has.
        words = faiss.ProductQuantizer(index.d, M, nbits)
        _settle_kmeans(words.cp, seed)
        rotation.pq = words
        inner = faiss.downcast_index(index.index)
    if isinstance(inner, faiss.IndexIVF):
        _settle_kmeans(inner.cp, seed)
    _settle_kmeans(getattr(inner, "pq" if hasattr(inner, "pq") else "rq").cp, seed)
    return words


def _settle_kmeans(parameters: Any, seed: int) -> None:
    parameters.seed = seed
    parameters.min_points_per_centroid = 1


def _scorer(index: Any, n: int, metric: str, nlist: int, nprobe: int | None) -> DecodedScorer:
    import faiss

    if not nlist:
        return DecodedScorer(index.reconstruct_n(0, n), metric)
    ivf: Any = faiss.extract_index_ivf(index)
    ivf.make_direct_map()
    lists = np.empty(n, dtype=np.int64)
    for number in range(nlist):
        size = ivf.invlists.list_size(number)
        if size:
            lists[faiss.rev_swig_ptr(ivf.invlists.get_ids(number), size)] = number
    coarse = faiss.downcast_index(ivf.quantizer).reconstruct_n(0, nlist)
    if hasattr(index, "chain"):
        # Centroids live behind the rotation; queries do not.
        coarse = index.chain.at(0).reverse_transform(coarse)
    return DecodedScorer(index.reconstruct_n(0, n), metric, coarse=coarse, lists=lists, nprobe=nprobe)


def check_subspaces(name: str, dim: int, M: int) -> None:
    """Complains where faiss would fail: ``dim`` must be a multiple of ``M``."""
    if dim % M:
        raise ValueError(f"dim (={dim}) must be divisible by M (={M}) for baseline {name!r}; leave it out, or use rq")
