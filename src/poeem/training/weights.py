"""Weights of a module in a safetensors file, without pickle; shared tensors are stored once."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from poeem.bundle.arrays_file import rights_by_umask


def save_weights(model: nn.Module, path: str | Path) -> None:
    """Write parameters and buffers of a module to a safetensors file. The buffers include the phase of the index."""
    from safetensors.torch import save_model

    save_model(model, str(path))
    rights_by_umask(Path(path))


def load_weights(model: nn.Module, path: str | Path) -> None:
    """Load a file of ``save_weights`` into a model of the same structure.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, or holds the weights of another model.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_model

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there are no weights; restore the file, or train again")
    try:
        load_model(model, path)
    except SafetensorError as error:
        raise ValueError(f"{path}: cannot be read ({error}); restore the file, or train again") from None
    except RuntimeError as error:
        message = " ".join(str(error).split())
        raise ValueError(f"{path}: holds the weights of another model ({message[:300]}); train again") from None
