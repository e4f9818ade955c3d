"""``poeem evaluate``: compute the metrics of a run again."""

from __future__ import annotations

from poeem.cli.options import Baselines, Device, Json, Nprobe, RunFolder
from poeem.cli.output import print_json
from poeem.training.options.run import names


def evaluate(
    folder: RunFolder,
    baselines: Baselines = "pq,opq,rq",
    nprobe: Nprobe = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Evaluate a run on its test split, and compare with post-hoc indexes of a float twin. Replaces metrics.json."""
    from poeem.cli.print_metrics import print_metrics
    from poeem.training.devices import make_accelerator
    from poeem.training.load import recipe_of

    # Checked first, because making the accelerator takes seconds.
    recipe = recipe_of(folder)
    accelerator = make_accelerator(device)
    metrics = recipe.evaluate(folder, accelerator=accelerator, baselines=names(baselines), nprobe=nprobe)
    if metrics:
        print_json(metrics) if json else print_metrics(metrics, folder)
