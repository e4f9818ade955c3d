"""Make a problem of trained runs: post-hoc indexes on the float twin's vectors against the jointly trained indexes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from poeem.baselines.baseline import Baseline
from poeem.bench.bundle_method import bundle_baseline
from poeem.bench.problem import Problem, one_per_query
from poeem.data.histories import history_before
from poeem.data.ragged import Ragged

if TYPE_CHECKING:
    from poeem.data.ragged import Ragged
    from poeem.training.interactions.run import InteractionRun
    from poeem.training.model import JointModel

TRAIN_QUERIES = 65_536


def problem_from_runs(paths: Sequence[str | Path], *, device: str = "auto", show: bool = True) -> tuple[Problem, str]:
    """Make a problem of the test queries of runs, evaluated as ``poeem evaluate`` does.

    A float twin is the model of a run, trained without the index. Items and queries are vectors of the twin; if it is
    missing, it is trained first. Training queries are histories from training; their relevant item is the next one.
    Items that the user has seen are not returned. The runs' own indexes (method ``joint``) use the vectors of the
    models that they were trained with.

    Args:
        paths: folders of finished runs that differ only in the index: in bytes or structure.
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
        show: whether to show the progress of the twin's training.
    Returns:
        the problem, and the metric of the runs.
    Raises:
        FileNotFoundError: a folder is not a finished run.
        ValueError: the float twins differ, two runs have the same bytes and lists, or items changed after training.
    """
    from poeem.training.compare import float_twin, share_twin
    from poeem.training.devices import make_accelerator
    from poeem.training.interactions.run import load_interaction_run
    from poeem.training.tower_vectors import item_vectors, query_vectors

    runs = [load_interaction_run(path) for path in paths]
    for run in runs:
        run.check_unchanged()
    first, accelerator = runs[0], make_accelerator(device)
    twins = []
    for run in runs:
        for other in runs:
            share_twin(run, other)
        twins.append(float_twin(run, accelerator, show=show)[0])
    all_items = np.arange(first.split.n_items)
    items = item_vectors(twins[0], all_items)
    for run, twin in zip(runs[1:], twins[1:]):
        if len(run.bundle) != len(items) or not np.array_equal(item_vectors(twin, all_items), items):
            raise ValueError(
                f"{run.folder.path} and {first.folder.path} have different float twins and cannot be compared; give "
                "runs that differ only in --index"
            )
    joint_indexes: dict[tuple[int, int], Baseline] = {}
    for run in runs:
        size = (run.bundle.spec.bytes_per_vector, run.bundle.spec.nlist)
        if size in joint_indexes:
            raise ValueError(
                f"{run.folder.path} has {size[0]} bytes per vector and {size[1]} lists, as another run has; give only "
                "one of them"
            )
        joint_indexes[size] = _joint_index(run)
    train_queries, next_items = training_queries(twins[0], first.split.train)
    test = first.split.test
    problem = Problem(
        name=f"{first.config['dataset']}, float twin",
        items=items,
        queries=query_vectors(twins[0], test.history),
        relevant=test.relevant,
        train_queries=train_queries,
        train_relevant=one_per_query(next_items),
        run_queries=test,
        available=first.split.seen_in_training,
        joint_indexes=joint_indexes,
    )
    return problem, first.bundle.metric


def _joint_index(run: InteractionRun) -> Baseline:
    """The run's own index, with the queries of its own model."""
    vectors = (run.queries(run.split.test.history), run.items(np.arange(run.split.n_items)))
    return bundle_baseline("joint", run.bundle, run.config["timings"]["bundle_seconds"], vectors=vectors)


def training_queries(model: JointModel, events: Ragged) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of histories from training ``(nt, dim)``, a sample if there are many, and the next items ``(nt,)``."""
    from poeem.training.tower_vectors import query_vectors

    has_history = np.ones(len(events.values), dtype=bool)
    has_history[events.offsets[:-1][events.lengths > 0]] = False  # the first event of each user
    places = np.random.default_rng(0).permutation(np.flatnonzero(has_history))[:TRAIN_QUERIES]
    length: Any = model.towers.query.history_length
    items = history_before(events, events.row_of_value[places], places, length)
    histories = Ragged.from_lengths((items >= 0).sum(1), items[items >= 0])
    return query_vectors(model, histories), events.values[places]


def build_joint(problem: Problem, *, n_bytes: int, nlist: int, metric: str, seed: int) -> Baseline:
    """Return the index of the run with these bytes and lists. Arguments as for :class:`poeem.bench.method.Build`."""
    return problem.joint_indexes[n_bytes, nlist]
