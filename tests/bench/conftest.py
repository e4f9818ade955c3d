import numpy as np
import pytest

from poeem.bench.problem import Problem, one_per_query


@pytest.fixture
def problem():
    random = np.random.default_rng(0)
    items = random.normal(size=(400, 16)).astype(np.float32)
    answers = random.integers(0, 400, 30)
    queries = (items[answers] + 0.3 * random.normal(size=(30, 16))).astype(np.float32)
    return Problem("toy", items, queries, one_per_query(answers))
