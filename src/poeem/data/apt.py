"""Lists of a Debian archive, such as its package descriptions, fetched into the cache with apt."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from poeem.data.cache import fetch

HELPER = "/usr/lib/apt/apt-helper"


def fetch_apt_list(release: str, component: str, target: str) -> Path:
    """A list of the machine's own Debian mirror from the cache, else by ``apt-get update`` into a folder of its own.

    The machine's own lists and packages are left as they are; no rights are needed. apt checks the archive's signature.
    A list in the cache is kept for good: it changes with every update of the release.

    Args:
        release: code name, such as ``bookworm``.
        component: such as ``main``.
        target: ``Translation-en`` or the like: the end of the list's name.
    Returns:
        path of the list, as plain text, in :func:`~poeem.data.cache.cache_dir`.
    Raises:
        RuntimeError: apt is missing or failed, or its sources have no such release.
    """
    filename = f"debian-{release}-{component}-{target}"

    def download(folder: Path, kept: Path) -> None:
        with tempfile.TemporaryDirectory(dir=folder) as work:
            content = _update(Path(work), f"_dists_{release}_{component}_i18n_{target}", kept)
        (folder / filename).write_bytes(content)

    what = f"{target} of Debian {release} {component}"
    return fetch(filename, download, what=what, by="apt", sha256=None, size=16_000_000)


def _update(folder: Path, name: str, kept: Path) -> bytes:
    lists, cache = folder / "lists", folder / "cache"
    (lists / "partial").mkdir(parents=True)
    (cache / "archives" / "partial").mkdir(parents=True)
    # Long descriptions are off in the slim images that containers are made of. As root, apt would drop to a user that
    # may not write here.
    settings = {
        "Dir::State::lists": lists,
        "Dir::Cache": cache,
        "APT::Sandbox::User": "root",
        "Acquire::Languages": name.rpartition("-")[2],
    }
    options = [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]
    _run(["apt-get", "update", "--quiet", *options], kept)
    found = sorted(path for path in lists.iterdir() if path.name.partition(".lz4")[0].endswith(name))
    if not found:
        there = ", ".join(sorted(path.name for path in lists.glob("*Translation*"))) or "no descriptions at all"
        raise RuntimeError(
            f"apt's sources on this machine have no list ...{name} (found: {there}); fetch it on a machine of that "
            f"release and put it, unpacked, at {kept}"
        )
    # However the list is compressed, apt can read it.
    return _run([HELPER, "cat-file", str(found[0])], kept)


def _run(command: list[str], kept: Path) -> bytes:
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True)
    except OSError as error:
        said = str(error)
    else:
        if done.returncode == 0:
            return done.stdout
        said = "\n".join((done.stderr or done.stdout).decode(errors="replace").strip().splitlines()[-5:])
    raise RuntimeError(
        f"{kept.name} could not be fetched with apt; tried: {' '.join(command)}\n{said}\n"
        f"Without apt, fetch the list on a Debian machine and put it, unpacked, at {kept}"
    )
