"""Train and fill a faiss index from its factory string, and score items by their reconstructions."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from poeem.baselines.baseline import Baseline, BuildOptions, set_nprobe
from poeem.evaluation.scorers import DecodedScorer, prepared


def structure_of(quantizer: str, nlist: int, rotation: str = "") -> str:
    """Return the factory string of a rotation, lists (if ``nlist`` > 0) and a quantizer.

    >>> structure_of("PQ8x8np", 64, rotation="OPQ8"), structure_of("RQ8x8", 0)
    ('OPQ8,IVF64,PQ8x8np', 'RQ8x8')
    """
    return ",".join(part for part in (rotation, f"IVF{nlist}" if nlist else "", quantizer) if part)


def build_with_faiss(
    name: str,
    structure: str,
    items: np.ndarray,
    options: BuildOptions,
    *,
    codes: tuple[int, int] | None,
    n_train: int | None = None,
    prepare: Callable[[Any], None] | None = None,
) -> Baseline:
    """Train a faiss index on the items and fill it with them.

    Its scores are those of faiss's search. faiss scores an item by its reconstruction, so no search is needed for them:
    the scorer has the reconstructions in the space of the queries, and the list of every item. Under ``cosine`` the
    items are normalised and compared by inner product.

    Args:
        name: key of ``BASELINES``.
        structure: factory string.
        items: float, ``(n, dim)``.
        options: lists, metric and seed; the lists must be those of ``structure``.
        codes: M and nbits of ``structure``; None: one byte per dimension, and no codewords to train.
        n_train: items to train on, sampled at random; default all, of which k-means takes its own sample.
        prepare: called with the empty index; sets options that no factory string has.
    Returns:
        the baseline.
    Raises:
        ValueError: there are fewer items than centroids, or a vector is not finite.
    """
    import faiss

    vectors = prepared(items, options.metric, "items")
    n, dim = vectors.shape
    M, nbits = codes or (0, 0)
    check_items(name, n, nbits=nbits, nlist=options.nlist)
    index = faiss.index_factory(dim, structure, faiss_metric(options.metric))
    if prepare is not None:
        prepare(index)
    start = time.perf_counter()
    train_and_add(index, vectors, M=M, nbits=nbits, seed=options.seed, n_train=n_train)
    seconds = time.perf_counter() - start
    scorer = decoded_scorer(index, n, options)
    size = dim if codes is None else -(-M * nbits // 8)
    return Baseline(name, structure, scorer, bytes_per_vector=size, build_seconds=seconds, index=index)


def train_and_add(
    index: Any, vectors: np.ndarray, *, M: int, nbits: int, seed: int, n_train: int | None = None
) -> None:
    """Train an empty faiss index on ``n_train`` vectors and fill it with all. Equal seeds give equal indexes."""
    # The rotation's training refers to this object without owning it: it must stay alive.
    quantizer = _set_seeds(index, M, nbits, seed)
    if n_train is None or n_train >= len(vectors):
        index.train(vectors)
    else:
        rows = np.random.default_rng(seed).choice(len(vectors), n_train, replace=False)
        index.train(vectors[np.sort(rows)])
    index.add(vectors)
    del quantizer


def faiss_metric(metric: str) -> int:
    """Return faiss's number of a metric. ``cosine`` is the inner product of vectors that :func:`prepared` has
    normalised.
    """
    import faiss

    return faiss.METRIC_L2 if metric == "l2" else faiss.METRIC_INNER_PRODUCT


def check_items(name: str, n: int, *, nbits: int = 0, nlist: int = 0) -> None:
    """Raise ValueError if there are fewer items than codewords or lists.

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


def _set_seeds(index: Any, M: int, nbits: int, seed: int) -> Any:
    """Seed every k-means, and turn off the warnings of few training points."""
    import faiss

    fitted_for = None
    inner: Any = index
    if isinstance(index, faiss.IndexPreTransform):
        inner = faiss.downcast_index(index.index)
        chain: Any = index.chain
        rotation: Any = faiss.downcast_VectorTransform(chain.at(0))
        if isinstance(rotation, faiss.OPQMatrix):
            # By default OPQ fits the rotation for codes of 8 bits, whatever the quantizer after it has.
            fitted_for = faiss.ProductQuantizer(index.d, M, nbits)
            _seed_kmeans(fitted_for.cp, seed)
            rotation.pq = fitted_for
        elif isinstance(rotation, faiss.RandomRotationMatrix):
            rotation.init(seed)
    if isinstance(inner, faiss.IndexIVF):
        _seed_kmeans(inner.cp, seed)
    for quantizer in ("pq", "rq"):
        if hasattr(inner, quantizer):
            _seed_kmeans(getattr(inner, quantizer).cp, seed)
    local_search: Any = getattr(inner, "lsq", None)
    if local_search is not None:
        local_search.random_seed = seed
    return fitted_for


def _seed_kmeans(parameters: Any, seed: int) -> None:
    parameters.seed = seed
    parameters.min_points_per_centroid = 1


def decoded_scorer(index: Any, n: int, options: BuildOptions) -> DecodedScorer:
    """Make the scorer of a filled faiss index that scores by reconstructions. The index visits ``nprobe`` lists from
    now on.
    """
    import faiss

    if not options.nlist:
        return DecodedScorer(index.reconstruct_n(0, n), options.metric)
    set_nprobe(index, options.nprobe or options.nlist)
    faiss.extract_index_ivf(index).make_direct_map()
    coarse, lists = lists_of(index, n)
    return DecodedScorer(index.reconstruct_n(0, n), options.metric, coarse=coarse, lists=lists, nprobe=options.nprobe)


def lists_of(index: Any, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the centroids ``(nlist, dim)`` in the space of the queries, and the list of every item ``(n,)``."""
    import faiss

    ivf: Any = faiss.extract_index_ivf(index)
    lists = np.empty(n, dtype=np.int64)
    for number in range(ivf.nlist):
        size = ivf.invlists.list_size(number)
        if size:
            lists[faiss.rev_swig_ptr(ivf.invlists.get_ids(number), size)] = number
    coarse = faiss.downcast_index(ivf.quantizer).reconstruct_n(0, ivf.nlist)
    if hasattr(index, "chain"):
        # The centroids are in rotated space; the queries are not.
        coarse = index.chain.at(0).reverse_transform(coarse)
    return coarse, lists


def check_subspaces(name: str, dim: int, M: int) -> None:
    """Raise ValueError if ``dim`` is not a multiple of ``M``, as faiss requires."""
    if dim % M:
        raise ValueError(f"dim (={dim}) must be divisible by M (={M}) for baseline {name!r}; leave it out, or use rq")
