"""Nearest codewords: the one assignment by L2 of training, encoding and writing bundles."""

from __future__ import annotations

import torch
from torch import Tensor

from poeem.functional.compile_guard import compile_guard, is_exporting
from poeem.functional.threads import for_spans

# Scores of one block of rows against one set of codewords: 1 MiB, which stays in a core's second-level cache.
_BLOCK_SCORES = 2**18
# Rows a thread takes at a time; with fewer than two such spans a thread's start costs more than it saves.
_ROWS_PER_THREAD = 8192


@compile_guard
@torch.no_grad()
def assign_nearest(x: Tensor, codewords: Tensor) -> Tensor:
    """Find the nearest codeword of every slice, by squared L2: ``argmin_k ‖x_m - w_mk‖²``. No gradient flows through
    it.

    Args:
        x: float32, ``(n, M, dsub)``; any strides.
        codewords: float32, ``(M, K, dsub)``, on the device of ``x``.
    Returns:
        int64 codes in ``[0, K)``, ``(n, M)``; ties go to the lowest number.

    >>> codewords = torch.tensor([[[0.0], [1.0]], [[0.0], [1.0]]])  # M=2, K=2, dsub=1
    >>> assign_nearest(torch.tensor([[[0.9], [0.1]]]), codewords)
    tensor([[1, 0]])
    """
    # ‖x - w‖² = ‖x‖² - 2 (x.w - ‖w‖²/2), and ‖x‖² does not change the argmin. Subtracting the mean of the codewords
    # from both changes no distance, and float32 does not cancel where the vectors lie far from the origin.
    centre = codewords.mean(1)
    centred = codewords - centre[:, None]
    # [x, 1] . [w, -‖w‖²/2]: the product itself carries the norm, so the scores are written once and read once.
    columns = torch.cat([centred.mT, -centred.square().sum(-1)[:, None] / 2], dim=1)
    if is_exporting():
        # Blocks of rows and numpy's argmax do not go into a graph.
        return torch.baddbmm(columns[:, -1:], (x - centre).transpose(0, 1), columns[:, :-1]).argmax(-1).T
    if x.device.type != "cpu":
        return _nearest_on_device(x - centre, columns)
    found = torch.empty(x.shape[1], x.shape[0], dtype=torch.int64)
    for_spans(
        lambda span: _nearest_on_cpu(x[span], centre, columns, found[:, span]),
        x.shape[0],
        span=_ROWS_PER_THREAD,
        device=x.device,
    )
    return found.T


@torch.no_grad()
def _nearest_on_cpu(x: Tensor, centre: Tensor, columns: Tensor, found: Tensor) -> None:
    """Write the nearest codewords of ``x`` into ``found`` ``(M, n)``, a cache-sized block at a time."""
    M, width, K = columns.shape
    blocks = -(-x.shape[0] * K // _BLOCK_SCORES)
    rows = max(16, -(-x.shape[0] // max(1, blocks)))
    scores, block = torch.empty(rows, K), torch.ones(M, rows, width)
    tables, numbers = columns.unbind(0), found.numpy()
    for start in range(0, x.shape[0], rows):
        part = x[start : start + rows]
        size = part.shape[0]
        torch.sub(part.transpose(0, 1), centre[:, None], out=block[:, :size, :-1])
        out = scores[:size]
        # Views are made once per block: M slices would take as long as the products.
        values, places = out.numpy(), numbers[:, start : start + size]
        for m, slices in enumerate(block[:, :size].unbind(0)):
            torch.mm(slices, tables[m], out=out)
            # numpy's argmax over a short row is vectorised and several times as fast as torch's.
            values.argmax(1, out=places[m])


def _nearest_on_device(x: Tensor, columns: Tensor) -> Tensor:
    """The same by batched products, for devices that are faster with few large calls."""
    M, _, K = columns.shape
    rows = max(1, 2**26 // (M * K))
    parts = [
        torch.baddbmm(columns[:, -1:], part.transpose(0, 1), columns[:, :-1]).argmax(-1).T for part in x.split(rows)
    ]
    return torch.cat(parts) if parts else torch.empty(0, M, dtype=torch.int64, device=x.device)
