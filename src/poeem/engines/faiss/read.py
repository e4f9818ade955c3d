"""Read the trained arrays, codes and ids of a faiss index, for further training or for another engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from poeem.bundle.check import check_arrays, check_codes
from poeem.bundle.ids import ids_to_arrow
from poeem.engines.faiss.id_map import map_file, read_id_map
from poeem.engines.faiss.index_file import check_dim_and_rows, read_index, read_proof
from poeem.engines.faiss.stored_rows import flat_rows, ivf_rows
from poeem.engines.faiss.wrappers import Unwrapped, unwrap, user_ids
from poeem.spec import NBITS, IndexSpec

if TYPE_CHECKING:
    import faiss

    from poeem.bundle import Bundle


@dataclass(frozen=True, eq=False, repr=False)
class FaissContents:
    """The contents of a faiss index, as the fields of a bundle.

    Args:
        spec: the structure.
        metric: ``ip``, ``l2``, or ``cosine`` for inner product with normalised vectors.
        dim: width of an embedding.
        arrays: float32 arrays by name, as in a bundle: ``rotation``, ``coarse``, ``codebooks``.
        codes: uint8 codeword numbers, ``(n, M)``.
        lists: int32 inverted list of each row, ``(n,)``; None for a flat index.
        ids: int64, ``(n,)``; ascending if there are lists, else in the order of the index. If the file has a map of
            string ids: object of str, in the order of the bundle.
        nprobe: stored number of lists visited per query; None for a flat index.
        proven: whether the file has a report, and was compared with its checksums.
    """

    spec: IndexSpec
    metric: str
    dim: int
    arrays: Mapping[str, np.ndarray]
    codes: np.ndarray
    lists: np.ndarray | None
    ids: np.ndarray
    nprobe: int | None = None
    proven: bool = False

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"FaissContents({self.spec}, {self.metric}, dim={self.dim}, rows={len(self):,})"

    def bundle(
        self,
        path: str | Path,
        *,
        ids: Sequence[Any] | np.ndarray | None = None,
        columns: Any = None,
        training: Mapping[str, Any] | None = None,
    ) -> Bundle:
        """Write the contents as a bundle, with the same codes.

        Args:
            path: the folder to write.
            ids: other ids for the rows, such as strings, ``(n,)`` in the order of ``self.ids``; None keeps those.
            columns: a ``pyarrow.Table`` of n rows, stored beside the ids.
            training: facts about the training, JSON values. The index's nprobe is added to them.
        Returns:
            the bundle.
        Raises:
            ValueError: ``ids`` or ``columns`` do not fit, or ``path`` holds other files.
        """
        from poeem.bundle import write_bundle

        facts = {"source": "faiss", **({} if self.nprobe is None else {"nprobe": self.nprobe}), **(training or {})}
        return write_bundle(
            path,
            spec=self.spec,
            metric=self.metric,
            dim=self.dim,
            arrays=self.arrays,
            ids=self.ids if ids is None else ids,
            codes=self.codes,
            lists=self.lists,
            columns=columns,
            training=facts,
        )


def from_faiss(source: faiss.Index | str | Path, *, check: bool = True) -> FaissContents:
    """Read the trained arrays, codes and ids of a stock faiss index.

    Supported are ``IndexPQ``, ``IndexIVFPQ``, their FastScan variants, ``IndexResidualQuantizer`` and its IVF variant,
    with 4 to 8 bits, L2 or inner product, and lists of residuals. They may be behind rotations (``OPQMatrix``, any
    orthonormal ``LinearTransform``) and a normalisation, and in ``IndexIDMap`` and ``IndexRefine`` (whose stored
    vectors are ignored). A PQ behind a repetition of the query is additive, see
    `poeem.engines.faiss.repeated`. A rotation before additive codes is moved into their codewords; scores stay the
    same.

    Args:
        source: the index, or its file.
        check: True compares a whole file with the checksum in its report, False a sample of its blocks.
    Returns:
        arrays and rows. ``.bundle(path)`` writes them, ``poeem.index_from`` makes a layer of them.
    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the index is empty, untrained, damaged, or of a kind that scores differently; the message says what
            to build instead.

    >>> import faiss, numpy as np
    >>> x = np.random.default_rng(0).standard_normal((1000, 8)).astype("float32")
    >>> index = faiss.index_factory(8, "OPQ2,IVF4,PQ2x4np")
    >>> index.train(x); index.add(x)
    >>> from_faiss(index)
    FaissContents(OPQ2,IVF4,PQ2x4, l2, dim=8, rows=1,000)
    """
    if isinstance(source, str | Path):
        path = Path(source)
        if not path.is_file():
            raise FileNotFoundError(f"no faiss file at {str(path)!r}{', which is a folder' if path.is_dir() else ''}")
        try:
            facts = read_proof(path, check=check)
            contents = _contents(index := read_index(path))
            if facts is None:
                return contents
            check_dim_and_rows(path, index, facts)
            contents = replace(contents, proven=True)
            return contents if facts["id_type"] == "int64" else _with_strings(contents, path, facts)
        except ValueError as error:
            raise ValueError(f"{str(path)!r}: {error}" if repr(str(path)) not in str(error) else str(error)) from None
    import faiss

    if not isinstance(source, faiss.Index):
        raise ValueError(f"source must be a faiss index or the path of its file, not {type(source).__name__}")
    return _contents(source)


def _with_strings(contents: FaissContents, path: Path, facts: Mapping[str, Any]) -> FaissContents:
    """The rows with their string ids, in the order of the bundle; as they are where the map is missing."""
    try:
        id_map = read_id_map(path, facts)
    except FileNotFoundError:
        return contents
    order = np.argsort(contents.ids)
    place = np.minimum(np.searchsorted(contents.ids[order], id_map.numbers), len(order) - 1)
    rows = order[place]
    if not np.array_equal(contents.ids[rows], id_map.numbers):
        raise ValueError(f"{map_file(path).name} has ids of other items than the file; export the bundle again")
    lists = None if contents.lists is None else contents.lists[rows]
    return replace(contents, ids=id_map.ids, codes=contents.codes[rows], lists=lists)


def trained_arrays(index: faiss.Index) -> tuple[IndexSpec, str, dict[str, np.ndarray]]:
    """Return spec, metric and arrays of a faiss index, without its rows.

    Raises:
        ValueError: the index is untrained, damaged, or of a kind that scores differently, see `from_faiss`.
    """
    parts = unwrap(index)
    metric = _metric(parts)
    spec, arrays = _structure(parts)
    check_arrays(spec, parts.dim, arrays)
    return spec, metric, arrays


def _contents(index: faiss.Index) -> FaissContents:
    parts = unwrap(index)
    spec, metric, arrays = trained_arrays(index)
    rows = (ivf_rows if spec.nlist else flat_rows)(parts.inner, spec.M, spec.nbits)
    if not len(rows.codes):
        raise ValueError("the index holds no rows; add the items first")
    check_codes(spec, rows.codes, rows.lists)
    ids, codes, lists = user_ids(rows.ids, parts.id_map), rows.codes, rows.lists
    try:
        ids_to_arrow(ids)
    except ValueError as error:
        raise ValueError(f"{error} (a row in several lists, or added again, is there twice)") from None
    if lists is not None:
        # The order of lists means nothing to a user; that of ids is often the order of the vectors.
        order = np.argsort(ids, kind="stable")
        ids, codes, lists = ids[order], codes[order], lists[order]
    nprobe = int(parts.inner.nprobe) if spec.nlist else None
    return FaissContents(spec, metric, parts.dim, arrays, codes, lists, ids, nprobe)


def _metric(parts: Unwrapped) -> str:
    import faiss

    kind = parts.inner.metric_type
    if kind not in (faiss.METRIC_L2, faiss.METRIC_INNER_PRODUCT):
        raise ValueError(f"its metric_type (={kind}) is neither L2 nor inner product; build it with one of these")
    if kind == faiss.METRIC_L2 and parts.normalises:
        raise ValueError(
            "it scores normalised vectors by L2, which is no metric of ours; build it with METRIC_INNER_PRODUCT, which "
            "is cosine behind a normalisation"
        )
    return "cosine" if parts.normalises else "l2" if kind == faiss.METRIC_L2 else "ip"


def _structure(parts: Unwrapped) -> tuple[IndexSpec, dict[str, np.ndarray]]:
    """Spec and arrays of the index in the middle."""
    import faiss

    inner, name = parts.inner, type(parts.inner).__name__
    # By exact type: an IndexIVFPQR is an IndexIVFPQ, but scores by more than its codes.
    product = type(inner) in (faiss.IndexPQ, faiss.IndexPQFastScan, faiss.IndexIVFPQ, faiss.IndexIVFPQFastScan)
    additive = type(inner) in (faiss.IndexResidualQuantizer, faiss.IndexIVFResidualQuantizer)
    if not product and not additive:
        raise ValueError(
            f"it is a {name}; codebooks are read from IndexPQ, IndexIVFPQ, their FastScan variants, "
            "IndexResidualQuantizer and IndexIVFResidualQuantizer: build one of these"
        )
    if not inner.is_trained:
        raise ValueError(f"its {name} is not trained; call train() and add the items first")
    coarse = _centroids(inner) if hasattr(inner, "nlist") else None
    rotation = parts.rotation
    if product:
        M, nbits = inner.pq.M, _nbits([inner.pq.nbits])
        codebooks = _array(inner.pq.centroids, (M, 2**nbits, inner.pq.dsub))
    else:
        M, nbits = inner.rq.M, _nbits(faiss.vector_to_array(inner.rq.nbits).tolist())
        codebooks = _array(inner.rq.codebooks, (M, 2**nbits, inner.d))
    if parts.repeats is not None:
        _check_repeated(parts, M)
        # <q', c'> of a centroid is the sum over the repetitions.
        coarse = None if coarse is None else coarse.reshape(len(coarse), M, -1).sum(1)
    kind = "RQ" if additive or parts.repeats is not None else "PQ"
    if kind == "RQ" and rotation is not None:
        # x_hat = (C + B_1 + ... + B_M) R': every summand is rotated back by itself.
        codebooks = _rotated(codebooks, rotation.T)
        coarse = None if coarse is None else _rotated(coarse, rotation.T)
        rotation = None
    spec = IndexSpec(kind, M, nbits, nlist=0 if coarse is None else len(coarse), rotated=rotation is not None)
    found = {"rotation": rotation, "coarse": coarse, "codebooks": codebooks}
    return spec, {key: array for key, array in found.items() if array is not None}


def _check_repeated(parts: Unwrapped, M: int) -> None:
    import faiss

    inner, name = parts.inner, type(parts.inner).__name__
    if not hasattr(inner, "pq") or inner.metric_type != faiss.METRIC_INNER_PRODUCT or parts.repeats != M:
        raise ValueError(
            f"it repeats a vector {parts.repeats} times before an {name}; that is an additive index only before a PQ "
            f"by inner product with M={parts.repeats}"
        )


def _nbits(found: list[int]) -> int:
    if len(set(found)) > 1:
        raise ValueError(f"its stages have different numbers of bits ({found}); build it with one number for all")
    if found[0] not in NBITS:
        raise ValueError(f"its codes have nbits={found[0]}; build it with {NBITS.start} to {NBITS.stop - 1}")
    return int(found[0])


def _centroids(inner: Any) -> np.ndarray:
    """What the codes are residuals of: the quantizer's own reconstructions, float32 ``(nlist, dim)``."""
    import faiss

    if not inner.by_residual:
        raise ValueError(
            "its codes are of whole vectors, not of residuals (by_residual=False), which lists of ours never are; "
            "build it with by_residual=True (factory strings: PQ<M>x4fsr in place of PQ<M>x4fs), or without IVF"
        )
    quantizer = faiss.downcast_index(inner.quantizer)
    name = type(quantizer).__name__
    if quantizer.ntotal != inner.nlist:
        raise ValueError(
            f"its coarse quantizer holds {quantizer.ntotal} centroids for nlist={inner.nlist}: it is damaged"
        )
    try:
        return quantizer.reconstruct_n(0, inner.nlist)
    except RuntimeError:
        raise ValueError(f"its coarse quantizer {name} gives no centroids back; build it with IndexFlat") from None


def _array(vector: Any, shape: tuple[int, ...]) -> np.ndarray:
    import faiss

    found = faiss.vector_to_array(vector)
    if found.size != np.prod(shape):
        raise ValueError(f"its codebooks hold {found.size} numbers instead of {np.prod(shape)}: it is damaged")
    return found.reshape(shape).copy()


def _rotated(vectors: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    return (vectors.astype(np.float64) @ matrix).astype(np.float32)
