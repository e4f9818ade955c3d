"""The settings of a run: its options, with the defaults that depend on tower, index or previous run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from poeem.engines.probing import check_nprobe, default_nprobe
from poeem.functional.estimators import ESTIMATORS
from poeem.spec import IndexSpec
from poeem.training.options.by_tower import BY_TOWER
from poeem.training.options.groups import TrainOptions
from poeem.training.options.pairs import BY_ENCODER

# Structure of a model with its defaults. A run with a previous run keeps the structure of that.
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
TEXT_STRUCTURE: dict[str, Any] = {"spec": "RQ8", "encoder": "static", "metric": "cosine", "assignment": "nearest"}
# Width of the static encoder.
TEXT_DIM = 256
# Options that do not affect the result of a training.
NOT_SETTINGS = {"device", "mixed_precision", "checkpoint_every", "log_with", "show"}


def resolve_options(options: TrainOptions, previous: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Resolve the options of a run to its settings: defaults are filled in and contradictions are refused.

    Args:
        options: options as given; None stands for a default.
        previous: settings of the previous run (``--from``), whose structure stays.
    Returns:
        JSON values by the names of the options.
    Raises:
        ValueError: options contradict each other, or the structure differs from that of the previous run.

    >>> settings = resolve_options(TrainOptions.named(spec="IVF64,PQ8", codes="fixed"))
    >>> settings["estimator"], settings["list_loss"], settings["nprobe"], settings["lr"]
    ('task', 0.5, 8, 0.006)
    """
    given = {name: value for name, value in options.settings().items() if name not in NOT_SETTINGS}
    settings = given | _structure(given, previous)
    spec = IndexSpec.parse(settings["spec"])
    settings["spec"] = str(spec)
    settings |= _length_and_sizes(settings, BY_TOWER[settings["tower"]])
    return _resolved_index(settings, spec)


def resolve_text_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Resolve the options of a run on pairs of texts to its settings: JSON values by the names of the options.

    Args:
        options: options as given by name; None stands for a default.
    Raises:
        ValueError: options contradict each other.

    >>> settings = resolve_text_options({"spec": None, "encoder": "static", "steps": 10, "epochs": None, "codes": None,
    ...     "estimator": None, "assignment": None, "dim": None, "nprobe": None, "list_loss": None, "balance": None})
    >>> settings["spec"], settings["dim"], settings["batch_size"], settings["index_lr"]
    ('RQ8x8', 256, 512, 0.01)
    """
    given = {name: value for name, value in options.items() if name not in NOT_SETTINGS}
    settings = given | {name: default for name, default in TEXT_STRUCTURE.items() if given.get(name) is None}
    kind = "static" if settings["encoder"] == "static" else "transformer"
    settings["dim"] = TEXT_DIM if kind == "static" and settings["dim"] is None else settings["dim"]
    spec = IndexSpec.parse(settings["spec"])
    settings["spec"] = str(spec)
    settings |= _length_and_sizes(settings, BY_ENCODER[kind])
    return _resolved_index(settings, spec)


def _resolved_index(settings: Mapping[str, Any], spec: IndexSpec) -> dict[str, Any]:
    """The settings with those of the index."""
    if settings["dim"] is not None:
        spec.check_dim(settings["dim"])
    return {**settings, **_codes(settings), **_lists(settings, spec)}


def _structure(given: Mapping[str, Any], previous: Mapping[str, Any] | None) -> dict[str, Any]:
    if previous is None:
        return {name: STRUCTURE[name] if given[name] is None else given[name] for name in STRUCTURE}
    structure = {name: previous.get(name, default) for name, default in STRUCTURE.items()}
    for name, value in structure.items():
        new = given[name]
        if new is not None and (str(IndexSpec.parse(new)) if name == "spec" else new) != value:
            raise ValueError(
                f"{name} (={new!r}) differs from the previous run's (={value!r}), whose structure is kept; "
                f"leave {name} out"
            )
    return structure


def _codes(settings: Mapping[str, Any]) -> dict[str, str]:
    """``codes`` and ``estimator``. With fixed codes the default estimator lets codebooks learn from the ranking."""
    codes, estimator = settings["codes"] or "reassigned", settings["estimator"]
    if codes == "reassigned":
        return {"codes": codes, "estimator": estimator or "ste"}
    estimator = estimator or "task"
    if estimator not in ESTIMATORS:
        raise ValueError(
            f"estimator (={estimator!r}) weighs all codewords, but codes (='fixed') keep one; "
            f"choose one of {', '.join(map(repr, ESTIMATORS))}"
        )
    if settings["assignment"] == "balanced":
        raise ValueError("assignment (='balanced') is how training assigns new codes; give codes='reassigned' too")
    return {"codes": codes, "estimator": estimator}


def _length_and_sizes(settings: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """``epochs``, ``steps`` and the options of ``defaults``, as given or by default."""
    epochs, steps = settings["epochs"], settings["steps"]
    if epochs is not None and steps is not None:
        raise ValueError(f"epochs (={epochs}) and steps (={steps}) both say how long to train; give one of them")
    if steps is not None and steps < 2:
        raise ValueError(f"steps (={steps}) must be at least 2: the index is warm-started at half of them")
    if epochs is not None and not 0 < epochs < float("inf"):
        raise ValueError(f"epochs (={epochs}) must be a number above 0; 3 to 10 is usual")
    resolved = {name: default if settings.get(name) is None else settings[name] for name, default in defaults.items()}
    return resolved | {"epochs": None if steps is not None else resolved["epochs"]}


def _lists(settings: Mapping[str, Any], spec: IndexSpec) -> dict[str, Any]:
    """``nprobe``, ``list_loss`` and ``balance``, as given or by the structure."""
    nprobe, list_loss, balance = settings["nprobe"], settings["list_loss"], settings["balance"]
    if spec.nlist:
        nprobe = check_nprobe(nprobe, spec.nlist, default_nprobe(spec.nlist))
    elif nprobe is not None:
        raise ValueError(f"nprobe (={nprobe}) goes with inverted lists, spec {str(spec)!r} has none; leave it out")
    if list_loss is None:
        list_loss = LIST_LOSS if spec.nlist else 0.0
    if balance is not None and not list_loss:
        reason = f"list_loss (={list_loss}) is off" if spec.nlist else f"{str(spec)!r} has no lists"
        raise ValueError(f"balance (={balance}) is a part of the list loss, and {reason}; leave it out")
    return {"nprobe": nprobe, "list_loss": list_loss, "balance": BALANCE if balance is None else balance}
