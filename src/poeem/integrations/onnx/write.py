"""write_onnx: a module in eval mode as an ONNX file, and the session that runs it."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from poeem.bundle.whole_file import whole_file


def write_onnx(
    module: nn.Module,
    inputs: Mapping[str, Tensor],
    outputs: list[str],
    path: str | Path,
    *,
    dynamic: Mapping[str, Mapping[int, str]],
) -> Any:
    """Write a module as an ONNX file, whole or not at all, and return an onnxruntime session of it.

    Args:
        module: called with the inputs in their order, in eval mode.
        inputs: an example by name, with at least two entries in every dynamic dimension.
        outputs: names of the outputs.
        path: the file.
        dynamic: names of the dimensions of each input that may differ from the example.
    Raises:
        ValueError: the extra ``onnx`` is not installed.
    """
    check_installed()
    import onnxruntime

    sizes = {name: torch.export.Dim(name) for axes in dynamic.values() for name in axes.values()}
    shapes = tuple({axis: sizes[name] for axis, name in dynamic[key].items()} for key in inputs)
    with whole_file(path) as beside, _quiet():
        torch.onnx.export(
            module.eval(),
            tuple(inputs.values()),
            str(beside),
            input_names=list(inputs),
            output_names=outputs,
            dynamo=True,
            dynamic_shapes=shapes,
            external_data=False,
            # The optimizer of onnxscript takes as long as the export; onnxruntime optimises when it reads the file.
            optimize=False,
            verbose=False,
        )
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def check_installed() -> None:
    """Raise a ValueError if a package of the extra ``onnx`` is missing."""
    for package in ("onnx", "onnxscript", "onnxruntime"):
        if find_spec(package) is None:
            raise ValueError(
                f"an ONNX file needs the package {package!r}; install the extra: pip install 'poeem-torch[onnx]'"
            )


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's remarks, which are about its own workings."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
