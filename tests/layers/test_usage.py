from __future__ import annotations

import torch

from poeem.layers.usage import Usage


def test_a_window_counts_with_the_one_before_it(device):
    usage = Usage(M=1, ksub=4, nlist=2)
    usage.add(torch.tensor([[0], [1]], device=device), torch.tensor([0, 0], device=device))
    usage.restart()
    assert usage.codewords.sum() == 0
    usage.add(torch.tensor([[2], [3]], device=device), torch.tensor([1, 1], device=device))
    assert usage.codewords.tolist() == [[0, 0, 1, 1]]
    found = usage.metrics()
    assert (round(found["perplexity"], 4), found["dead_share"], found["list_imbalance"]) == (4, 0, 1)


def test_counts_are_where_the_codes_are_with_and_without_lists(device):
    for nlist in (0, 2):
        usage = Usage(M=1, ksub=4, nlist=nlist)
        usage.add(torch.zeros(3, 1, dtype=torch.int64, device=device), None)
        assert usage.codewords.device.type == usage.lists.device.type == device.type
        assert len(usage.lists) == nlist
