"""A factory string of faiss, trained and filled by faiss, and scored by what its codes decode to."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from poeem.baselines.baseline import Baseline, set_nprobe
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
    trains: bool = True,
    bytes_per_vector: int | None = None,
    n_train: int | None = None,
    prepare: Callable[[Any], None] | None = None,
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
        seed: of every k-means, and of LSQ's local search.
        trains: whether there are words of ``nbits`` to train.
        bytes_per_vector: default ``M * nbits / 8``, rounded up.
        n_train: items drawn to train on; default all of them, of which k-means draws its own.
        prepare: sets, in the empty index, what no factory string says.
    Raises:
        ValueError: fewer items than centroids, or vectors that are not finite.
    """
    import faiss

    vectors = prepared(items, metric, "items")
    n, dim = vectors.shape
    check_items(name, n, nbits=nbits if trains else 0, nlist=nlist)
    index = faiss.index_factory(dim, structure, faiss_metric(metric))
    if prepare is not None:
        prepare(index)
    start = time.perf_counter()
    train_and_add(index, vectors, M=M, nbits=nbits, seed=seed, n_train=n_train)
    seconds = time.perf_counter() - start
    scorer = decoded_scorer(index, n, metric, nlist, nprobe)
    if nlist:
        set_nprobe(index, nprobe or nlist)
    size = -(-M * nbits // 8) if bytes_per_vector is None else bytes_per_vector
    return Baseline(name, structure, scorer, bytes_per_vector=size, build_seconds=seconds, index=index)


def train_and_add(
    index: Any, vectors: np.ndarray, *, M: int, nbits: int, seed: int, n_train: int | None = None
) -> None:
    """Train an empty index of faiss on ``n_train`` vectors and fill it with all, everything random by the seed."""
    # Keeps the object alive that the rotation's training refers to without owning it.
    words = _settle(index, M, nbits, seed)
    if n_train is None or n_train >= len(vectors):
        index.train(vectors)
    else:
        drawn = np.random.default_rng(seed).choice(len(vectors), n_train, replace=False)
        index.train(vectors[np.sort(drawn)])
    index.add(vectors)
    del words


def faiss_metric(metric: str) -> int:
    """The number faiss knows the metric by; ``cosine`` is an inner product of what :func:`prepared` normalised."""
    import faiss

    return faiss.METRIC_L2 if metric == "l2" else faiss.METRIC_INNER_PRODUCT


def check_items(name: str, n: int, *, nbits: int = 0, nlist: int = 0) -> None:
    """Refuse fewer items than words or lists.

    >>> check_items("pq", 100, nbits=8)
    Traceback (most recent call last):
    ...
    ValueError: nbits (=8) needs at least 256 items to train baseline 'pq' on, got 100; choose less
    """
    for what, needed in ((f"nbits (={nbits})", 2**nbits if nbits else 0), (f"nlist (={nlist})", nlist)):
        if n < needed:
            raise ValueError(
                f"{what} needs at least {needed} items to train baseline {name!r} on, got {n}; choose less"
            )


def _settle(index: Any, M: int, nbits: int, seed: int) -> Any:
    """Seeds every k-means, and lets small catalogues train without a warning for each of them."""
    import faiss

    words = None
    inner: Any = index
    if isinstance(index, faiss.IndexPreTransform):
        inner = faiss.downcast_index(index.index)
        chain: Any = index.chain
        rotation: Any = faiss.downcast_VectorTransform(chain.at(0))
        if isinstance(rotation, faiss.OPQMatrix):
            # By itself OPQ fits the rotation to words of 8 bits, whatever the quantizer after it has.
            words = faiss.ProductQuantizer(index.d, M, nbits)
            _settle_kmeans(words.cp, seed)
            rotation.pq = words
        elif isinstance(rotation, faiss.RandomRotationMatrix):
            rotation.init(seed)
    if isinstance(inner, faiss.IndexIVF):
        _settle_kmeans(inner.cp, seed)
    for quantizer in ("pq", "rq"):
        if hasattr(inner, quantizer):
            _settle_kmeans(getattr(inner, quantizer).cp, seed)
    local_search: Any = getattr(inner, "lsq", None)
    if local_search is not None:
        local_search.random_seed = seed
    return words


def _settle_kmeans(parameters: Any, seed: int) -> None:
    parameters.seed = seed
    parameters.min_points_per_centroid = 1


def decoded_scorer(index: Any, n: int, metric: str, nlist: int, nprobe: int | None) -> DecodedScorer:
    """The scores of a filled index of faiss that decodes to score."""
    import faiss

    if not nlist:
        return DecodedScorer(index.reconstruct_n(0, n), metric)
    faiss.extract_index_ivf(index).make_direct_map()
    coarse, lists = lists_of(index, n)
    return DecodedScorer(index.reconstruct_n(0, n), metric, coarse=coarse, lists=lists, nprobe=nprobe)


def lists_of(index: Any, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Centroids ``(nlist, dim)`` in the space of the queries, and the list of every item ``(n,)``."""
    import faiss

    ivf: Any = faiss.extract_index_ivf(index)
    lists = np.empty(n, dtype=np.int64)
    for number in range(ivf.nlist):
        size = ivf.invlists.list_size(number)
        if size:
            lists[faiss.rev_swig_ptr(ivf.invlists.get_ids(number), size)] = number
    coarse = faiss.downcast_index(ivf.quantizer).reconstruct_n(0, ivf.nlist)
    if hasattr(index, "chain"):
        # Centroids live behind the rotation; queries do not.
        coarse = index.chain.at(0).reverse_transform(coarse)
    return coarse, lists


def check_subspaces(name: str, dim: int, M: int) -> None:
    """Complains where faiss would fail: ``dim`` must be a multiple of ``M``."""
    if dim % M:
        raise ValueError(f"dim (={dim}) must be divisible by M (={M}) for baseline {name!r}; leave it out, or use rq")
