"""``(..., dim)`` goes in and comes out of every assignment and every decoding."""

from __future__ import annotations

import pytest
import torch

from poeem.functional.additive import decode_additive, encode_additive
from poeem.functional.balanced import assign_balanced
from poeem.functional.coarse import assign_lists
from poeem.functional.pq import assign_codes, decode_codes
from poeem.functional.score_aware import assign_score_aware
from poeem.functional.scores import scores
from poeem.functional.soft_assignment import soft_codewords

GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(24, 6, generator=GENERATOR)
SLICES, SUMS = torch.randn(3, 8, 2, generator=GENERATOR), torch.randn(3, 8, 6, generator=GENERATOR)
CODES = torch.randint(8, (24, 3), generator=GENERATOR)
CASES = {
    "assign_codes": (lambda x: assign_codes(x, SLICES), X),
    "assign_lists": (lambda x: assign_lists(x, SUMS[0]), X),
    "score_aware": (lambda x: assign_score_aware(x, SLICES, 2 * x, eta=3.0), X),
    "balanced": (lambda x: assign_balanced(x, SLICES), X),
    "encode_additive": (lambda x: encode_additive(x, SUMS), X),
    "soft_codewords": (lambda x: soft_codewords(x, SLICES), X),
    "scores": (lambda x: scores(x, SUMS[0], "cosine"), X),
    "decode_codes": (lambda codes: decode_codes(codes, SLICES), CODES),
    "decode_additive": (lambda codes: decode_additive(codes, SUMS), CODES),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("leading", [(2, 12), (2, 3, 4), (0, 5)])
def test_leading_dimensions(name, leading):
    function, rows = CASES[name]
    rows = rows if 0 not in leading else rows[:0]
    flat = function(rows)
    assert torch.equal(function(rows.reshape(*leading, rows.shape[1])), flat.reshape(*leading, *flat.shape[1:]))
