"""RunFolder: paths of a run (``bundle/ model/ checkpoints/ metrics.json``); writes and reads ``model/``."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from torch import nn

from poeem.bundle.atomic import recover, replace_directory, staging
from poeem.bundle.bundle import Bundle
from poeem.bundle.read import open_bundle
from poeem.bundle.regular_file import refuse_link
from poeem.bundle.whole_file import whole_file, write_text
from poeem.bundle.write import file_record
from poeem.training.devices import torch_device
from poeem.training.weights import load_weights, save_weights

CONFIG_FILE, WEIGHTS_FILE = "config.json", "weights.safetensors"
FLOAT_FILE, FLOAT_WEIGHTS_FILE = "float.json", "float.safetensors"
FORMAT, FORMAT_VERSION = "poeem run", 1

M = TypeVar("M", bound=nn.Module)


class RunFolder:
    """The paths of a run. It reads and writes the folder ``model/``.

    Args:
        path: folder of the run; need not exist.
    Raises:
        ValueError: a folder within it is a symbolic link, whose target must not be replaced.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.bundle, self.model = self.path / "bundle", self.path / "model"
        self.checkpoints, self.float_checkpoints = self.path / "checkpoints", self.path / "checkpoints" / "float"
        self.metrics = self.path / "metrics.json"
        self._unfinished = self.path / ".unfinished"
        for folder in (self.bundle, self.model, self.checkpoints, self.float_checkpoints):
            refuse_link(folder)

    def check_startable(self, *, resume: bool) -> None:
        """Check that a new run finds an empty folder or an unfinished one, and a resumed run its checkpoints.

        Raises:
            ValueError: this is not so; the message says what to do instead.
        """
        if self.path.exists() and not self.path.is_dir():
            raise ValueError(f"out (={str(self.path)!r}) is a file; name a folder for the run")
        if resume and not self.checkpoints.is_dir():
            raise ValueError(f"out (={str(self.path)!r}) holds no run to resume; leave resume out to start one")
        if not resume and self.path.is_dir() and any(self.path.iterdir()) and not self._unfinished.exists():
            what = "a run already; resume it" if self.checkpoints.is_dir() else "files already; empty it"
            raise ValueError(f"out (={str(self.path)!r}) holds {what}, or choose another folder")

    @contextmanager
    def unfinished(self) -> Iterator[None]:
        """Mark the folder while a run without checkpoints is written; a context manager.

        If the process is killed meanwhile, `check_startable` lets the same command write the folder again.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        self._unfinished.touch()
        try:
            yield
        except BaseException:
            if list(self.path.iterdir()) == [self._unfinished]:
                self._unfinished.unlink()
            raise
        self._unfinished.unlink()

    def store_model(self, model: nn.Module, config: Mapping[str, Any], write_data: Callable[[Path], None]) -> None:
        """Write ``model/``.

        Args:
            model: its weights are written.
            config: what builds the model again: ``recipe`` (its name), ``dataset``, ``settings``, ``step``,
                ``fingerprint`` of the bundle, ``timings``.
            write_data: called with a folder; writes the data that searches and evaluations need.
        """
        if self.model.exists() and not (self.model / CONFIG_FILE).is_file():
            raise ValueError(f"{str(self.model)!r} was not written by a training (no {CONFIG_FILE}); move it away")
        with staging(self.model) as new:
            save_weights(model, new / WEIGHTS_FILE)
            write_data(new)
            written = sorted(file for file in new.rglob("*") if file.is_file())
            files = {file.relative_to(new).as_posix(): file_record(file).sha256 for file in written}
            facts = {"format": FORMAT, "format_version": FORMAT_VERSION, **config, "files": files}
            (new / CONFIG_FILE).write_text(json.dumps(facts, indent=2), encoding="utf-8")
            replace_directory(new, self.model)

    def store_float(self, model: nn.Module, seconds: float) -> None:
        """Write the weights of the float twin and the seconds of its training into ``model/``."""
        with whole_file(self.model / FLOAT_WEIGHTS_FILE) as beside:
            save_weights(model, beside)
            facts = {"seconds": seconds, "sha256": file_record(beside).sha256}
        write_text(self.model / FLOAT_FILE, json.dumps(facts))

    @property
    def has_float(self) -> bool:
        """Whether the float twin has been trained."""
        return (self.model / FLOAT_FILE).is_file()

    def copy_float(self, source: RunFolder) -> None:
        """Copy the float twin of another run, which must have one. An own twin is replaced; nothing is compared."""
        for name in (FLOAT_WEIGHTS_FILE, FLOAT_FILE):  # the JSON file last: it says that there is a twin
            with whole_file(self.model / name) as beside:
                shutil.copyfile(source.model / name, beside)

    def load_float(self, model: nn.Module) -> float | None:
        """Load the float twin's weights and return the seconds of its training; None if there is no twin yet.

        Raises:
            FileNotFoundError: the weights are missing.
            ValueError: a file is damaged.
        """
        if not self.has_float:
            return None
        file, weights = self.model / FLOAT_FILE, self.model / FLOAT_WEIGHTS_FILE
        try:
            facts = json.loads(file.read_text(encoding="utf-8"))
            seconds, sha256 = float(facts["seconds"]), facts.get("sha256")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{file}: cannot be read ({error}); delete it to train the float model again") from None
        if sha256 is not None and weights.is_file():
            _check_undamaged(weights, sha256)
        load_weights(model, weights)
        return seconds

    def check_files(self, config: Mapping[str, Any]) -> None:
        """Compare the files of ``model/`` with the checksums that ``store_model`` wrote to the config.

        Missing and empty files are skipped: the functions that read them raise an error of their own.

        Raises:
            ValueError: a file has changed since it was written.
        """
        for name, sha256 in config.get("files", {}).items():
            file = self.model / name
            if file.is_file() and file.stat().st_size:
                _check_undamaged(file, sha256)

    def finished(self, recipe: str) -> tuple[dict[str, Any], Bundle]:
        """Read the config and the bundle of a finished run, and check that nothing is damaged and both belong together.

        Args:
            recipe: name that the run's recipe must have.
        Returns:
            the config and the bundle.
        Raises:
            FileNotFoundError: there is no finished run.
            ValueError: the run is of another recipe, or damaged.
        """
        config = self.config()
        if config["recipe"] != recipe:
            raise ValueError(
                f"{str(self.path)!r} is a run of --{config['recipe']}, not of --{recipe}; name another run"
            )
        bundle = open_bundle(self.bundle)
        if bundle.fingerprint != config["fingerprint"]:
            raise ValueError(
                f"{self.model} and {self.bundle} come from different trainings (their fingerprints differ); "
                "restore both from one training, or train again"
            )
        self.check_files(config)
        return config, bundle

    def load_model(self, build: Callable[[], M], device: str) -> M:
        """Build the model of a finished run, load its weights, and return it in eval mode on ``device``.

        Args:
            build: builds the model from the settings in ``config.json``.
            device: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
        Raises:
            FileNotFoundError, ValueError: the weights or the settings cannot be read.
        """
        try:
            model = build()
        except (KeyError, TypeError, AttributeError, OverflowError, RuntimeError) as error:
            raise ValueError(
                f"{self.model / CONFIG_FILE}: this version of poeem cannot read its settings ({error}); "
                "use the version that trained it, or train again"
            ) from None
        load_weights(model, self.model / WEIGHTS_FILE)
        model.to(torch_device(device)).eval()
        return model

    @property
    def has_model(self) -> bool:
        """Whether the training has been finished and its model stored."""
        if self.path.is_dir():
            recover(self.model)
        return (self.model / CONFIG_FILE).is_file()

    def config(self) -> dict[str, Any]:
        """Read the config that ``store_model`` wrote.

        Raises:
            FileNotFoundError: there is no run, or it has not been finished.
            ValueError: the file is damaged or of a newer version.
        """
        if not self.path.is_dir():
            raise FileNotFoundError(f"no run at {str(self.path)!r}: there is no such folder")
        if not self.has_model:
            unfinished = self.checkpoints.is_dir()
            fix = "its training is not finished: resume it" if unfinished else "name the folder that a training wrote"
            raise FileNotFoundError(f"no model in {str(self.path)!r}; {fix}")
        file = self.model / CONFIG_FILE
        try:
            config = json.loads(file.read_text(encoding="utf-8"))
            format, version = config["format"], config["format_version"]
            # Runs before there were several recipes do not name theirs.
            config.setdefault("recipe", "interactions")
            kinds = {"recipe": str, "settings": dict, "step": int, "timings": dict, "fingerprint": str, "files": dict}
            for name, kind in kinds.items():
                value = config.get(name, {}) if name == "files" else config[name]
                if type(value) is not kind:
                    raise ValueError(f"{name} is no {kind.__name__}")
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"{file}: cannot be read ({error}); restore the file, or train again") from None
        if format != FORMAT or version != FORMAT_VERSION:
            raise ValueError(
                f"{file}: is {format!r} version {version!r}, this poeem reads {FORMAT!r} version {FORMAT_VERSION}; "
                "upgrade poeem, or train again"
            )
        return config


def _check_undamaged(file: Path, sha256: str) -> None:
    if file_record(file).sha256 != sha256:
        raise ValueError(
            f"{file}: is damaged (its SHA-256 is not that of the training); restore the file, or train again"
        )
