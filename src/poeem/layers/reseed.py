"""Words and centroids that nothing uses any more, moved to where they are of use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from poeem.functional.compile_guard import compile_guard
from poeem.layers.collective import broadcast_, is_first, summed

if TYPE_CHECKING:
    from poeem.layers.embedding_index import EmbeddingIndex
    from poeem.layers.usage import Usage


@compile_guard
@torch.no_grad()
def reseed_dead(index: EmbeddingIndex, usage: Usage, y: Tensor) -> None:
    """Move words and centroids without any use to vectors of this step that are served badly; counting starts anew.

    Under DDP use is that of all processes, the vectors are those of the first, and all end with the same index. Words
    are written past autograd: a forward before this one may still wait for its backward, and has nothing of dead words.

    Args:
        index: a ready layer in training.
        usage: its counts.
        y: float32, ``(n, dim)``: the step's vectors in rotated space.
    """
    dead_words, dead_lists = summed(usage.codewords) == 0, summed(usage.lists) == 0
    usage.restart()
    if not (dead_words.any() or dead_lists.any()):
        return
    if is_first() and len(y):
        generator = torch.Generator().manual_seed(index.seed + index.step)
        centroid, lists = (None, None) if index.coarse is None else index.coarse(y)
        residual = y if centroid is None else y - centroid
        codes = index.quantizer.assign(residual, index.encoder_codebooks, vectors=y, step=True)
        index.quantizer.reseed_(dead_words, residual, codes, generator)
        if index.coarse is not None and lists is not None:
            index.coarse.reseed_(dead_lists, y, lists, generator)
    broadcast_([index.quantizer.codebooks, *(() if index.coarse is None else (index.coarse.directions,))])
