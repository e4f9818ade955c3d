"""A layer and coded items as a bundle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from poeem.layers.additive import AdditiveQuantizer

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from poeem.bundle import Bundle
    from poeem.layers.embedding_index import EmbeddingIndex


def write_coded(
    layer: EmbeddingIndex,
    ids: Sequence[Any] | np.ndarray,
    codes: np.ndarray,
    lists: np.ndarray | None,
    path: str | Path,
    *,
    columns: Any = None,
    training: dict[str, Any] | None = None,
) -> Bundle:
    """Write items whose codes are known, as `EmbeddingIndex.bundle` does with those it finds.

    Args:
        layer: whose arrays the codes are of; ready.
        ids: ``(n,)`` distinct integers or strings.
        codes, lists: of `as_stored`: ``(n, M)``, and ``(n,)`` or None for a flat spec.
        path: folder to write; an older bundle there is replaced at once or not at all.
        columns: optional ``pyarrow.Table`` of n rows stored beside the ids.
        training: optional facts for the manifest, JSON-able.
    Raises:
        ValueError: something does not fit together.
    """
    from poeem.bundle import write_bundle

    return write_bundle(
        path,
        spec=layer.spec,
        metric=layer.metric,
        dim=layer.dim,
        arrays=layer.arrays(),
        ids=ids,
        codes=codes,
        lists=lists,
        columns=columns,
        training={**_encoding_facts(layer), **(training or {})},
    )


def _encoding_facts(layer: EmbeddingIndex) -> dict[str, Any]:
    """How words are chosen where it is a choice: no array says it, and rows added later need it."""
    if isinstance(layer.quantizer, AdditiveQuantizer):
        return {"beam": layer.quantizer.beam}
    if layer.quantizer.assignment != "score-aware":
        return {}  # "balanced" is "nearest" outside training
    return {"assignment": layer.quantizer.assignment, "eta": layer.quantizer.eta}
