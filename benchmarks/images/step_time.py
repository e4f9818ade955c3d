"""Share of the random views in a training step on images: processor seconds of both views against the whole step.

Rows: ``grey-28`` (Fashion-MNIST's form), ``colour-32`` (CIFAR-10's), each with the default network.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from benchmarks.record import Record, parse, picked, script_parser
from poeem.option import named
from poeem.towers.image.tower import as_input
from poeem.training.images.model import build_image_model
from poeem.training.options.images import GROUPS, resolve_image_options

FORMS = {"grey-28": (1, 28), "colour-32": (3, 32)}


def main() -> None:
    """Measure the rows that the record lacks."""
    parser = script_parser(__doc__)
    parser.add_argument("--repeats", type=int, default=20)
    args = parse(parser)
    record = Record(args, picked(args, "repeats"))
    for name, (channels, size) in FORMS.items():
        if name not in record.rows:
            record.add(name, measured(channels, size, args.repeats))
            print(name, record.rows[name], flush=True)


def measured(channels: int, size: int, repeats: int) -> dict[str, float]:
    """Seconds of a step and of its views."""
    given = {name: value for group in named(GROUPS.values()) for name, value in vars(group).items()}
    settings = resolve_image_options(given)
    model = build_image_model({**settings, "channels": channels, "image_size": size})
    model.train()
    pixels = torch.randint(0, 256, (settings["batch_size"], size, size, channels), dtype=torch.uint8)
    views = model.views
    assert views is not None

    def step() -> None:
        model.zero_grad()
        model(pixels).loss.backward()

    both = torch.cat([as_input(pixels)] * 2)
    whole, part = cpu_seconds(step, repeats), cpu_seconds(lambda: views(both), repeats)
    rate = len(pixels) / whole
    return {"step_seconds": whole, "views_seconds": part, "share": part / whole, "images_per_second": rate}


def cpu_seconds(call: Callable[[], object], repeats: int) -> float:
    """The median processor seconds of a call."""
    times = []
    for _ in range(repeats + 2):
        started = time.process_time()
        call()
        times.append(time.process_time() - started)
    # The first two calls are slower.
    return sorted(times[2:])[repeats // 2]


if __name__ == "__main__":
    main()
