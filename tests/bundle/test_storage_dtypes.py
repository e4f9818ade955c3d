import numpy as np
import torch

from poeem.bundle.storage_dtypes import as_stored


def test_the_widest_codes_and_lists_keep_their_values():
    codes, lists = as_stored(torch.tensor([[0, 255], [128, 7]]), torch.tensor([0, 2**31 - 1]))
    assert lists is not None
    assert (codes.dtype, lists.dtype) == (np.uint8, np.int32)
    assert codes.tolist() == [[0, 255], [128, 7]]
    assert lists.tolist() == [0, 2**31 - 1]


def test_no_rows_and_no_lists():
    codes, lists = as_stored(torch.zeros(0, 4, dtype=torch.int64), None)
    assert codes.shape == (0, 4)
    assert lists is None
