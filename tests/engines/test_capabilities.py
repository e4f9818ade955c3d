from __future__ import annotations

import json

import pytest

from poeem.engines import capabilities
from poeem.engines.capabilities import Capabilities, check_capable
from poeem.spec import IndexSpec


@pytest.mark.parametrize("engine", ["reference", "faiss"])
@pytest.mark.parametrize("metric", ["ip", "l2", "cosine"])
@pytest.mark.parametrize("spec", ["PQ4", "OPQ4,PQ4x5", "IVF8,PQ4x4", "OPQ4,IVF8,PQ4", "RQ3x6", "IVF8,RQ3x6"])
def test_todays_engines_hold_every_spec(engine, metric, spec):
    check_capable(engine, IndexSpec.parse(spec), metric)


@pytest.mark.parametrize(
    ("limits", "spec", "metric", "message"),
    [
        ({"kinds": ("PQ",)}, "RQ4", "ip", "has no RQ quantizer; train PQ"),
        ({"metrics": ("l2",)}, "PQ4", "ip", "does not score by ip; train for l2"),
        ({"residual_metrics": ("l2",)}, "IVF8,PQ4", "ip", "codes no residuals under ip; train without IVF, or for l2"),
        ({"nbits": (4, 8)}, "PQ4x5", "ip", "has no 5-bit codes; train with nbits 4 or 8"),
        ({"lists": False}, "IVF8,PQ4", "ip", "has no inverted lists; train without IVF, or export to faiss"),
        ({"flat": False}, "PQ4", "ip", "has no flat index; train with IVF<nlist>"),
        ({"rotation": False}, "OPQ4,PQ4", "ip", "has no rotation; train without OPQ"),
    ],
)
def test_what_an_engine_lacks_is_refused_with_the_mend(monkeypatch, limits, spec, metric, message):
    monkeypatch.setitem(capabilities.CAPABILITIES, "toy", Capabilities(**limits))
    with pytest.raises(ValueError, match=f"engine 'toy' cannot hold .*: it {message}"):
        check_capable("toy", IndexSpec.parse(spec), metric)


def test_the_table_is_plain_and_complete():
    table = capabilities.capability_table()
    assert set(table) == set(capabilities.CAPABILITIES)
    for row in table.values():
        assert list(row) == list(capabilities.COLUMNS)
    assert table["faiss"]["larger than memory"] is True
    json.dumps(table)
