from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poeem.spec import IndexSpec

VALID = [
    ("PQ8", "PQ8", ("PQ", 8, 8, 0, False), 8),
    ("PQ16x4", "PQ16x4", ("PQ", 16, 4, 0, False), 8),
    ("OPQ8,PQ8", "OPQ8,PQ8", ("PQ", 8, 8, 0, True), 8),
    ("IVF64,PQ8", "IVF64,PQ8", ("PQ", 8, 8, 64, False), 8),
    ("OPQ16,IVF256,PQ16x8", "OPQ16,IVF256,PQ16", ("PQ", 16, 8, 256, True), 16),
    ("PQ7x5", "PQ7x5", ("PQ", 7, 5, 0, False), 5),
    ("PQ3x7", "PQ3x7", ("PQ", 3, 7, 0, False), 3),
    ("RQ8", "RQ8x8", ("RQ", 8, 8, 0, False), 8),
    ("IVF64,RQ4x6", "IVF64,RQ4x6", ("RQ", 4, 6, 64, False), 3),
]

REFUSED = [
    ("", "is empty"),
    ("PQ", "is not a factory string"),
    ("PQ0", "is not a factory string"),
    ("PQ-8", "is not a factory string"),
    ("PQ8x3", "nbits (=3) must be a whole number from 4 to 8"),
    ("PQ8x12", "nbits (=12)"),
    ("PQ8,", "is not a factory string"),
    ("PQ8,PQ8", "is not a factory string"),
    ("IVF64", "is not a factory string"),
    ("OPQ8", "is not a factory string"),
    ("IVF64,OPQ8,PQ8", "is not a factory string"),
    ("OPQ8,PQ16", "write 'OPQ16,PQ16'"),
    ("OPQ16,IVF64,PQ8", "write 'OPQ8,IVF64,PQ8'"),
    ("OPQ16_64,PQ16", "give the tower the width you want"),
    ("OPQ8,RQ8", "leave OPQ out"),
    ("PQ8x4fs", "FastScan is an option of the export"),
    ("PQ8x4fsr", "FastScan is an option of the export"),
    ("PQ8np", "drop 'np'"),
    ("opq8,pq8", "write 'OPQ8,PQ8'"),
    ("pq16X4", "write 'PQ16x4'"),
    ("PQ 8", "must not contain spaces"),
    ("PQ8\n", "must not contain spaces"),
    ("IVF64_HNSW32,PQ8", "belong to the export"),
    ("IVF64,Flat", "belong to the export"),
    ("PQ٨", "is not a factory string"),
    ("PQ5000", "M (=5000) must be a whole number from 1 to 4096"),
    ("PQ99999999999999999999", "is not a factory string"),
    ("IVF99999999,PQ8", "nlist (=99999999)"),
]


@pytest.mark.parametrize(("text", "printed", "fields", "size"), VALID)
def test_reads_prints_and_counts_bytes(text, printed, fields, size):
    spec = IndexSpec.parse(text)
    assert (spec.kind, spec.M, spec.nbits, spec.nlist, spec.rotated) == fields
    assert str(spec) == printed
    assert spec.bytes_per_vector == size
    assert IndexSpec.parse(printed) == spec


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_refuses_with_the_mend(text, message):
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        IndexSpec.parse(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [None, 8, b"PQ8", ["PQ8"]])
def test_refuses_what_is_no_string(value):
    with pytest.raises(ValueError, match="must be a string like 'OPQ8,PQ8'"):
        IndexSpec.parse(value)


specs = st.builds(
    lambda kind, M, nbits, nlist, rotated: IndexSpec(kind, M, nbits, nlist, rotated and kind == "PQ"),
    st.sampled_from(["PQ", "RQ"]),
    st.integers(1, 512),
    st.integers(4, 8),
    st.integers(0, 100_000),
    st.booleans(),
)


@given(specs)
def test_every_spec_round_trips(spec):
    assert IndexSpec.parse(str(spec)) == spec
    assert spec.ksub == 2**spec.nbits
    assert 8 * spec.bytes_per_vector - 7 <= spec.M * spec.nbits <= 8 * spec.bytes_per_vector


@given(st.one_of(st.text(), st.text(alphabet="OPQIVFRx,0123456789_ fsnp"), st.from_regex(r"(OPQ\d+,)?(IVF\d+,)?PQ\d+")))
def test_no_string_crashes(text):
    try:
        spec = IndexSpec.parse(text)
    except ValueError as error:
        assert str(error).startswith("index spec '") or str(error).startswith('index spec "')
    else:
        assert IndexSpec.parse(str(spec)) == spec


@pytest.mark.parametrize(("dim", "text", "message"), [(64, "PQ7", "choose M from 1, 2, 4, 8"), (4, "PQ8", "dim=8")])
def test_refuses_a_width_it_cannot_split(dim, text, message):
    with pytest.raises(ValueError, match=message):
        IndexSpec.parse(text).check_dim(dim)


def test_any_width_suits_an_additive_quantizer():
    assert IndexSpec.parse("RQ7").dsub(64) == 64
    assert IndexSpec.parse("PQ8").dsub(64) == 8


@pytest.mark.parametrize("dim", [0, -1, 2.0, True, None])
def test_refuses_what_is_no_width(dim):
    with pytest.raises(ValueError, match="dim"):
        IndexSpec.parse("PQ8").check_dim(dim)
