"""Write the arrays of an index and coded items as a bundle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from poeem.layers.additive import AdditiveQuantizer
from poeem.layers.staged_index import StagedIndex

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from poeem.bundle import Bundle


def write_coded(
    layer: StagedIndex,
    ids: Sequence[Any] | np.ndarray,
    codes: np.ndarray,
    lists: np.ndarray | None,
    path: str | Path,
    *,
    columns: Any = None,
    training: dict[str, Any] | None = None,
) -> Bundle:
    """Write items as a bundle whose codes are already known.

    Args:
        layer: ready; its arrays gave the codes.
        ids: ``(n,)`` distinct integers or strings.
        codes: uint8, ``(n, M)``.
        lists: int32, ``(n,)``; None for a flat spec.
        path: folder to write. An older bundle there is replaced completely or not at all.
        columns: optional ``pyarrow.Table`` of n rows stored beside the ids.
        training: optional facts for the manifest, JSON values.
    Returns:
        the bundle, opened.
    Raises:
        ValueError: the parts do not match.
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


def _encoding_facts(layer: StagedIndex) -> dict[str, Any]:
    """How codewords are chosen: no array says it, and rows added later need it."""
    if isinstance(layer.quantizer, AdditiveQuantizer):
        return {"beam": layer.quantizer.beam}
    if layer.quantizer.assignment != "score-aware":
        return {}  # "balanced" is "nearest" outside training
    return {"assignment": layer.quantizer.assignment, "eta": layer.quantizer.eta}
