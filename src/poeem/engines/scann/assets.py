"""ScaNN's list of its files. It has absolute paths and must be updated after the folder has moved."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import Any

from poeem.bundle.whole_file import write_text
from poeem.engines.scann.install import import_scann

CONFIG, ASSETS = "scann_config.pb", "scann_assets.pbtxt"
CODEBOOKS, CODES = "ah_codebook.pb", "hashed_dataset.npy"
CENTROIDS, LISTS = "serialized_partitioner.pb", "datapoint_to_token.npy"

_TYPES = {CODEBOOKS: "AH_CENTERS", CENTROIDS: "PARTITIONER", LISTS: "TOKENIZATION_NPY", CODES: "AH_DATASET_NPY"}


def assets_text(folder: Path, place: Path) -> str:
    """Return the text of the list: the files in ``folder``, with their paths if the folder were at ``place``."""
    lines = []
    for name, kind in _TYPES.items():
        if (folder / name).exists():
            path = str(place / name).replace("\\", "\\\\").replace('"', '\\"')
            lines.append(f'assets {{\n  asset_type: {kind}\n  asset_path: "{path}"\n}}\n')
    return "".join(lines)


def load(folder: Path) -> Any:
    """Load ScaNN's searcher from a folder that may have moved. The list of paths is updated if it can be written.

    Returns:
        ScaNN's searcher.
    Raises:
        ValueError: a file is missing or damaged, or scann is not installed.
    """
    folder = folder.resolve()
    library = import_scann("scann.scann_ops.py.scann_ops_pybind")
    text = assets_text(folder, folder)
    try:
        with tempfile.TemporaryDirectory() as other:
            if (folder / ASSETS).read_text(encoding="utf-8") == text:
                return library.load_searcher(str(folder))
            # A folder that must not be written to can still be read from another one.
            shutil.copy(folder / CONFIG, other)
            (Path(other) / ASSETS).write_text(text, encoding="utf-8")
            searcher = library.load_searcher(other)
    except (OSError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{str(folder)!r} cannot be loaded by ScaNN ({reason}); export the bundle again") from None
    # Not through a link: the folder may be a stranger's.
    with contextlib.suppress(OSError, ValueError):
        write_text(folder / ASSETS, text)
    return searcher
