"""The table of the benchmark's methods, by name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from poeem.baselines import build_baseline
from poeem.baselines.baseline import Baseline
from poeem.bench.exact import build_exact
from poeem.bench.fit_methods import FIT_METHODS
from poeem.bench.method import Method
from poeem.bench.problem import Problem
from poeem.bench.run_problem import build_joint


def _baseline(name: str, **requirements: Any) -> Method:
    def build(problem: Problem, *, n_bytes: int, nlist: int, metric: str, seed: int) -> Baseline:
        return build_baseline(name, problem.items, M=n_bytes, nbits=8, nlist=nlist, metric=metric, seed=seed)

    return Method(name, build, **requirements)


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method("float", build_exact, own_bytes=True, seeded=False),
        _baseline("pq", divides=1),
        _baseline("opq", divides=1),
        _baseline("rq"),
        _baseline("rq-refined"),
        _baseline("lsq"),
        _baseline("scann", divides=2, package="scann"),
        _baseline("opq-fastscan", divides=2),
        _baseline("truncate-pq"),
        _baseline("lsh"),
        _baseline("rabitq", own_bytes=True),
        _baseline("binary", own_bytes=True, seeded=False),
        _baseline("sq8", own_bytes=True, seeded=False),
        *FIT_METHODS,
        # The indexes of the problem's runs.
        Method("joint", build_joint, seeded=False, trained=True, ours=True),
    )
}


def check_methods(names: Iterable[str]) -> list[Method]:
    """Return the methods of these names, with exact float search (``float``) first in any case.

    Raises:
        ValueError: a name is unknown, or given twice.

    >>> [method.name for method in check_methods(["opq", "sq8"])]
    ['float', 'opq', 'sq8']
    """
    names = list(names)
    if any(name not in METHODS for name in names) or len(set(names)) < len(names):
        raise ValueError(f"methods (={','.join(names)}) must be different ones of {', '.join(METHODS)}")
    return [METHODS[name] for name in ("float", *(name for name in names if name != "float"))]
