"""Make an index layer from the arrays of a bundle or of an engine's index."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, cast

import numpy as np
import torch

from poeem.bundle.centroid_norms import have_equal_norms
from poeem.layers.coarse import CoarseQuantizer
from poeem.layers.embedding_index import EmbeddingIndex
from poeem.metric import Metric
from poeem.spec import IndexSpec


def layer_from_arrays(
    arrays: Mapping[str, np.ndarray],
    *,
    spec: IndexSpec,
    metric: str,
    dim: int,
    exact: bool = False,
    **options: Any,
) -> EmbeddingIndex:
    """Make a layer that starts from given arrays and quantizes at once.

    Args:
        arrays: float32 by name, as a bundle has them: ``rotation``, ``coarse``, ``codebooks``, ``query_adapter``,
            ``encoder_codebooks``; those that the index does not have are left out.
        spec, metric, dim: of the index that the arrays belong to.
        exact: whether the layer holds the arrays bit for bit; then it should not be trained further. Its rotation is
            frozen and each centroid has a norm of its own. Otherwise the rotation is corrected to be orthogonal, and
            centroids of equal norm under ``ip`` and ``cosine`` are held as a new layer holds them, as directions times
            one norm.
        options: of `EmbeddingIndex`, such as ``estimator``, ``rotation`` or ``seed``.
    Returns:
        a layer that is ``ready``. Without ``exact`` its arrays equal the given ones up to float32 rounding.
    Raises:
        ValueError: an option is out of range, or the rotation is not orthogonal.

    >>> books = np.array([[[0.0], [1.0]] * 8] * 2, dtype=np.float32)
    >>> layer = layer_from_arrays({"codebooks": books}, spec=IndexSpec.parse("PQ2x4"), metric="l2", dim=2)
    >>> layer.encode(torch.tensor([[0.9, 0.1]]))
    (tensor([[1, 0]]), None)
    """
    layer = (
        exact_layer(dim, spec, metric=metric, **options)
        if exact
        else EmbeddingIndex(dim, spec, metric=cast(Metric, metric), **options)
    )
    if not exact and "coarse" in arrays and metric != "l2" and not have_equal_norms(arrays["coarse"]):
        layer.coarse = CoarseQuantizer(spec.nlist, dim, equal_norm=False)
    set_arrays(layer, arrays, exact=exact)
    return layer


class Trained(Protocol):
    """Arrays of an index with its structure: a `Bundle`, or the contents that `from_faiss` reads."""

    @property
    def arrays(self) -> Mapping[str, np.ndarray]: ...
    @property
    def spec(self) -> IndexSpec: ...
    @property
    def metric(self) -> str: ...
    @property
    def dim(self) -> int: ...


def index_from(source: Trained, **options: Any) -> EmbeddingIndex:
    """Make an `EmbeddingIndex` from the arrays of a bundle or of a faiss index. It quantizes at once.

    Args:
        source: from `poeem.open` or `poeem.from_faiss`; only its arrays and structure are used, not its items.
        options: of `layer_from_arrays` and `EmbeddingIndex`, such as ``estimator``, ``rotation`` or ``seed``.
    Returns:
        a layer that is ``ready``.
    """
    return layer_from_arrays(source.arrays, spec=source.spec, metric=source.metric, dim=source.dim, **options)


def exact_layer(dim: int, spec: IndexSpec, *, metric: str, **options: Any) -> EmbeddingIndex:
    """Make a layer that can hold arrays bit for bit: its rotation is frozen, and each centroid has a norm of its own.

    Args:
        dim, spec, metric: of the index.
        options: of `EmbeddingIndex`.
    Returns:
        a layer before its warm start; `set_arrays` gives it the arrays.
    """
    layer = EmbeddingIndex(dim, spec, metric=cast(Metric, metric), **{**options, "rotation": "frozen"})
    if spec.nlist:
        layer.coarse = CoarseQuantizer(spec.nlist, dim, equal_norm=False)
    return layer


def set_arrays(layer: EmbeddingIndex, arrays: Mapping[str, np.ndarray], *, exact: bool = False) -> None:
    """Replace the arrays of a layer; it quantizes by them from now on. Its step is 0 again, and its counts of usage are
    empty.

    Args:
        layer: of the same structure as the arrays.
        arrays: as for `layer_from_arrays`. Without ``query_adapter`` or ``encoder_codebooks`` the layer keeps its own.
        exact: whether the layer was made by `exact_layer`, so that the rotation is copied bit for bit.
    """
    if layer.rotation is not None:
        layer.rotation.set_(torch.tensor(arrays["rotation"]))
    if layer.coarse is not None:
        layer.coarse.set_(torch.tensor(arrays["coarse"]))
    layer.quantizer.set_(torch.tensor(arrays["codebooks"]))
    places = {"query_adapter": "query_adapter", "encoder_codebooks": "encoder_codebooks"}
    if exact:
        places["rotation"] = "rotation.base"
    carried = {place: torch.tensor(arrays[name]) for name, place in places.items() if name in arrays}
    layer.load_state_dict({**layer.state_dict(), **carried})
    layer.phase.set_(step=0, ready=True)
    layer.phase.usage.restart()
