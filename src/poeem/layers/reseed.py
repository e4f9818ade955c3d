"""Reseeding: codewords and centroids that no vector uses move to vectors with a large error."""

from __future__ import annotations

import torch
from torch import Tensor

from poeem.functional.compile_guard import compile_guard
from poeem.layers.collective import broadcast_, is_first, summed
from poeem.layers.staged_index import StagedIndex


@compile_guard
@torch.no_grad()
def reseed_dead(index: StagedIndex, y: Tensor, *, seed: int) -> None:
    """Move codewords and centroids that no vector uses to vectors of this step with a large error, then restart the
    counts.

    Under DDP the counts of all processes are summed, the vectors come from the first process, and all end with the same
    index. Codewords are changed outside autograd: a forward pass before this one may still wait for its backward pass,
    but has no unused codeword in its graph. If the first process has no vectors in this step, nothing moves.

    Args:
        index: a ready layer in training.
        y: float32, ``(n, dim)``: the step's vectors in rotated space.
        seed: chooses the vectors.
    """
    usage = index.phase.usage
    dead_codewords, dead_lists = summed(usage.codewords) == 0, summed(usage.lists) == 0
    usage.restart()
    if not (dead_codewords.any() or dead_lists.any()):
        return
    if is_first() and len(y):
        generator = torch.Generator().manual_seed(seed)
        centroid, lists = (None, None) if index.coarse is None else index.coarse(y)
        residual = y if centroid is None else y - centroid
        codes = index.quantizer.assign(residual, index.encoder_codebooks, vectors=y, step=True)
        index.quantizer.reseed_(dead_codewords, residual, codes, generator)
        if index.coarse is not None and lists is not None:
            index.coarse.reseed_(dead_lists, y, lists, generator)
    broadcast_([index.quantizer.codebooks, *(() if index.coarse is None else (index.coarse.directions,))])
