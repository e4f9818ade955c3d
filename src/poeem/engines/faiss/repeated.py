"""Store additive codes as a product quantizer over repeated dimensions, which faiss scans several times faster.

Under inner product ``<q, Σ_m B_mk_m> = Σ_m <q, B_mk_m>``. A PQ over M * dim dimensions whose m-th codebook is ``B_m``,
searched with the query repeated M times, has the same lookup tables. A `RemapDimensionsTransform` before the index
repeats the query, so stock faiss reads the file. The coarse quantizer uses only the first dim dimensions.

On such an index faiss's own ``add``, ``sa_encode`` and ``reconstruct`` are wrong: they treat each codeword as one part
of a longer vector, and choose each codeword by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from poeem.bundle.bundle import Bundle

if TYPE_CHECKING:
    import faiss

#: What the report of a file says.
NOTE = (
    "additive codes scanned as PQ: add, sa_encode and reconstruct of faiss itself are wrong on this file; encode by "
    "poeem, and add codes"
)


def repeats_of(bundle: Bundle, *, residual_quantizer: bool = False) -> int:
    """Return how often queries are repeated: M for additive codes under ``ip`` and ``cosine``, else 0.

    Under ``l2`` no PQ has the right distances: a sum of squares over repeated dimensions is too large.

    Args:
        bundle: the bundle.
        residual_quantizer: whether faiss's residual quantizer is wanted; the result is then 0.
    """
    wanted = bundle.spec.kind == "RQ" and bundle.metric != "l2" and not residual_quantizer
    return bundle.spec.M if wanted else 0


def repeated(inner: faiss.Index, dim: int) -> faiss.Index:
    """Return the index behind a transform that repeats queries of width ``dim``."""
    return _behind(_remap(dim, np.tile(np.arange(dim), inner.d // dim)), inner)


def first_dimensions(quantizer: faiss.Index, width: int) -> faiss.Index:
    """Return a coarse quantizer for vectors of width ``width`` that uses only their first dimensions."""
    return _behind(_remap(width, np.arange(quantizer.d)), quantizer)


def repeats_in(transform: Any) -> int | None:
    """Return how often a faiss transform repeats a vector; None if it does something else."""
    import faiss

    d_in, d_out = transform.d_in, transform.d_out
    if d_in < 1 or d_out % d_in:
        return None
    if isinstance(transform, faiss.RemapDimensionsTransform):
        same = np.array_equal(faiss.vector_to_array(transform.map), np.tile(np.arange(d_in), d_out // d_in))
    elif isinstance(transform, faiss.LinearTransform) and d_out > d_in and not transform.have_bias:
        matrix = faiss.vector_to_array(transform.A)
        same = np.array_equal(
            matrix.reshape(-1, d_in, d_in), np.broadcast_to(np.eye(d_in), (d_out // d_in, d_in, d_in))
        )
    else:
        return None
    return d_out // d_in if same else None


def _remap(width: int, places: np.ndarray) -> Any:
    import faiss

    make: Any = faiss.RemapDimensionsTransform  # its overloads confuse a checker
    transform: Any = make(width, len(places), True)
    faiss.copy_array_to_vector(places.astype(np.int32), transform.map)
    return transform


def _behind(transform: Any, index: faiss.Index) -> faiss.Index:
    """A chain that owns both: faiss may hold it longer than Python does."""
    import faiss

    chain: Any = faiss.IndexPreTransform(index)
    chain.prepend_transform(transform)
    chain.own_fields = True
    part: Any
    for part in (transform, index):
        part.this.disown()
    return chain
