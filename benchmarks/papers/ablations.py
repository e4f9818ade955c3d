"""The paper's ablations and the methods of later papers, one change at a time.

Warm start, estimator, rotation, space decomposition; loss, negatives, assignment of codes, structure. The base is the
paper's recipe (`--recipe paper`) or that of `poeem train` (`--recipe ours`) with OPQ8,PQ8: a short training on
MovieLens-1M, half of it before the warm start. Figures are of the index, on validation or with `--part test` on the
test; `float` is the same towers without an index.

    python -m benchmarks.papers.ablations --seed 0 --json benchmarks/results/ablations-paper-0.json

A run that was stopped resumes from `--json`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks.record import Record, parse, picked, script_parser
from benchmarks.train_model import AS_PUBLISHED, settings_of, train_in_memory
from poeem.data.datasets import load_dataset
from poeem.data.split import leave_last_out
from poeem.functional.pq import split as slices
from poeem.functional.procrustes import procrustes
from poeem.spec import IndexSpec
from poeem.training.model import JointModel
from poeem.training.tower_vectors import evaluating, item_vectors

METRICS = ("recall@100", "ndcg@10", "neighbour_recall@10")
SVD_EVERY = 50  # steps


def refit_rotation(model: JointModel, step: int) -> None:
    """As OPQ does: every `SVD_EVERY` steps replace the rotation by the Procrustes solution for the current codes."""
    if step <= 0 or step % SVD_EVERY:
        return
    index = model.index
    assert index is not None
    assert index.rotation is not None
    with torch.no_grad(), evaluating(model):
        x = torch.nn.functional.normalize(torch.from_numpy(item_vectors(model, np.arange(len(model.log_q)))))
        y_hat = index.decode(*index.encode(x)) @ index.rotation.matrix()
        index.rotation.set_(procrustes(x, y_hat))


def reset_decomposition(model: JointModel, step: int) -> None:
    """Undo the warm start's result: identity rotation, and random items as codewords."""
    if step != 0:
        return
    index = model.index
    assert index is not None
    assert index.rotation is not None
    with evaluating(model):
        x = torch.nn.functional.normalize(torch.from_numpy(item_vectors(model, np.arange(len(model.log_q)))))
    sample = torch.randperm(len(x), generator=torch.Generator().manual_seed(index.seed))[: index.spec.ksub]
    index.rotation.set_(torch.eye(index.dim))
    index.quantizer.set_(slices(x[sample], index.spec.M).transpose(0, 1).contiguous())


# Group, name, changed settings, share of the steps before the warm start, function called before every step.
Variant = tuple[str, str, dict[str, Any], float, Callable[[JointModel, int], None] | None]


def variants(spec: str, recipe: dict[str, Any]) -> list[Variant]:
    flat = str(IndexSpec.parse(spec)).partition(",")[2]
    loss = (
        (("two views", {"views": "both"}), ("items drawn to their codewords", {"commitment": 1.0}))
        if recipe
        else (
            ("the quantized view alone", {"views": "quantized"}),
            ("items not drawn to their codewords", {"commitment": 0.0}),
        )
    )
    return [
        ("base", "base", {}, 0.5, None),
        *(("warm start", f"after {share:.0%} of the steps", {}, share, None) for share in (0.0, 0.1, 0.25)),
        *(("estimator", name, {"estimator": name}, 0.5, None) for name in ("task", "soft", "rotation-trick")),
        ("rotation", "none", {"spec": flat}, 0.5, None),
        ("rotation", "SVD, at the warm start alone", {"rotation": "frozen"}, 0.5, None),
        ("rotation", f"SVD, every {SVD_EVERY} steps", {"rotation": "frozen"}, 0.5, refit_rotation),
        ("rotation", "Cayley", {"rotation": "cayley"}, 0.5, None),
        ("rotation", "GCD-R", {"rotation": "givens-random"}, 0.5, None),
        ("rotation", "GCD-S", {"rotation": "givens-steepest"}, 0.5, None),
        ("decomposition", "none: random items as codewords, no rotation at first", {}, 0.5, reset_decomposition),
        *(("loss", name, changes, 0.5, None) for name, changes in loss),
        ("loss", "distillation of the float scores", {"distill": 1.0}, 0.5, None),
        ("negatives", "4 a query from the live index", {"hard_negatives": 4}, 0.5, None),
        ("codes", "assigned evenly (RepCONC)", {"assignment": "balanced"}, 0.5, None),
        ("codes", "by the score-aware error (ScaNN)", {"assignment": "score-aware"}, 0.5, None),
        ("codes", "kept, codewords by `task` (JPQ)", {"codes": "fixed", "estimator": None}, 0.5, None),
        ("structure", f"RQ{IndexSpec.parse(spec).M}", {"spec": f"RQ{IndexSpec.parse(spec).M}"}, 0.5, None),
    ]


def main() -> None:
    parser = script_parser(__doc__)
    parser.add_argument("--dataset", default="ml-1m")
    parser.add_argument("--spec", default="OPQ8,PQ8")
    parser.add_argument("--recipe", choices=("paper", "ours"), default="paper")
    parser.add_argument("--epochs", type=float, default=2)
    parser.add_argument("--part", choices=("validation", "test"), default="validation")
    args = parse(parser)
    record = Record(args, picked(args, "dataset", "spec", "recipe", "epochs", "part"))
    split = leave_last_out(load_dataset(args.dataset))
    queries = getattr(split, args.part)
    recipe = AS_PUBLISHED if args.recipe == "paper" else {}

    def add(group: str, name: str, figures: dict[str, float], **facts: Any) -> None:
        record.add(f"{group}: {name}", {"group": group, "name": name, **{k: figures[k] for k in METRICS}, **facts})
        print(f"{group:14}{name:46}" + "  ".join(f"{k} {figures[k]:.4f}" for k in METRICS), flush=True)

    if "base: float" not in record.rows:
        twin = train_in_memory(settings_of(seed=args.seed, epochs=args.epochs), split, indexed=False, title="float")
        add("base", "float", twin.float_quality(queries), train=twin.seconds)
    for group, name, changes, warm_start, before_step in variants(args.spec, recipe):
        if f"{group}: {name}" in record.rows:
            continue
        chosen = settings_of(**{"spec": args.spec, "seed": args.seed, "epochs": args.epochs} | recipe | changes)
        trained = train_in_memory(chosen, split, warm_start=warm_start, before_step=before_step, title=name)
        figures, floats = trained.quality(trained.index_scorer(), queries), trained.float_quality(queries)
        add(group, name, figures, float_recall=floats["recall@100"], train=trained.seconds)


if __name__ == "__main__":
    main()
