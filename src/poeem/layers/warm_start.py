"""The warm start: vectors of all processes are collected, and the first process fits an index to them."""

from __future__ import annotations

import torch
from torch import Tensor

from poeem.functional.decomposition import Decomposition, decompose
from poeem.layers.collective import broadcast_, gathered, is_first, summed
from poeem.spec import IndexSpec

# Rows beyond which a fit gains nothing: 256 per codeword or centroid (faiss's own rule), and some for the rotation.
_ROWS_PER_CODEWORD = 256
_FEWEST_KEPT = 2**15


class RowBuffer:
    """Vectors that are collected for the warm start, up to a number of rows.

    Args:
        dim: width of the rows.
        capacity: rows to collect over all processes; no process keeps more.
        rows: the first rows, from a checkpoint.
    """

    def __init__(self, dim: int, capacity: int, rows: Tensor | None = None) -> None:
        self.capacity = capacity
        self._parts = [torch.empty(0, dim) if rows is None else rows]
        self._count = len(self._parts[0])

    def add(self, x: Tensor) -> None:
        """Copy rows ``(n, dim)`` into the buffer, until it is full; further rows are dropped."""
        self._parts = [part.to(x.device) for part in self._parts] + [x[: self.capacity - self._count].clone()]
        self._count += len(self._parts[-1])

    def full(self) -> bool:
        """Return whether all processes together hold ``capacity`` rows. Every process gets the same answer."""
        return int(summed(torch.tensor(self._count, device=self._parts[0].device))) >= self.capacity

    def rows(self) -> Tensor:
        """Return the rows of this process, ``(n, dim)``."""
        self._parts = [torch.cat(self._parts)]
        return self._parts[0]


def fit_sample(sample: Tensor, spec: IndexSpec, *, equal_norm: bool, seed: int) -> Decomposition:
    """Fit the arrays of an index to the samples of all processes together, or to a random part of very large samples.

    Args:
        sample: float32, ``(n, dim)``, the rows of this process.
        spec: the structure.
        equal_norm: whether the centroids are scaled to one length.
        seed: of the k-means.
    Returns:
        the arrays, the same on every process.
    Raises:
        ValueError: all shares together have fewer rows than the spec has codewords or lists.
    """
    sample = gathered(sample)
    needed = max(spec.ksub, spec.nlist)
    if len(sample) < needed:
        raise ValueError(
            f"sample (={len(sample)} rows) must have at least {needed} rows to warm-start {str(spec)!r}; give more "
            "rows, or choose fewer nbits or lists"
        )
    device, dim = sample.device, sample.shape[1]
    if is_first():
        # On the CPU whatever the device of the model: it happens once, and gives the same result on every machine.
        generator = torch.Generator().manual_seed(seed)
        kept = torch.randperm(len(sample), generator=generator)[: max(_FEWEST_KEPT, _ROWS_PER_CODEWORD * needed)]
        found = decompose(
            sample[kept.to(device)].cpu(),
            kind=spec.kind,
            M=spec.M,
            ksub=spec.ksub,
            nlist=spec.nlist,
            rotated=spec.rotated,
            equal_norm=equal_norm,
            generator=generator,
        )
    else:
        found = Decomposition(
            torch.empty(dim, dim) if spec.rotated else None,
            torch.empty(spec.nlist, dim) if spec.nlist else None,
            torch.empty(spec.M, spec.ksub, spec.dsub(dim)),
        )
    rotation, coarse, codebooks = (None if array is None else array.contiguous().to(device) for array in found)
    broadcast_([array for array in (rotation, coarse, codebooks) if array is not None])
    assert codebooks is not None
    return Decomposition(rotation, coarse, codebooks)
