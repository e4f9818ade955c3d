"""The plan: sums by hand, what must grow with what, and what cannot be reached."""

from __future__ import annotations

import dataclasses
import json
import math
import random

import pytest

from benchmarks.read import Results
from poeem.cli.main import main
from poeem.plan.measured import MEASURED
from poeem.plan.model import default_nlist, index_bytes, make_plan, search_time, waiting_p99
from poeem.plan.needs import Assumptions, Needs

NEEDS, ASSUMED = Needs(rows="1e8", bytes=16, dim=64, qps=5000, p99_ms=20), Assumptions()


def three_digits(value):
    return float(f"{value:.3g}")


def test_the_figures_are_those_of_the_benchmark():
    rows = Results().runs("plan_figures")[0]["rows"]
    for bits, names in ((8, ("PQ8", "PQ16")), (4, ("PQ16x4", "PQ32x4"))):
        small, large = (rows[name] for name in names)
        scan = MEASURED["scan"][bits]
        for name in ("us_per_list", "ns_per_code"):
            assert scan[name] == {8: three_digits(small[name]), 16: three_digits(large[name])}
        for name in ("us_per_query", "ns_per_centroid_value"):
            assert scan[name] == three_digits(max(small[name], large[name]))
        for kind in ("memory", "file"):
            for name, size in zip(names, (8, 16)):
                # 1,000,000 rows of code and id, 8,192 centroids of 64 floats; the rest is shared by the lists.
                rest = (rows[name][f"{kind}_bytes_per_row"] - size - 8) * 1e6 / 8192 - 256
                assert MEASURED[f"{kind}_bytes_per_list"][bits][size] == three_digits(rest)
    encode = MEASURED["encode"]
    assert encode["coarse_ns_per_value"] == three_digits(rows["encode"]["coarse_ns_per_value"])
    assert encode["code_ns_per_row"][16] == three_digits(rows["encode"]["code_ns_per_row_M16"])
    assert MEASURED["hnsw_us"] == three_digits(rows["centroids"]["hnsw_us_65536"])
    merge = Results().runs("bulk")[0]["rows"]["merge into one faiss index"]
    assert MEASURED["merge_ns_per_row"] == three_digits(1e9 * merge["seconds"] / merge["rows"])


def test_predictions_hold_for_indexes_that_were_not_fitted():
    record = Results().runs("plan_figures")[0]
    even = Assumptions(imbalance=1.0)
    for name, rows in (("check, the same rows, PQ16", "rows"), ("check, more rows, PQ16", "check_rows")):
        check, n = record["rows"][name], record["settings"][rows]
        for nprobe, measured in check["ms"].items():
            time = search_time(n, check["nlist"], int(nprobe), NEEDS, even)
            assert 0.5 < (time.fixed + time.scan) / measured < 2
        for kind in ("memory", "file"):
            predicted = index_bytes(n, check["nlist"], NEEDS, even, kind)
            assert 0.8 < predicted / (n * check[f"{kind}_bytes_per_row"]) < 1.25


def test_sums_by_hand():
    plan = make_plan(10**8, NEEDS, ASSUMED)
    nlist = 32768
    assert plan.nlist == nlist == default_nlist(1e8)
    assert plan.scanned == pytest.approx(1e8 / nlist * 64 * 1.3)
    graph = 2 * 32 * 4 * 1.25
    memory = 1e8 * 24 + nlist * (256 + graph + MEASURED["memory_bytes_per_list"][8][16])
    assert plan.memory_gb == pytest.approx(memory / 1e9)
    scan = MEASURED["scan"][8]
    core = scan["us_per_query"] + MEASURED["hnsw_us"] + 64 * max(scan["us_per_list"].values())
    core += plan.scanned * max(scan["ns_per_code"].values()) / 1e3
    if plan.threads == 1:
        assert plan.search_ms == pytest.approx(core / 1e3)
    assert plan.shards == math.ceil(memory / (64e9 * 0.8))
    assert plan.copies == max(2, math.ceil(5000 * plan.search_ms / plan.shards / 1e3 / (16 * 0.6)))
    assert plan.machines == plan.shards * plan.copies
    assert plan.cost_a_month == pytest.approx(plan.machines * 0.8 * 730)
    assert plan.p99_ms <= 20


def test_more_of_anything_never_takes_fewer_machines():
    rng = random.Random(0)
    for _ in range(60):
        rows = int(10 ** rng.uniform(5, 10))
        needs = dataclasses.replace(NEEDS, bytes=rng.choice((8, 16, 32)), qps=10 ** rng.uniform(0, 5), p99_ms=30)
        assumed = dataclasses.replace(ASSUMED, nprobe=rng.choice((8, 32)), bits=rng.choice((4, 8)))
        plan = make_plan(rows, needs, assumed)
        assert plan.p99_ms <= needs.p99_ms
        assert plan.copies * plan.shards == plan.machines
        more = make_plan(rows, dataclasses.replace(needs, qps=needs.qps * 3), assumed)
        assert more.machines >= plan.machines
        assert make_plan(rows, needs, dataclasses.replace(assumed, copies=5)).machines >= plan.machines
        half = make_plan(rows, needs, dataclasses.replace(assumed, memory_gb=32))
        assert half.shards >= plan.shards
        # Each copy can do its share of the work.
        load = needs.qps / plan.copies * plan.search_ms / plan.shards / 1e3 / assumed.cores
        assert load <= assumed.utilisation + 1e-9


def test_less_time_takes_more_threads_or_machines():
    slow, fast = (make_plan(10**9, dataclasses.replace(NEEDS, p99_ms=ms), ASSUMED) for ms in (200, 6))
    assert slow.threads == 1
    assert fast.threads * fast.shards > slow.threads * slow.shards
    assert fast.p99_ms <= 6


def test_waiting_grows_with_the_load_and_falls_with_the_servers():
    loads = [waiting_p99(1.0, 4, load) for load in (0.1, 0.5, 0.7, 0.9, 0.99)]
    assert loads == sorted(loads)
    assert loads[-1] > 10 * loads[1]
    servers = [waiting_p99(1.0, number, 0.9) for number in (1, 4, 16, 64)]
    assert servers == sorted(servers, reverse=True)


def test_waiting_against_a_simulation():
    # M/D/4 at 80 % load: the 99th percentile of the wait over 200,000 queries.
    rng, servers, clock, waits = random.Random(0), [0.0] * 4, 0.0, []
    for _ in range(200_000):
        clock += rng.expovariate(0.8 * 4)
        first = min(range(4), key=servers.__getitem__)
        waits.append(max(0.0, servers[first] - clock))
        servers[first] = max(clock, servers[first]) + 1.0
    simulated = sorted(waits)[int(0.99 * len(waits))]
    assert waiting_p99(1.0, 4, 0.8) == pytest.approx(simulated, rel=0.25)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--rows", "x"], "--rows (='x') must be numbers from 1000"),
        (["--rows", "10"], "--rows (='10') must be numbers from 1000"),
        (["--p99-ms", "1"], "--p99-ms (=1) cannot be reached with 1,000,000 rows"),
        (["--bytes", "0"], "--bytes (=0) must be above 0"),
        (["--utilisation", "1.2"], "--utilisation (=1.2) must be above 0 and at most 1"),
        (["--bits", "5"], "--bits (=5) must be 8, or 4"),
        (["--rows", "1e9", "--nlist", "500000000"], "the centroids alone take"),
    ],
)
def test_what_cannot_be_planned_is_one_line(options, message, capsys):
    assert main(["plan", *options]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_the_command(capsys):
    assert main(["plan", "--rows", "1e6,1e9", "--bytes", "16", "--qps", "5000", "--p99-ms", "20"]) == 0
    printed = capsys.readouterr().out
    assert "1,000,000,000 rows" in printed
    assert "--imbalance" in printed
    assert main(["plan", "--rows", "1e6", "--json", "--copies", "3"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["assumptions"]["copies"] == 3
    assert found["plans"][0]["copies"] >= 3
