"""The same encoding on Ray Data; ray is large, so the test runs where it is installed."""

from __future__ import annotations

import numpy as np
import pytest

from poeem.training.encode import encode_items
from tests.training.encoding.conftest import read_parts, write_files

ray = pytest.importorskip("ray")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.ray,
    # Ray itself warns, and leaves sockets open.
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture(scope="module", autouse=True)
def cluster():
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
    yield
    ray.shutdown()


def test_ray_writes_the_same_files(world, tmp_path):
    pattern = write_files(tmp_path / "in", world.vectors, [f"x{i}" for i in range(len(world.vectors))])
    encode_items(world.bundle, pattern, tmp_path / "here", rows_a_part=100)
    facts = encode_items(world.bundle, pattern, tmp_path / "ray", rows_a_part=100, ray=True)
    assert facts["parts"] == 9
    for one, other in zip(read_parts(tmp_path / "here"), read_parts(tmp_path / "ray")):
        np.testing.assert_array_equal(one, other)


def test_a_row_that_cannot_be_encoded_is_named(world, tmp_path):
    vectors = world.vectors.copy()
    vectors[300] = np.nan
    pattern = write_files(tmp_path / "in", vectors, None)
    with pytest.raises(ValueError, match=r"items-1.parquet: row 66 holds NaN"):
        encode_items(world.bundle, pattern, tmp_path / "parts", ray=True)
