from __future__ import annotations

import pytest
import torch

from poeem.functional.threads import for_spans

CPU = torch.device("cpu")


@pytest.fixture(params=[1, 2])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_every_row_is_worked_off_once(threads):
    seen = torch.zeros(1001, dtype=torch.int64)

    def work(part):
        seen[part] += 1

    for_spans(work, len(seen), span=10, device=CPU)
    assert (seen == 1).all()


def test_work_runs_its_products_alone_and_the_setting_comes_back(threads):
    counts = []
    for_spans(lambda part: counts.append(torch.get_num_threads()), 100, span=10, device=CPU)
    assert set(counts) == {1}
    assert torch.get_num_threads() == threads


def test_an_error_of_a_thread_is_raised(threads):
    def work(part):
        if part.start == 50:
            raise ValueError("row 50")

    with pytest.raises(ValueError, match="row 50"):
        for_spans(work, 100, span=10, device=CPU)
    assert torch.get_num_threads() == threads
