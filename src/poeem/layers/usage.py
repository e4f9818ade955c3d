"""Usage: counts of the codewords and lists that recent training steps used, and their metrics."""

from __future__ import annotations

import torch
from torch import Tensor

from poeem.functional.compile_guard import compile_guard
from poeem.functional.usage import count_codes, dead_share, imbalance_factor, perplexity


class Usage:
    """Counts of used codewords and lists over the last two windows of training steps.

    They are no buffers: DDP would overwrite the counts of every process by those of the first.

    Args:
        M, ksub, nlist: structure of the index; ``nlist`` is 0 for a flat one.
    """

    def __init__(self, M: int, ksub: int, nlist: int) -> None:
        self.codewords = torch.zeros(M, ksub, dtype=torch.int64)
        self.lists = torch.zeros(nlist, dtype=torch.int64)
        self._last_codewords, self._last_lists = self.codewords, self.lists
        self.batches = 0

    @compile_guard
    def add(self, codes: Tensor, lists: Tensor | None) -> None:
        """Count the codes ``(n, M)`` and lists ``(n,)`` of one batch."""
        self.codewords = self.codewords.to(codes.device) + count_codes(codes, self.codewords.shape[1])
        # Without lists too: the sum over processes needs the device of the codes, and NCCL takes no CPU tensors.
        self.lists = self.lists.to(codes.device)
        if lists is not None:
            self.lists = self.lists + torch.bincount(lists, minlength=len(self.lists))
        self.batches += 1

    def restart(self) -> None:
        """Start a new window. The window before still counts in the metrics."""
        self._last_codewords, self._last_lists = self.codewords, self.lists
        self.codewords, self.lists = torch.zeros_like(self.codewords), torch.zeros_like(self.lists)
        self.batches = 0

    def metrics(self) -> dict[str, float]:
        """Return ``perplexity`` (1 to ksub), ``dead_share`` (0 to 1) and, with lists, ``list_imbalance`` (1 up).
        Without a counted batch they are 0, 1 and 0.
        """
        codewords = self.codewords + self._last_codewords.to(self.codewords.device)
        found = {"perplexity": perplexity(codewords).item(), "dead_share": dead_share(codewords).item()}
        if len(self.lists):
            lists = self.lists + self._last_lists.to(self.lists.device)
            found["list_imbalance"] = imbalance_factor(lists).item()
        return found
