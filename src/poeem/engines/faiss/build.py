"""Build a faiss index from a bundle's arrays and codes, without training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from poeem.bundle.bundle import Bundle
from poeem.engines.faiss.options import FaissOptions
from poeem.engines.faiss.refine import refined_index
from poeem.engines.faiss.repeated import first_dimensions, repeated, repeats_of
from poeem.engines.probing import check_nprobe, default_nprobe, probes_by_inner_product
from poeem.engines.reference import sum_codewords
from poeem.functional.packing import pack_codes

if TYPE_CHECKING:
    import faiss


_ROWS_AT_ONCE = 8192
# HNSW over the centroids: links per node, candidates while building, candidates while searching.
_HNSW_LINKS, _HNSW_CONSTRUCTION, _HNSW_SEARCH = 32, 200, 128


def build_index(
    bundle: Bundle,
    nprobe: int | None = None,
    *,
    fastscan: bool = False,
    hnsw: bool = False,
    refine: str | None = None,
    vectors: np.ndarray | None = None,
    k_factor: float = 10,
    residual_quantizer: bool = False,
) -> faiss.Index:
    """Build the faiss index of a bundle in memory.

    Its chain is ``[L2 norm] -> [rotation] -> IndexIDMap2(IndexPQ) | IndexIVFPQ``. With ``refine`` it is
    ``IndexIDMap2(IndexRefine(...))`` after the transforms. Its ids are `Bundle.int64_ids`. For RQ the query is repeated
    before the PQ, see `poeem.engines.faiss.repeated`; under ``l2`` it is ``IndexResidualQuantizer`` or
    ``IndexIVFResidualQuantizer`` instead.

    Args:
        bundle: the bundle.
        nprobe: default number of lists visited per query; None takes the training's, or else nlist's square root.
        fastscan: lay out 4-bit codes for SIMD scans, with lookup tables of 8 bits.
        hnsw: find the lists to visit by an HNSW graph over the centroids, useful for thousands of lists.
        refine: also store the vectors, as ``flat``, ``fp16`` or ``sq8``, and rank the best candidates by them.
        vectors: float, ``(n, dim)``, in the bundle's order; needed by ``refine``.
        k_factor: candidates ranked again, in multiples of k.
        residual_quantizer: RQ as faiss's residual quantizer under every metric: slower, but faiss itself can encode.
    Returns:
        the index, filled.
    Raises:
        ValueError: nprobe is below 1, or an option does not suit the index.
    """
    nprobe = stored_nprobe(bundle, nprobe)
    options = FaissOptions(
        fastscan=fastscan,
        hnsw=hnsw,
        refine=refine,
        vectors=vectors,
        k_factor=k_factor,
        residual_quantizer=residual_quantizer,
    )
    options.check(bundle)
    ids = bundle.int64_ids
    repeats = repeats_of(bundle, residual_quantizer=residual_quantizer)
    if bundle.spec.nlist:
        # The refined rows are found by their position: their ids go into a map around it.
        own = np.arange(len(bundle)) if refine else ids
        index = _ivf_index(bundle, nprobe, own, repeats, hnsw=hnsw, fastscan=fastscan)
    else:
        index = _flat_index(bundle, repeats, fastscan=fastscan)
    if repeats:
        index = repeated(index, bundle.dim)
    if refine is not None and vectors is not None:
        index = refined_index(index, bundle, refine, vectors, k_factor)
    # A flat index always has a map of ids: without one faiss renumbers the rows when one is removed.
    if refine or not bundle.spec.nlist:
        index = _with_ids(index, ids)
    return with_transforms(index, bundle)


def stored_nprobe(bundle: Bundle, nprobe: int | None) -> int:
    """Return the nprobe for a file: the given one, else the training's, else `default_nprobe`; 1 if flat."""
    nlist = bundle.spec.nlist
    learned = bundle.training.get("nprobe") if nprobe is None else nprobe
    chosen = check_nprobe(learned, nlist, default=default_nprobe(nlist))
    return chosen if nlist else 1


def stored_codes(bundle: Bundle) -> np.ndarray:
    """Return the bytes that faiss stores for each code, uint8 ``(n, width)``; RQ under ``l2`` appends a norm."""
    packed = pack_codes(bundle.codes, bundle.spec.nbits)
    if bundle.spec.kind == "PQ" or bundle.metric != "l2":
        return packed
    # The norm is that of the sum of codewords alone, without the list's centroid.
    codebooks = bundle.arrays["codebooks"].astype(np.float64)
    norms = np.empty(len(bundle), dtype="<f4")
    for first in range(0, len(bundle), _ROWS_AT_ONCE):
        some = slice(first, first + _ROWS_AT_ONCE)
        sums = sum_codewords(codebooks, bundle.codes[some])
        norms[some] = np.einsum("nd,nd->n", sums, sums)
    return _append_bits(packed, norms.view("<u4"), bundle.spec.M * bundle.spec.nbits)


def _append_bits(packed: np.ndarray, values: np.ndarray, used: int) -> np.ndarray:
    """Append 32 bits to the ``used`` bits of each row, without padding to a whole byte in between."""
    whole, rest = divmod(used, 8)
    tail = (values.astype("<u8") << np.uint64(rest))[:, None].view(np.uint8)[:, : 5 if rest else 4]
    if rest:
        tail[:, 0] |= packed[:, -1]
    return np.concatenate([packed[:, :whole], tail], axis=1)


def _flat_index(bundle: Bundle, repeats: int, *, fastscan: bool) -> faiss.Index:
    import faiss

    spec = bundle.spec
    if spec.kind == "PQ" or repeats:
        index = faiss.IndexPQ(bundle.dim * (repeats or 1), spec.M, spec.nbits, _metric(bundle))
        _copy(bundle.arrays["codebooks"], index.pq.centroids)
    else:
        additive: Any = faiss.IndexResidualQuantizer  # its overloads confuse a checker
        index = additive(bundle.dim, spec.M, spec.nbits, _metric(bundle), _search_type(bundle))
        _copy(bundle.arrays["codebooks"], index.rq.codebooks)
        index.rq.is_trained = True
    index.is_trained = True
    index.add_sa_codes(stored_codes(bundle))
    if not fastscan:
        return index
    convert: Any = faiss.IndexPQFastScan
    fast = convert(index)
    # It has copied the codes; a pointer to those of the index that goes out of scope here must not stay.
    fast.orig_codes = None
    return fast


def _with_ids(index: faiss.Index, ids: np.ndarray) -> faiss.Index:
    import faiss

    rows = index.ntotal
    # A map is only taken around an empty index; but FastScan and refining take no codes through it.
    index.ntotal = 0
    mapped: Any = faiss.IndexIDMap2(index)
    index.ntotal = mapped.ntotal = rows
    faiss.copy_array_to_vector(np.ascontiguousarray(ids), mapped.id_map)
    mapped.construct_rev_map()
    return mapped


def _ivf_index(
    bundle: Bundle, nprobe: int, ids: np.ndarray, repeats: int, *, hnsw: bool, fastscan: bool
) -> faiss.Index:
    import faiss

    spec, width = bundle.spec, bundle.dim * (repeats or 1)
    quantizer = coarse_quantizer(bundle, nprobe, hnsw=hnsw)
    if repeats:
        quantizer = first_dimensions(quantizer, width)
    if spec.kind == "PQ" or repeats:
        index = faiss.IndexIVFPQ(quantizer, width, spec.nlist, spec.M, spec.nbits, _metric(bundle))
        _copy(bundle.arrays["codebooks"], index.pq.centroids)
        if bundle.metric == "l2":
            # faiss keeps products of centroids and codewords, which have just been set.
            index.precompute_table()
    else:
        additive: Any = faiss.IndexIVFResidualQuantizer  # its overloads confuse a checker
        index = additive(quantizer, bundle.dim, spec.nlist, spec.M, spec.nbits, _metric(bundle), _search_type(bundle))
        _copy(bundle.arrays["codebooks"], index.rq.codebooks)
        index.rq.is_trained = True
    index.is_trained = True
    if len(bundle):
        index.add_sa_codes(rows_with_lists(bundle, stored_codes(bundle)), ids)
    if fastscan:
        index = _fast_scanned(index, quantizer)
    index.nprobe = nprobe
    return index


def _fast_scanned(index: Any, quantizer: Any) -> Any:
    import faiss

    fast: Any = faiss.IndexIVFPQFastScan(index)
    # The conversion takes over the pointer only: Python must not free the quantizer with the index it came from.
    quantizer.this.disown()
    fast.own_fields = True
    return fast


def coarse_quantizer(bundle: Bundle, nprobe: int, *, hnsw: bool) -> faiss.Index:
    """Return the faiss index of the centroids. Its metric ranks the lists and enters the scores of FastScan and RQ."""
    import faiss

    coarse = bundle.arrays["coarse"]
    by_inner_product = probes_by_inner_product(bundle.spec, bundle.metric, coarse)
    if hnsw:
        metric = faiss.METRIC_INNER_PRODUCT if by_inner_product else faiss.METRIC_L2
        quantizer: Any = faiss.IndexHNSWFlat(bundle.dim, _HNSW_LINKS, metric)
        quantizer.hnsw.efConstruction = _HNSW_CONSTRUCTION
        quantizer.hnsw.efSearch = max(_HNSW_SEARCH, 2 * nprobe)
    else:
        quantizer = faiss.IndexFlatIP(bundle.dim) if by_inner_product else faiss.IndexFlatL2(bundle.dim)
    quantizer.add(coarse)
    return quantizer


def rows_with_lists(bundle: Bundle, codes: np.ndarray) -> np.ndarray:
    """Return rows for `IndexIVF.add_sa_codes`, uint8: list number (little-endian, fewest whole bytes), then code."""
    width = ((bundle.spec.nlist - 1).bit_length() + 7) // 8
    assert bundle.lists is not None
    rows = np.empty((len(codes), width + codes.shape[1]), dtype=np.uint8)
    rows[:, :width] = bundle.lists.astype("<i4")[:, None].view(np.uint8)[:, :width]
    rows[:, width:] = codes
    return rows


def with_transforms(index: faiss.Index, bundle: Bundle) -> faiss.Index:
    """Return the index behind the transforms of a bundle: normalisation (under ``cosine``) and rotation."""
    import faiss

    transforms: list[Any] = []
    if bundle.metric == "cosine":
        transforms.append(faiss.NormalizationTransform(bundle.dim, 2.0))
    if "rotation" in bundle.arrays:
        rotation = faiss.LinearTransform(bundle.dim, bundle.dim, False)
        # We apply y = x R to rows, faiss y = A x to columns.
        _copy(bundle.arrays["rotation"].T, rotation.A)
        rotation.is_trained = True
        rotation.is_orthonormal = True
        transforms.append(rotation)
    if not transforms:
        return index
    # One chain, even before the repetition of queries: faiss's helpers look through one only.
    chain = index if isinstance(index, faiss.IndexPreTransform) else faiss.IndexPreTransform(index)
    for transform in reversed(transforms):
        chain.prepend_transform(transform)
        if chain.own_fields:
            transform.this.disown()
    # Only add() would count these; the rows were there before the chain.
    chain.ntotal = index.ntotal
    return chain


def _metric(bundle: Bundle) -> int:
    import faiss

    return faiss.METRIC_L2 if bundle.metric == "l2" else faiss.METRIC_INNER_PRODUCT


def _search_type(bundle: Bundle) -> int:
    """How an additive quantizer searches: by tables, under L2 with a float norm stored after each code."""
    import faiss

    kind = faiss.AdditiveQuantizer
    return kind.ST_norm_float if bundle.metric == "l2" else kind.ST_LUT_nonorm


def _copy(array: np.ndarray, vector) -> None:
    import faiss

    faiss.copy_array_to_vector(np.ascontiguousarray(array).ravel(), vector)
