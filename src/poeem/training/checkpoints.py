"""Checkpoints of a run. Each is written to a new folder, which is then renamed, so none is ever incomplete.

accelerate's checkpoints are not used: loading them unpickles random states, which are not needed here because they are
functions of the step.
"""

from __future__ import annotations

import json
import re
import shutil
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import nn

from poeem.bundle.atomic import recover, replace_directory, staging
from poeem.bundle.library_file import library_file
from poeem.bundle.regular_file import read_file, refuse_link
from poeem.bundle.whole_file import write_text
from poeem.data.checksum import file_sha256
from poeem.training.history import HISTORY_FILE, History
from poeem.training.weights import load_weights, save_weights

STATE_FILE, WEIGHTS_FILE, OPTIMIZER_FILE = "state.json", "model.safetensors", "optimizer.pt"
SETTINGS_FILE = "settings.json"


class Checkpoints:
    """The folder of a run's checkpoints: ``step-N/`` with weights, optimizer, state and a checksum of each file.

    Beside them is ``history.jsonl``, the figures of the training by step.

    Args:
        folder: folder of the checkpoints; ``begin`` makes it.
        settings: everything that the run depends on, as JSON values. A run is resumed with equal settings only, by any
            number of processes.
        resume: whether the folder may hold a run already.
        keep: number of newest checkpoints to keep, besides the best one.
    Raises:
        ValueError: there is a run and ``resume`` is false, or the run has other settings.
    """

    def __init__(self, folder: str | Path, settings: Mapping[str, Any], *, resume: bool, keep: int = 2) -> None:
        self.folder, self.keep, self._settings = Path(folder), keep, dict(settings)
        self.history = History(self.folder / HISTORY_FILE)
        file = self.folder / SETTINGS_FILE
        if file.is_file():
            if not resume:
                raise ValueError(f"{self.folder} holds a run already; resume it, or choose another folder")
            _check_settings(file, settings)

    def begin(self) -> None:
        """Make the folder and write the settings. From then on there is a run to resume."""
        if not (self.folder / SETTINGS_FILE).is_file():
            self.folder.mkdir(parents=True, exist_ok=True)
            write_text(self.folder / SETTINGS_FILE, json.dumps(self._settings, indent=2))

    def remove_if_empty(self) -> None:
        """Delete the folder if it has no checkpoint: a corrected run may then use its name."""
        if self.steps():
            return
        for name in (SETTINGS_FILE, HISTORY_FILE):
            (self.folder / name).unlink(missing_ok=True)
        with suppress(OSError):  # not empty
            self.folder.rmdir()

    def save(self, step: int, model: nn.Module, optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> Path:
        """Write ``step-<step>`` and delete old checkpoints.

        Args:
            step: steps done.
            model, optimizer: not wrapped by accelerate.
            state: JSON values that ``load`` returns. The checkpoint of its ``best_step`` is not deleted.
        Returns:
            the folder of the checkpoint.
        """
        target = self.folder / f"step-{step}"
        refuse_link(self.folder)
        with staging(target) as new:
            save_weights(model, new / WEIGHTS_FILE)
            with library_file(new / OPTIMIZER_FILE) as file:
                torch.save(optimizer.state_dict(), file)  # pyright: ignore[reportArgumentType]
            files = {name: file_sha256(new / name) for name in (WEIGHTS_FILE, OPTIMIZER_FILE)}
            (new / STATE_FILE).write_text(json.dumps({"step": step, "state": dict(state), "files": files}, indent=2))
            replace_directory(new, target)
        keep = {*self.steps()[-self.keep :], state.get("best_step")}
        for old in self.steps():
            if old not in keep:
                shutil.rmtree(self.folder / f"step-{old}", ignore_errors=True)
        return target

    def steps(self) -> list[int]:
        """Return the steps of the stored checkpoints, ascending. A write that was interrupted is first completed or
        dropped.
        """
        for ready in self.folder.glob(".step-*.ready"):
            recover(self.folder / ready.name.removeprefix(".").removesuffix(".ready"))
        names = (re.fullmatch("step-([0-9]+)", path.name) for path in self.folder.glob("step-*"))
        return sorted(int(name[1]) for name in names if name)

    def load(self, step: int, model: nn.Module, optimizer: torch.optim.Optimizer | None = None) -> dict[str, Any]:
        """Load ``step-<step>`` into model and optimizer, and return the state that was saved with it.

        Raises:
            ValueError: the checkpoint is damaged or belongs to another model.
        """
        folder = self.folder / f"step-{step}"
        fix = f"delete {folder} to resume from the checkpoint before it"
        try:
            stored = json.loads(read_file(folder / STATE_FILE))
            files, state = stored["files"], stored["state"]
            if not isinstance(files, dict) or not isinstance(state, dict) or type(stored["step"]) is not int:
                raise ValueError("step, state and files are not a number and two objects")
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise ValueError(f"checkpoint {folder} cannot be read ({STATE_FILE}: {error}); {fix}") from None
        for name in (WEIGHTS_FILE, OPTIMIZER_FILE):
            if not (folder / name).is_file() or file_sha256(folder / name) != files.get(name):
                raise ValueError(f"checkpoint {folder} is damaged ({name} is not what was written); {fix}")
        load_weights(model, folder / WEIGHTS_FILE)
        if optimizer is not None:
            # torch warns of a foreign file, raises many types, and advises to unpickle without checks: not repeated.
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    stored = torch.load(folder / OPTIMIZER_FILE, map_location="cpu", weights_only=True)
                optimizer.load_state_dict(stored)
            except Exception as error:
                kind = type(error).__name__
                raise ValueError(
                    f"checkpoint {folder}: {OPTIMIZER_FILE} holds no optimizer state ({kind}); {fix}"
                ) from None
        return state


def _check_settings(file: Path, settings: Mapping[str, Any]) -> None:
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(stored, dict):
            raise ValueError("no JSON object")
    except ValueError as error:
        raise ValueError(f"{file} cannot be read ({error}); start a new run in another folder") from None
    # Earlier versions stored the number of processes. A training no longer depends on it.
    stored.pop("processes", None)
    given = json.loads(json.dumps(dict(settings)))
    for name in (*given, *(name for name in stored if name not in given)):
        if stored.get(name) != given.get(name):
            raise ValueError(
                f"{name} (={given.get(name)!r}) differs from that of the run to resume (={stored.get(name)!r}); "
                "resume with the same settings, or start a new run in another folder"
            )
