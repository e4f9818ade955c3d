import numpy as np
import pytest

from poeem.baselines import BASELINES, check_baselines, evaluate_baselines
from poeem.data.ragged import Ragged
from poeem.data.split import Queries
from poeem.evaluation.metrics import METRICS
from poeem.spec import IndexSpec


def test_every_baseline_at_the_bytes_of_the_spec():
    random = np.random.default_rng(0)
    items, vectors = random.normal(size=(400, 16)), random.normal(size=(20, 16))
    one = np.arange(21)
    nearest = (vectors @ items.T).argmax(1)
    queries = Queries(np.arange(20), Ragged(one, (nearest + 1) % 400), Ragged(one, nearest))
    spec = IndexSpec.parse("OPQ4,IVF4,PQ4x6")
    # 3 bytes are 6 codes of 4 bits, which do not divide 16 dimensions, and 24 bits, more than the dimensions of itq.
    names = [name for name in BASELINES if name not in ("scann", "opq-fastscan", "itq")]
    blocks = evaluate_baselines(names, items, spec, "ip", queries, vectors, nprobe=2, seed=0)
    assert list(blocks) == names
    own_bytes = {"rabitq": 10, "binary": 2, "sq8": 16}
    for name, block in blocks.items():
        assert set(block) == {*METRICS, "scanned", "queries", "intervals"}
        assert (block["scanned"] == 1.0) == (name in ("lsh", "binary"))
        assert block["bytes_per_vector"] == own_bytes.get(name, spec.bytes_per_vector)
        assert 0 < block["recall@100"] <= 1


def test_unknown_and_repeated_names_are_refused():
    for names in (["pq", "pqq"], ["pq", "pq"]):
        with pytest.raises(
            ValueError, match=r"baselines \(=pq,pqq?\) must be different ones of pq, opq, rq, rq-refined, lsq, scann"
        ):
            check_baselines(names)
