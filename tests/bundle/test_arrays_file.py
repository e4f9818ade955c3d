"""Rights of arrays: those of all other files, so that a service under another user can read them."""

import os

import numpy as np
import pytest
import torch

from poeem.bundle.arrays_file import write_arrays_file
from poeem.training.weights import save_weights


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_files_have_the_rights_of_the_umask(tmp_path, small_bundle, mask, mode):
    before = os.umask(mask)
    try:
        write_arrays_file({"a": np.zeros(3)}, tmp_path / "a.safetensors")
        save_weights(torch.nn.Linear(2, 2), tmp_path / "w.safetensors")
        small_bundle(tmp_path / "b")
    finally:
        os.umask(before)
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(files) == 5
    assert {file.stat().st_mode & 0o777 for file in files} == {mode}
