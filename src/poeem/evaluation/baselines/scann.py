"""ScaNN's anisotropic quantizer: 4-bit words that keep an item's direction better than its remainder."""

from __future__ import annotations

import importlib
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from poeem.evaluation.baselines.baseline import Baseline
from poeem.evaluation.baselines.faiss_build import check_items
from poeem.evaluation.scorers import DecodedScorer, prepared

# What ScaNN's own examples use; under squared L2 there is no direction to prefer.
ANISOTROPIC_THRESHOLD = 0.2
KSUB = 16


def build(
    items: np.ndarray,
    *,
    M: int,
    nbits: int = 8,
    nlist: int = 0,
    nprobe: int | None = None,
    metric: str = "cosine",
    seed: int = 0,
) -> Baseline:
    """ScaNN's ``score_ah`` without a tree and without its re-ordering, two words of 4 bits a byte.

    There are no lists: every item is compared. Scores are of the decoded items; ScaNN itself rounds its look-up tables
    to 8 bits, which changes a score by about a hundredth of the largest one.

    Args:
        items: float, ``(n, dim)``.
        M, nbits: give the bytes, ``M * nbits / 8``.
        nlist, nprobe: taken and left alone, as every baseline is called with them.
        metric: ``"ip"``, ``"l2"`` or ``"cosine"``.
        seed: of the order of the items, which is all that ScaNN's training takes from chance.
    Raises:
        ValueError: scann is not installed, dim is not a multiple of twice the bytes, fewer than 16 items, or vectors
            that are not finite.
    Source:
        Guo, Sun, Lindgren, Geng, Simcha, Chern, Kumar, "Accelerating large-scale inference with anisotropic vector
        quantization", 2020.
    """
    vectors = prepared(items, metric, "items")
    n, dim = vectors.shape
    n_bytes = -(-M * nbits // 8)
    if dim % (2 * n_bytes):
        raise ValueError(
            f"dim (={dim}) must be divisible by twice the bytes (={n_bytes}) for baseline 'scann'; leave it out"
        )
    check_items("scann", n, nbits=4)
    builder = import_scann()
    order = np.random.default_rng(seed).permutation(n)
    shuffled = np.ascontiguousarray(vectors[order])
    width = dim // (2 * n_bytes)
    # A tenth of a second of ScaNN's own log goes to stderr; it has no switch that is read after the import.
    start = time.perf_counter()
    engine = (
        builder(shuffled, min(100, n), "squared_l2" if metric == "l2" else "dot_product")
        .score_ah(width, anisotropic_quantization_threshold=float("nan") if metric == "l2" else ANISOTROPIC_THRESHOLD)
        .set_n_training_threads(1)
        .build()
    )
    seconds = time.perf_counter() - start
    decoded = np.empty_like(vectors)
    decoded[order] = _decoded(engine)
    return Baseline(
        "scann",
        f"AH{2 * n_bytes}x4",
        DecodedScorer(decoded, metric),
        bytes_per_vector=n_bytes,
        build_seconds=seconds,
        index=ScannIndex(engine, order),
    )


class ScannIndex:
    """A searcher of ScaNN behind faiss's call, on one thread.

    Args:
        engine: what its builder built.
        order: the item that every row of it is, ``(n,)``.
    """

    def __init__(self, engine: Any, order: np.ndarray) -> None:
        self.engine = engine
        self.order = order

    def search(self, x: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """``(b, dim)`` -> distances (scores under an inner product) and items, ``(b, k)``, best first."""
        rows, scores = self.engine.search_batched(x, final_num_neighbors=k)
        return scores, self.order[rows]


def import_scann() -> Any:
    """ScaNN's builder.

    Raises:
        ValueError: it is not installed.
    """
    try:
        from scann.scann_ops.py import scann_ops_pybind
    except ImportError as error:
        raise ValueError(
            f"baseline 'scann' needs the package scann ({error}): pip install 'scann>=1.4,<1.5' (on Linux)"
        ) from None
    return scann_ops_pybind.builder


def _decoded(engine: Any) -> np.ndarray:
    """What the codes of a searcher without a tree stand for, ``(n, dim)`` float32, from the files it writes."""
    # Made by protobuf when it is imported, which no type checker can see.
    centers_pb2: Any = importlib.import_module("scann.proto.centers_pb2")

    with tempfile.TemporaryDirectory() as folder:
        engine.serialize(folder)
        books = centers_pb2.CentersForAllSubspaces()
        books.ParseFromString((Path(folder) / "ah_codebook.pb").read_bytes())
        codes = np.load(Path(folder) / "hashed_dataset.npy")
    words = [
        np.array([word.feature_value_float or word.feature_value_double for word in book.center], dtype=np.float32)
        for book in books.subspace_centers
    ]
    return np.concatenate([word[codes[:, number]] for number, word in enumerate(words)], axis=1)
