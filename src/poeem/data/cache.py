"""The cache folder, and files fetched into it: wheels that carry data, with pip."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from poeem.bundle.checksum import file_sha256

log = logging.getLogger(__name__)


def cache_dir() -> Path:
    """The folder that fetched files are kept in: ``POEEM_CACHE``, else the platform's own place for caches."""
    named = os.environ.get("POEEM_CACHE")
    if named:
        return Path(named).expanduser()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "poeem"


def fetch_wheel(name: str, version: str, filename: str, sha256: str, size: int) -> Path:
    """A wheel from the cache, else by ``pip download`` with pip's own settings (index, proxy, certificates).

    The wheel is not installed; its dependencies are not fetched. A file of that name in the cache that has another
    checksum is fetched again. Several processes may ask at once.

    Args:
        name, version: the distribution, as pip knows it.
        filename: of the wheel.
        sha256: of the wheel, hexadecimal.
        size: of the wheel, bytes; for the message while waiting.
    Returns:
        the wheel's path in :func:`cache_dir`.
    Raises:
        RuntimeError: pip failed, or what came is not the file that was asked for; nothing is kept then.
    """

    def download(folder: Path, kept: Path) -> None:
        _pip_download(f"{name}=={version}", folder, kept)

    return fetch(filename, download, what=f"{name} {version}", by="pip", sha256=sha256, size=size)


def fetch(
    filename: str, download: Callable[[Path, Path], None], *, what: str, by: str, sha256: str | None, size: int
) -> Path:
    """A file from the cache, else downloaded, checked and kept there; the rules are those of :func:`fetch_wheel`.

    Args:
        filename: in the cache.
        download: takes a fresh folder, to leave a file of that name in, and the path that it will be kept at, for
            messages.
        what, by: for messages: what is fetched with which tool.
        sha256: of the file, hexadecimal; None takes what comes.
        size: bytes.
    Returns:
        the file's path in :func:`cache_dir`.
    Raises:
        RuntimeError: what came is not the file that was asked for, or the cache folder cannot be used.
    """
    kept = cache_dir() / filename
    if kept.is_file() and sha256 in (None, file_sha256(kept)):
        return kept
    log.info("fetching %s (%.1f MB) into %s", what, size / 1e6, kept.parent)
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        # A folder beside the target: the rename that ends the fetch is then atomic, whoever else does the same.
        with tempfile.TemporaryDirectory(dir=kept.parent, prefix=".fetch-") as folder:
            fetched = Path(folder) / filename
            download(Path(folder), kept)
            if not fetched.is_file():
                raise RuntimeError(f"{by} fetched {sorted(os.listdir(folder))} for {what}, not {filename}")
            found = file_sha256(fetched)
            if sha256 not in (None, found):
                raise RuntimeError(
                    f"{filename} as fetched has SHA-256 {found}, {fetched.stat().st_size} bytes, instead of {sha256}, "
                    f"{size} bytes; it was not kept. Ask for the genuine file where {by} is set up, "
                    f"or put it at {kept} by hand"
                )
            os.replace(fetched, kept)
    except OSError as error:
        raise RuntimeError(
            f"the cache folder {kept.parent} cannot be used ({error}); set POEEM_CACHE to one that can be written"
        ) from error
    return kept


def _pip_download(requirement: str, folder: Path, kept: Path) -> None:
    # Wheels only: a source archive would run its setup code.
    options = ["--no-deps", "--only-binary=:all:", "--quiet", "--no-input", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "download", *options, "--dest", str(folder), requirement]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    if done.returncode:
        said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-5:]) or f"exit code {done.returncode}"
        raise RuntimeError(
            f"{requirement} could not be fetched with pip; tried: {' '.join(command)}\n{said}\n"
            f"Behind a proxy, set up pip for it. Without a network, fetch {kept.name} elsewhere "
            f"(pip download --no-deps {requirement}) and put it into {kept.parent}"
        )
