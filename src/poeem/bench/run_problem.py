"""Trained runs as a problem: post-hoc indexes on the float twin's vectors against the jointly trained index."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from poeem.baselines.baseline import Baseline
from poeem.bench.bundle_method import baseline_of_bundle
from poeem.bench.problem import Problem, one_each
from poeem.data.histories import history_before
from poeem.data.ragged import Ragged

if TYPE_CHECKING:
    from poeem.data.ragged import Ragged
    from poeem.training.load import Run
    from poeem.training.model import JointModel

TRAIN_QUERIES = 65_536


def problem_from_runs(paths: Sequence[str | Path], *, device: str = "auto", show: bool = True) -> tuple[Problem, str]:
    """The test of runs by the evaluation protocol, with the float twin's vectors for every index that comes afterwards.

    Items and queries are the twin's, which is trained now, once, if the runs have none yet; training queries are its
    vectors of histories in training, each with the item that came next. Seen items are masked. The runs' own indexes
    (method ``joint``) rank by the vectors of the models that they were trained with.

    Args:
        paths: folders of finished runs that differ in the index alone: other bytes, other structures.
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
        show: the twin's progress.
    Returns:
        the problem, and the metric of the runs.
    Raises:
        FileNotFoundError: one of them is no finished run.
        ValueError: their float twins differ, two have the same bytes and lists, or items were changed since a training.
    """
    from poeem.training.compare import float_twin, share_twin
    from poeem.training.devices import make_accelerator
    from poeem.training.load import load_run
    from poeem.training.tower_vectors import item_vectors, query_vectors

    runs = [load_run(path) for path in paths]
    for run in runs:
        run.check_unchanged()
    first, accelerator = runs[0], make_accelerator(device)
    twins = []
    for run in runs:
        for other in runs:
            share_twin(run, other)
        twins.append(float_twin(run, accelerator, show=show)[0])
    everything = np.arange(first.split.n_items)
    items = item_vectors(twins[0], everything)
    for run, twin in zip(runs[1:], twins[1:]):
        if len(run.bundle) != len(items) or not np.array_equal(item_vectors(twin, everything), items):
            raise ValueError(
                f"{run.folder.path} and {first.folder.path} have different float twins, so that nothing would compare; "
                "give runs that were trained alike but for --index"
            )
    trained: dict[tuple[int, int], Baseline] = {}
    for run in runs:
        size = (run.bundle.spec.bytes_per_vector, run.bundle.spec.nlist)
        if size in trained:
            raise ValueError(
                f"{run.folder.path} has {size[0]} bytes a vector and {size[1]} lists, as another run has; give one of "
                "them"
            )
        trained[size] = _joint(run)
    train_queries, wanted = _train_queries(twins[0], first.split.train)
    test = first.split.test
    problem = Problem(
        name=f"{first.config['dataset']}, float twin",
        items=items,
        queries=query_vectors(twins[0], test.history),
        relevant=test.relevant,
        train_queries=train_queries,
        train_relevant=one_each(wanted),
        asked=test,
        available=first.split.seen_in_training,
        trained=trained,
    )
    return problem, first.bundle.metric


def _joint(run: Run) -> Baseline:
    """The run's own index, asked by its own model."""
    vectors = (run.queries(run.split.test.history), run.items(np.arange(run.split.n_items)))
    return baseline_of_bundle("joint", run.bundle, run.config["timings"]["bundle_seconds"], vectors=vectors)


def _train_queries(model: JointModel, train: Ragged) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of histories in training ``(nt, dim)``, drawn at random where there are many, and the items ``(nt,)``
    that came next."""
    from poeem.training.tower_vectors import query_vectors

    events = train
    later = np.ones(len(events.values), dtype=bool)
    later[events.offsets[:-1][events.lengths > 0]] = False  # nothing is known before a user's first event
    places = np.random.default_rng(0).permutation(np.flatnonzero(later))[:TRAIN_QUERIES]
    length: Any = model.towers.query.history_length
    known = history_before(events, events.row_of_value[places], places, length)
    histories = Ragged.from_lengths((known >= 0).sum(1), known[known >= 0])
    return query_vectors(model, histories), events.values[places]


def build_joint(problem: Problem, *, n_bytes: int, nlist: int, metric: str, seed: int) -> Baseline:
    """The index of the run that has so many bytes and lists; a method like the others."""
    return problem.trained[n_bytes, nlist]
