"""PretrainedFiles: an index as a folder or hub repository, by save_pretrained, from_pretrained and push_to_hub.

The folder has the two files that ``PyTorchModelHubMixin`` of huggingface_hub writes, ``config.json`` and
``model.safetensors``. The mixin itself is not used: importing it takes longer than importing this package, and it also
loads pickled weights.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from poeem.bundle.arrays_file import rights_by_umask
from poeem.bundle.regular_file import read_file
from poeem.bundle.whole_file import whole_file, write_text
from poeem.layers.choices import BeamSearch, ScoreAware, Soft
from poeem.layers.coarse import CoarseQuantizer
from poeem.spec import IndexSpec

if TYPE_CHECKING:
    from torch import Tensor

CONFIG_FILE, WEIGHTS_FILE, CARD_FILE = "config.json", "model.safetensors", "README.md"
# Larger files are not read as a configuration.
MAX_CONFIG_BYTES = 2**16
_FIELDS = {
    "dim": int,
    "spec": str,
    "metric": str,
    "estimator": str,
    "soft_temperature": float,
    "rotation": str,
    "warmup_steps": int,
    "buffer_rows": int,
    "reseed_every": int,
    "assignment": str,
    "assignment_value": float,
    "equal_norm": bool,
    "seed": int,
}
_CARD = """---
library_name: poeem
tags: [poeem, product-quantization, retrieval]
---
# An embedding index

{spec} with {metric}, for embeddings of width {dim}; {bytes} bytes per vector.

```text
pip install poeem-torch
index = poeem.EmbeddingIndex.from_pretrained("NAME_OF_THIS_REPOSITORY")
codes, lists = index.encode(vectors)
```
"""


class PretrainedFiles:
    """The methods of an `EmbeddingIndex` that write it to a folder or a repository, and read it."""

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the index: ``config.json``, ``model.safetensors`` and, unless there is one, a short ``README.md``.

        Args:
            folder: made if it does not exist; an index in it is overwritten.
        """
        index: Any = self
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        _save_weights(index, folder / WEIGHTS_FILE)
        write_text(folder / CONFIG_FILE, json.dumps(config_of(index), indent=2) + "\n")
        if not (folder / CARD_FILE).exists():
            card = _CARD.format(spec=index.spec, metric=index.metric, dim=index.dim, bytes=index.spec.bytes_per_vector)
            write_text(folder / CARD_FILE, card)

    @classmethod
    def from_pretrained(cls, source: str | Path, *, map_location: str = "cpu", **options: Any) -> Self:
        """Read an index that `save_pretrained` wrote.

        Args:
            source: the folder, or the name of a repository on the Hugging Face Hub.
            map_location: device of the index.
            options: of ``huggingface_hub.snapshot_download``: ``revision``, ``token``, ``cache_dir``,
                ``local_files_only``. They are not used for a folder.
        Returns:
            the index, in eval mode.
        Raises:
            ValueError: there is neither such a folder nor such a repository, or its files are damaged.
        """
        folder = Path(source)
        if not folder.is_dir():
            folder = _downloaded(str(source), options)
        config, state = _read_config(folder / CONFIG_FILE), _read_weights(folder / WEIGHTS_FILE)
        try:
            _check_sizes(config, state)
            index: Any = cls(**_options_of(config))
            if index.coarse is not None and not config["equal_norm"]:
                index.coarse = CoarseQuantizer(index.spec.nlist, index.dim, equal_norm=False)
            index.load_state_dict(state)
        except (ValueError, RuntimeError, KeyError) as error:
            reason = " ".join(str(error).split())[:300]
            raise ValueError(f"{folder}: {CONFIG_FILE} and {WEIGHTS_FILE} hold no index ({reason})") from None
        return index.to(map_location).eval()

    def push_to_hub(
        self, repo_id: str, *, token: str | None = None, private: bool | None = None, message: str | None = None
    ) -> str:
        """Upload the files of `save_pretrained` to a repository on the Hugging Face Hub.

        Args:
            repo_id: ``USER/NAME``; the repository is made if it does not exist.
            token: default that of ``hf auth login``.
            private: whether a new repository is private.
            message: of the commit.
        Returns:
            the address of the commit.
        """
        from huggingface_hub import HfApi

        api = HfApi(token=token)
        repo = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
        with tempfile.TemporaryDirectory() as folder:
            self.save_pretrained(folder)
            done = api.upload_folder(
                repo_id=repo, folder_path=folder, commit_message=message or "Upload an index with poeem"
            )
        return str(done)


def config_of(index: Any) -> dict[str, Any]:
    """Return the arguments that make an `EmbeddingIndex` of the same structure, as JSON values."""
    quantizer = index.quantizer
    assignment, value = getattr(quantizer, "assignment", "beam"), getattr(quantizer, "eta", 1.0)
    if assignment == "beam":
        value = quantizer.beam
    return {
        "dim": index.dim,
        "spec": str(index.spec),
        "metric": index.metric,
        "estimator": index.estimator,
        "soft_temperature": index.soft_temperature,
        "rotation": "givens-greedy" if index.rotation is None else index.rotation.kind,
        "warmup_steps": index.phase.warmup_steps,
        "buffer_rows": index.phase.buffer_rows,
        "reseed_every": index.reseed_every,
        "assignment": assignment,
        "assignment_value": value,
        "equal_norm": index.coarse is None or index.coarse.norm is not None,
        "seed": index.seed,
    }


def _options_of(config: dict[str, Any]) -> dict[str, Any]:
    """The arguments of `EmbeddingIndex`."""
    options = {name: config[name] for name in _FIELDS}
    value, temperature = options.pop("assignment_value"), options.pop("soft_temperature")
    del options["equal_norm"]
    if options["assignment"] == "beam":
        options["assignment"] = BeamSearch(int(value))
    elif options["assignment"] == "score-aware":
        options["assignment"] = ScoreAware(value)
    if options["estimator"] == "soft":
        options["estimator"] = Soft(temperature)
    return options


def _save_weights(index: Any, path: Path) -> None:
    from safetensors.torch import save_file

    with whole_file(path) as beside:
        state = {name: tensor.detach().cpu().contiguous() for name, tensor in index.state_dict().items()}
        save_file(state, beside, metadata={"format": "pt"})
        rights_by_umask(beside)


def _read_config(path: Path) -> dict[str, Any]:
    try:
        data = read_file(path)
        config = json.loads(data) if len(data) <= MAX_CONFIG_BYTES else None
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} cannot be read ({error}); name a folder that save_pretrained wrote") from None
    if not isinstance(config, dict):
        raise ValueError(f"{path} is not the configuration of an index; name a folder that save_pretrained wrote")
    for name, kind in _FIELDS.items():
        value = config.get(name)
        # A bool is an int too.
        if type(value) is not kind and not (kind is float and type(value) is int):
            raise ValueError(f"{path}: {name} (={value!r}) must be of type {kind.__name__}; restore the file")
    return config


def _read_weights(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (OSError, SafetensorError, ValueError) as error:
        raise ValueError(f"{path} cannot be read ({error}); name a folder that save_pretrained wrote") from None


def _check_sizes(config: dict[str, Any], state: dict[str, Tensor]) -> None:
    """Check the configuration by the shapes in the weight file, before anything of its sizes is allocated."""
    spec, dim = IndexSpec.parse(config["spec"]), config["dim"]
    spec.check_dim(dim)
    expected: dict[str, tuple[int, ...]] = {"quantizer.codebooks": (spec.M, spec.ksub, spec.dsub(dim))}
    if spec.nlist:
        expected["coarse.directions"] = (spec.nlist, dim)
    if spec.rotated:
        expected["rotation.weight" if config["rotation"] == "polar" else "rotation.base"] = (dim, dim)
    for name, shape in expected.items():
        if name not in state or tuple(state[name].shape) != shape:
            raise ValueError(f"there is no {name} of shape {shape}")


def _downloaded(repo_id: str, options: dict[str, Any]) -> Path:
    """The folder of a repository in the cache of huggingface_hub."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(repo_id, allow_patterns=[CONFIG_FILE, WEIGHTS_FILE], **options))
    except Exception as error:
        # Of many kinds: a name that is none, no network, no such repository, no right to read it.
        reason = " ".join(str(error).split())[:300]
        raise ValueError(
            f"source (={repo_id!r}) is no folder, and no repository of this name could be read ({reason}); name a "
            "folder that save_pretrained wrote, or a repository USER/NAME"
        ) from None
