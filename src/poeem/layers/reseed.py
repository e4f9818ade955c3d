"""Words and centroids that nothing uses any more, moved to where they are of use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from poeem.functional.outside_compile import outside_compile
from poeem.layers.collective import broadcast_, is_first, summed

if TYPE_CHECKING:
    from poeem.layers.embedding_index import EmbeddingIndex
    from poeem.layers.usage import Usage


@outside_compile
@torch.no_grad()
def reseed_dead(
    index: EmbeddingIndex, usage: Usage, y: Tensor, residual: Tensor, codes: Tensor, lists: Tensor | None
) -> None:
    """Move words and centroids without any use to vectors of this step that are served badly; counting starts anew.

    Under DDP use is that of all processes, the vectors are those of the first, and all end with the same index.

    Args:
        index: a ready layer.
        usage: its counts.
        y, residual: float32, ``(n, dim)``: the step's vectors in rotated space, and less their centroids.
        codes: int64, ``(n, M)``.
        lists: int64, ``(n,)``; None for a flat spec.
    """
    dead_words, dead_lists = summed(usage.words) == 0, summed(usage.lists) == 0
    usage.restart()
    if is_first() and len(y):
        generator = torch.Generator().manual_seed(index.seed + index.step)
        index.quantizer.reseed_(dead_words, residual, codes, generator)
        if index.coarse is not None and lists is not None:
            index.coarse.reseed_(dead_lists, y, lists, generator)
    if dead_words.any() or dead_lists.any():
        broadcast_([index.quantizer.codebooks, *(() if index.coarse is None else (index.coarse.directions,))])
