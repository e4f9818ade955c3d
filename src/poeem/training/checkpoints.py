"""Checkpoints of a run: written beside their place and renamed in, so that none is ever half there.

Our own rather than accelerate's: its restore unpickles random states, and ours are functions of the step.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import nn

from poeem.bundle.atomic import recover, replace_directory, staging
from poeem.bundle.checksum import file_sha256
from poeem.bundle.library_file import library_file
from poeem.bundle.regular_file import read_file, refuse_link
from poeem.bundle.whole_file import write_text
from poeem.training.weights import load_weights, save_weights

STATE_FILE, WEIGHTS_FILE, OPTIMIZER_FILE = "state.json", "model.safetensors", "optimizer.pt"
SETTINGS_FILE = "settings.json"


class Checkpoints:
    """The folder of a run's checkpoints, ``step-N/`` each: weights, optimizer, state, and a checksum of each file.

    Args:
        folder: is made by ``begin``.
        settings: what the run depends on, as JSON values; a run can be resumed with the same only.
        resume: whether the folder may hold a run already.
        keep: newest checkpoints to keep; the best one is kept beside them.
    Raises:
        ValueError: there is a run and ``resume`` is false, or its settings are others.
    """

    def __init__(self, folder: str | Path, settings: Mapping[str, Any], *, resume: bool, keep: int = 2) -> None:
        self.folder, self.keep, self._settings = Path(folder), keep, dict(settings)
        file = self.folder / SETTINGS_FILE
        if file.is_file():
            if not resume:
                raise ValueError(f"{self.folder} holds a run already; resume it, or choose another folder")
            _check_settings(file, settings)

    def begin(self) -> None:
        """Make the folder and note the settings: from here on there is a run to resume."""
        if not (self.folder / SETTINGS_FILE).is_file():
            self.folder.mkdir(parents=True, exist_ok=True)
            write_text(self.folder / SETTINGS_FILE, json.dumps(self._settings, indent=2))

    def end_without_any(self) -> None:
        """Take the folder away again if no checkpoint was written: a corrected run may then use its name."""
        if self.steps():
            return
        (self.folder / SETTINGS_FILE).unlink(missing_ok=True)
        with suppress(OSError):  # not empty
            self.folder.rmdir()

    def save(self, step: int, model: nn.Module, optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> Path:
        """Write ``step-<step>`` and delete what is no longer kept.

        Args:
            step: steps done.
            model, optimizer: unwrapped.
            state: JSON values to come back on resume; ``best_step``, if there and no None, is kept too.
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
        kept = {*self.steps()[-self.keep :], state.get("best_step")}
        for old in self.steps():
            if old not in kept:
                shutil.rmtree(self.folder / f"step-{old}", ignore_errors=True)
        return target

    def steps(self) -> list[int]:
        """Steps of the checkpoints that are there, ascending; an interrupted write is finished or forgotten first."""
        for ready in self.folder.glob(".step-*.ready"):
            recover(self.folder / ready.name.removeprefix(".").removesuffix(".ready"))
        names = (re.fullmatch("step-([0-9]+)", path.name) for path in self.folder.glob("step-*"))
        return sorted(int(name[1]) for name in names if name)

    def load(self, step: int, model: nn.Module, optimizer: torch.optim.Optimizer | None = None) -> dict[str, Any]:
        """Bring back ``step-<step>``; returns the state that was saved with it.

        Raises:
            ValueError: it is damaged or of another model.
        """
        folder = self.folder / f"step-{step}"
        mend = f"delete {folder} to go on from the checkpoint before it"
        try:
            said = json.loads(read_file(folder / STATE_FILE))
            files, state = said["files"], said["state"]
            if not isinstance(files, dict) or not isinstance(state, dict) or type(said["step"]) is not int:
                raise ValueError("step, state and files are not a number and two objects")
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise ValueError(f"checkpoint {folder} cannot be read ({STATE_FILE}: {error}); {mend}") from None
        for name in (WEIGHTS_FILE, OPTIMIZER_FILE):
            if not (folder / name).is_file() or file_sha256(folder / name) != files.get(name):
                raise ValueError(f"checkpoint {folder} is damaged ({name} is not what was written); {mend}")
        load_weights(model, folder / WEIGHTS_FILE)
        if optimizer is not None:
            # Whatever a foreign file makes torch raise: its advice to unpickle without checks must not be followed.
            try:
                optimizer.load_state_dict(torch.load(folder / OPTIMIZER_FILE, map_location="cpu", weights_only=True))
            except Exception as error:
                kind = type(error).__name__
                raise ValueError(
                    f"checkpoint {folder}: {OPTIMIZER_FILE} is no optimizer state ({kind}); {mend}"
                ) from None
        return state


def _check_settings(file: Path, settings: Mapping[str, Any]) -> None:
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(stored, dict):
            raise ValueError("no JSON object")
    except ValueError as error:
        raise ValueError(f"{file} cannot be read ({error}); start a new run in another folder") from None
    asked = json.loads(json.dumps(dict(settings)))
    for name in (*asked, *(name for name in stored if name not in asked)):
        if stored.get(name) != asked.get(name):
            raise ValueError(
                f"{name} (={asked.get(name)!r}) differs from that of the run to resume (={stored.get(name)!r}); "
                "resume with the same settings, or start a new run in another folder"
            )
