"""ScaNN's anisotropic quantizer: 4-bit codes with small errors along the items."""

from __future__ import annotations

import importlib
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from poeem.baselines.baseline import Baseline, BuildOptions
from poeem.baselines.faiss_build import check_items
from poeem.engines.scann.assets import CENTROIDS, CODEBOOKS, CODES, LISTS
from poeem.evaluation.scorers import DecodedScorer, prepared

# The value of ScaNN's own examples; under squared L2 no direction is preferred.
ANISOTROPIC_THRESHOLD = 0.2
RESIDUALS = "use_residual_quantization: {}"


def build(items: np.ndarray, options: BuildOptions) -> Baseline:
    """Build ScaNN's ``score_ah`` index, with two 4-bit codes per byte, behind its own ``tree`` if there are lists.

    Behind the tree vectors are coded, not residuals. Its builder codes residuals under inner products and has no option
    for that, but then it finds less (Debian descriptions, 16 bytes, 64 of 256 leaves: recall@100 .628 against .746).

    Scores are those of the decoded items. ScaNN itself rounds its look-up tables to 8 bits, which changes a score by
    about a hundredth of the largest one. ``index.rescored(depth)`` is the same index with ScaNN's own re-ordering by
    floats.

    Args:
        items: float, ``(n, dim)``.
        options: bytes, metric, leaves of the tree (``nlist``; 0: no tree), and the seed of the order of the items, the
            only random part of ScaNN's training.
    Returns:
        the baseline.
    Raises:
        ValueError: scann is not installed, dim is not a multiple of twice the bytes, fewer than 16 items, or vectors
            that are not finite.
    Source:
        Guo, Sun, Lindgren, Geng, Simcha, Chern, Kumar, "Accelerating large-scale inference with anisotropic vector
        quantization", 2020.
    """
    metric, nlist, n_bytes = options.metric, options.nlist, options.n_bytes
    vectors = prepared(items, metric, "items")
    n, dim = vectors.shape
    if dim % (2 * n_bytes):
        raise ValueError(
            f"dim (={dim}) must be divisible by twice the bytes (={n_bytes}) for baseline 'scann'; leave it out"
        )
    check_items("scann", n, nbits=4, nlist=nlist)
    library, searcher = import_scann()
    order = np.random.default_rng(options.seed).permutation(n)
    shuffled = np.ascontiguousarray(vectors[order])

    def make(reorder: bool) -> Any:
        builder = library(shuffled, min(100, n), "squared_l2" if metric == "l2" else "dot_product")
        if nlist:
            # The default minimum of items per leaf, or less where there are few items.
            fewest = max(1, min(50, n // (4 * nlist)))
            builder = builder.tree(nlist, options.nprobe or nlist, training_sample_size=n, min_partition_size=fewest)
        threshold = float("nan") if metric == "l2" else ANISOTROPIC_THRESHOLD
        builder = builder.score_ah(dim // (2 * n_bytes), anisotropic_quantization_threshold=threshold)
        builder = builder.reorder(min(100, n)) if reorder else builder
        config = builder.create_config().replace(RESIDUALS.format(True), RESIDUALS.format(False))
        return searcher(shuffled, config, 1)

    # ScaNN logs to stderr here; it reads no switch for that after the import.
    start = time.perf_counter()
    engine = make(reorder=False)
    seconds = time.perf_counter() - start
    rows, coarse, lists = _decoded(engine)
    decoded = np.empty_like(vectors)
    decoded[order] = rows
    if lists is not None:
        lists[order] = lists.copy()
    index = ScannIndex(engine, order, make)
    if coarse is not None:
        index.nprobe = options.nprobe or len(coarse)
    return Baseline(
        "scann",
        f"{f'tree{len(coarse)},' if coarse is not None else ''}AH{2 * n_bytes}x4",
        DecodedScorer(decoded, metric, coarse=coarse, lists=lists, nprobe=options.nprobe),
        bytes_per_vector=n_bytes,
        build_seconds=seconds,
        index=index,
    )


class ScannIndex:
    """A searcher of ScaNN behind faiss's call, on one thread.

    Args:
        engine: built by ScaNN.
        order: the item of each of its rows, ``(n,)``.
        make: builds the same engine with the float vectors for re-ordering; called when they are needed.
        depth: number of candidates that are re-ordered; 0: none.
    """

    def __init__(self, engine: Any, order: np.ndarray, make: Callable[[bool], Any], depth: int = 0) -> None:
        self.engine = engine
        self.order = order
        self.nprobe = 0
        self._make, self._depth = make, depth
        self._reordering: Any = None

    def search(self, x: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Search for queries ``(b, dim)``.

        Returns:
            distances (scores under an inner product) and items, both ``(b, k)``, best first; item -1 where the leaves
            hold fewer than k.
        """
        options = {"leaves_to_search": self.nprobe} if self.nprobe else {}
        if self._depth:
            options["pre_reorder_num_neighbors"] = self._depth
        rows, scores = self.engine.search_batched(x, final_num_neighbors=min(k, self._depth or k), **options)
        # After the last result ScaNN returns item 0 and NaN.
        return scores, np.where(np.isnan(scores), -1, self.order[rows])

    def rescored(self, depth: int) -> ScannIndex:
        """Return the same index, whose ``depth`` best items of each query ScaNN itself re-orders by float vectors."""
        if self._reordering is None:
            self._reordering = self._make(True)
        found = ScannIndex(self._reordering, self.order, self._make, depth)
        found.nprobe = self.nprobe
        return found


def import_scann() -> tuple[Any, Any]:
    """Import ScaNN: its builder, and its function that makes a searcher from rows, configuration and number of threads.

    Raises:
        ValueError: ScaNN is not installed.
    """
    try:
        from scann.scann_ops.py import scann_ops_pybind
    except ImportError as error:
        raise ValueError(
            f"baseline 'scann' needs the package scann ({error}): pip install 'scann>=1.4,<1.5' (on Linux)"
        ) from None
    return scann_ops_pybind.builder, scann_ops_pybind.create_searcher


def _decoded(engine: Any) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Decoded items, ``(n, dim)`` float32, centroids and lists, all from the files that the engine writes.

    Args:
        engine: a searcher, with a tree of one level or none.
    """
    # Created by protobuf at import, which no type checker can see.
    centers_pb2: Any = importlib.import_module("scann.proto.centers_pb2")
    partitioner_pb2: Any = importlib.import_module("scann.partitioning.partitioner_pb2")

    coarse = lists = None
    with tempfile.TemporaryDirectory() as folder:
        engine.serialize(folder)
        books = centers_pb2.CentersForAllSubspaces()
        books.ParseFromString((Path(folder) / CODEBOOKS).read_bytes())
        codes = np.load(Path(folder) / CODES)
        if (Path(folder) / LISTS).exists():
            tree = partitioner_pb2.SerializedPartitioner()
            tree.ParseFromString((Path(folder) / CENTROIDS).read_bytes())
            root = tree.kmeans.kmeans_tree.root
            coarse = np.empty((len(root.centers), len(root.centers[0].dimension)), np.float32)
            for center, leaf in zip(root.centers, root.children):
                coarse[leaf.leaf_id] = center.dimension
            lists = np.load(Path(folder) / LISTS).astype(np.int64)
    codebooks = [
        np.array([one.feature_value_float or one.feature_value_double for one in book.center], dtype=np.float32)
        for book in books.subspace_centers
    ]
    return np.concatenate([book[codes[:, m]] for m, book in enumerate(codebooks)], axis=1), coarse, lists
