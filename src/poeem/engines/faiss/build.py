"""A faiss index from a bundle: learned arrays and codes are put in, nothing is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from poeem.bundle.bundle import Bundle
from poeem.engines.probing import check_nprobe, default_nprobe, probes_by_inner_product
from poeem.engines.reference import sum_words
from poeem.functional.packing import pack_codes

if TYPE_CHECKING:
    import faiss


_ROWS_AT_ONCE = 8192


def build_index(bundle: Bundle, nprobe: int | None = None) -> faiss.Index:
    """The index that `faiss.write_index` writes.

    The chain is ``[L2 norm] -> [rotation] -> IndexIDMap2(IndexPQ) | IndexIVFPQ``, for RQ the same around
    ``IndexResidualQuantizer``; ids are the bundle's, or row numbers where those are strings.

    Args:
        bundle: what to build.
        nprobe: lists visited per query; None takes the training's, or else the square root of nlist.
    Raises:
        ValueError: nprobe is below 1.
    """
    nprobe = stored_nprobe(bundle, nprobe)
    index = _ivf_index(bundle, nprobe) if bundle.spec.nlist else _flat_index(bundle)
    return _with_transforms(index, bundle)


def stored_nprobe(bundle: Bundle, nprobe: int | None) -> int:
    """The nprobe that goes into the file; 1 for a flat index."""
    nlist = bundle.spec.nlist
    learned = bundle.training.get("nprobe") if nprobe is None else nprobe
    chosen = check_nprobe(learned, nlist, default=default_nprobe(nlist))
    return chosen if nlist else 1


def engine_ids(bundle: Bundle) -> np.ndarray:
    """The int64 ids that faiss holds: the bundle's, or row numbers where those are strings."""
    return np.arange(len(bundle), dtype=np.int64) if bundle.string_ids else bundle.ids


def stored_codes(bundle: Bundle) -> np.ndarray:
    """The bytes of each row as faiss stores them: the packed code, for RQ under L2 followed by a norm."""
    packed = pack_codes(bundle.codes, bundle.spec.nbits)
    if bundle.spec.kind == "PQ" or bundle.metric != "l2":
        return packed
    # The norm is that of the sum of words alone, without the list's centroid.
    codebooks = bundle.arrays["codebooks"].astype(np.float64)
    norms = np.empty(len(bundle), dtype="<f4")
    for first in range(0, len(bundle), _ROWS_AT_ONCE):
        some = slice(first, first + _ROWS_AT_ONCE)
        words = sum_words(codebooks, bundle.codes[some])
        norms[some] = np.einsum("nd,nd->n", words, words)
    return _append_bits(packed, norms.view("<u4"), bundle.spec.M * bundle.spec.nbits)


def _append_bits(packed: np.ndarray, values: np.ndarray, used: int) -> np.ndarray:
    """The bit stream goes on: 32 more bits after the ``used`` ones, without rounding up to a byte in between."""
    whole, begun = divmod(used, 8)
    tail = (values.astype("<u8") << np.uint64(begun))[:, None].view(np.uint8)[:, : 5 if begun else 4]
    if begun:
        tail[:, 0] |= packed[:, -1]
    return np.concatenate([packed[:, :whole], tail], axis=1)


def _flat_index(bundle: Bundle) -> faiss.Index:
    import faiss

    spec = bundle.spec
    if spec.kind == "PQ":
        index = faiss.IndexPQ(bundle.dim, spec.M, spec.nbits, _metric(bundle))
        _copy(bundle.arrays["codebooks"], index.pq.centroids)
    else:
        additive: Any = faiss.IndexResidualQuantizer  # its overloads confuse a checker
        index = additive(bundle.dim, spec.M, spec.nbits, _metric(bundle), _search_type(bundle))
        _copy(bundle.arrays["codebooks"], index.rq.codebooks)
        index.rq.is_trained = True
    index.is_trained = True
    # Always with a map, also where ids are row numbers: without one faiss renumbers the rows when one is removed.
    mapped = faiss.IndexIDMap2(index)
    mapped.add_sa_codes(stored_codes(bundle), engine_ids(bundle))
    return mapped


def _ivf_index(bundle: Bundle, nprobe: int) -> faiss.Index:
    import faiss

    spec, coarse = bundle.spec, bundle.arrays["coarse"]
    by_inner_product = probes_by_inner_product(spec, bundle.metric, coarse)
    quantizer = faiss.IndexFlatIP(bundle.dim) if by_inner_product else faiss.IndexFlatL2(bundle.dim)
    quantizer.add(coarse)
    if spec.kind == "PQ":
        index = faiss.IndexIVFPQ(quantizer, bundle.dim, spec.nlist, spec.M, spec.nbits, _metric(bundle))
        _copy(bundle.arrays["codebooks"], index.pq.centroids)
        if bundle.metric == "l2":
            # faiss keeps products of centroids and words; they are of the words that are there now.
            index.precompute_table()
    else:
        additive: Any = faiss.IndexIVFResidualQuantizer  # its overloads confuse a checker
        index = additive(quantizer, bundle.dim, spec.nlist, spec.M, spec.nbits, _metric(bundle), _search_type(bundle))
        _copy(bundle.arrays["codebooks"], index.rq.codebooks)
        index.rq.is_trained = True
    index.is_trained = True
    index.nprobe = nprobe
    index.add_sa_codes(_with_lists(bundle, stored_codes(bundle)), engine_ids(bundle))
    return index


def _with_lists(bundle: Bundle, codes: np.ndarray) -> np.ndarray:
    """Rows for `IndexIVF.add_sa_codes`: the list number, little-endian in as few bytes as it takes, then the code."""
    width = ((bundle.spec.nlist - 1).bit_length() + 7) // 8
    assert bundle.lists is not None
    rows = np.empty((len(codes), width + codes.shape[1]), dtype=np.uint8)
    rows[:, :width] = bundle.lists.astype("<i4")[:, None].view(np.uint8)[:, :width]
    rows[:, width:] = codes
    return rows


def _with_transforms(index: faiss.Index, bundle: Bundle) -> faiss.Index:
    import faiss

    transforms = []
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
    chain = faiss.IndexPreTransform(index)
    for transform in reversed(transforms):
        chain.prepend_transform(transform)
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
