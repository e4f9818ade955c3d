"""The settings of a run: options, with defaults that depend on the tower, the index or the previous run filled in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from poeem.engines.probing import check_nprobe, default_nprobe
from poeem.functional.estimators import ESTIMATORS
from poeem.spec import IndexSpec
from poeem.training.options.groups import TrainOptions

# A window of the sequence tower holds hundreds of positives, an example of the other one.
BY_TOWER: dict[str, dict[str, Any]] = {
    "history": {"epochs": 5, "batch_size": 1024, "lr": 6e-3, "history_length": 20, "dropout": 0.0},
    "sequence": {"epochs": 5, "batch_size": 24, "lr": 4e-3, "history_length": 100, "dropout": 0.2},
}
# The structure of a model, which a run with a previous run keeps.
STRUCTURE: dict[str, Any] = {
    "spec": "RQ8",
    "tower": "history",
    "dim": 64,
    "metric": "cosine",
    "assignment": "nearest",
    "history_length": None,
    "item_table": "full",
    "table_bytes": None,
}
LIST_LOSS, BALANCE = 0.5, 1.0
# Options that say how a run runs, not what it trains.
NOT_SETTINGS = {"device", "mixed_precision", "checkpoint_every", "log_with", "show"}


def resolve_options(options: TrainOptions, previous: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The settings of a run, JSON values by the names of the options.

    Args:
        options: as given; None is a default.
        previous: settings of the previous run (``--from``), whose structure stays.
    Raises:
        ValueError: options that do not go together, or a structure that is not that of the previous run.

    >>> found = resolve_options(TrainOptions.named(spec="IVF64,PQ8", codes="fixed"))
    >>> found["estimator"], found["list_loss"], found["nprobe"], found["lr"]
    ('task', 0.5, 8, 0.006)
    """
    given = {name: value for name, value in options.settings().items() if name not in NOT_SETTINGS}
    settings = given | _structure(given, previous)
    spec = IndexSpec.parse(settings["spec"])
    settings["spec"] = str(spec)
    settings |= _codes(settings)
    settings |= _length_and_sizes(settings)
    spec.check_dim(settings["dim"])
    return settings | _lists(settings, spec)


def _structure(given: Mapping[str, Any], previous: Mapping[str, Any] | None) -> dict[str, Any]:
    if previous is None:
        return {name: STRUCTURE[name] if given[name] is None else given[name] for name in STRUCTURE}
    kept = {name: previous.get(name, STRUCTURE[name]) for name in STRUCTURE}
    for name, value in kept.items():
        asked = given[name]
        if asked is not None and (str(IndexSpec.parse(asked)) if name == "spec" else asked) != value:
            raise ValueError(
                f"{name} (={asked!r}) is not that of the run to start from (={value!r}), which a run from it keeps; "
                f"leave {name} out"
            )
    return kept


def _codes(settings: Mapping[str, Any]) -> dict[str, str]:
    """``codes`` and ``estimator``: fixed codes learn by the ranking alone."""
    codes, estimator = settings["codes"] or "reassigned", settings["estimator"]
    if codes == "reassigned":
        return {"codes": codes, "estimator": estimator or "ste"}
    estimator = estimator or "task"
    if estimator not in ESTIMATORS:
        raise ValueError(
            f"estimator (={estimator!r}) goes by distances to all codewords, codes (='fixed') know one; "
            f"choose one of {', '.join(map(repr, ESTIMATORS))}"
        )
    if settings["assignment"] == "balanced":
        raise ValueError("assignment (='balanced') is how training assigns codes anew; give codes='reassigned' too")
    return {"codes": codes, "estimator": estimator}


def _length_and_sizes(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Length of the training and sizes, as given or as they suit the tower."""
    epochs, steps = settings["epochs"], settings["steps"]
    if epochs is not None and steps is not None:
        raise ValueError(f"epochs (={epochs}) and steps (={steps}) both say how long to train; give one of them")
    if steps is not None and steps < 2:
        raise ValueError(f"steps (={steps}) must be at least 2: the index is warm-started at half of them")
    if epochs is not None and not 0 < epochs < float("inf"):
        raise ValueError(f"epochs (={epochs}) must be a number above 0; 3 to 10 is usual")
    suited = BY_TOWER[settings["tower"]]
    found = {name: suited[name] if settings[name] is None else settings[name] for name in suited}
    return found | {"epochs": None if steps is not None else found["epochs"]}


def _lists(settings: Mapping[str, Any], spec: IndexSpec) -> dict[str, Any]:
    """``nprobe``, ``list_loss`` and ``balance``, as they suit the structure."""
    nprobe, list_loss, balance = settings["nprobe"], settings["list_loss"], settings["balance"]
    if spec.nlist:
        nprobe = check_nprobe(nprobe, spec.nlist, default_nprobe(spec.nlist))
    elif nprobe is not None:
        raise ValueError(f"nprobe (={nprobe}) goes with inverted lists, spec {str(spec)!r} has none; leave it out")
    if list_loss is None:
        list_loss = LIST_LOSS if spec.nlist else 0.0
    if balance is not None and not list_loss:
        why = f"list_loss (={list_loss}) leaves that out" if spec.nlist else f"{str(spec)!r} has no lists"
        raise ValueError(f"balance (={balance}) is of the loss of lists, and {why}; leave it out")
    return {"nprobe": nprobe, "list_loss": list_loss, "balance": BALANCE if balance is None else balance}
