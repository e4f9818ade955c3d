"""Lists of a Debian archive, such as package descriptions, downloaded into the cache by apt."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from poeem.data.cache import fetch

HELPER = "/usr/lib/apt/apt-helper"


def fetch_apt_list(release: str, component: str, target: str) -> Path:
    """A list of the machine's Debian mirror from the cache, else by ``apt-get update`` into a temporary folder.

    The machine's own lists and packages do not change, and no rights are needed. apt checks the archive's signature.
    A list in the cache is never updated, although the archive changes it with every update of the release.

    Args:
        release: code name, such as ``bookworm``.
        component: such as ``main``.
        target: ``Translation-en`` or the like: the end of the list's name.
    Returns:
        path of the list, as plain text, in :func:`~poeem.data.cache.cache_dir`.
    Raises:
        RuntimeError: apt is missing or failed, or its sources lack the release.
    """
    filename = f"debian-{release}-{component}-{target}"

    def download(folder: Path, path: Path) -> None:
        with tempfile.TemporaryDirectory(dir=folder) as work:
            content = _update(Path(work), f"_dists_{release}_{component}_i18n_{target}", path)
        (folder / filename).write_bytes(content)

    label = f"{target} of Debian {release} {component}"
    return fetch(filename, download, label=label, tool="apt", sha256=None, size=16_000_000)


def _update(folder: Path, name: str, path: Path) -> bytes:
    """The content of the list whose file name ends in ``name``; ``path`` is where it will be cached, for messages."""
    lists, cache = folder / "lists", folder / "cache"
    (lists / "partial").mkdir(parents=True)
    (cache / "archives" / "partial").mkdir(parents=True)
    # Slim container images turn long descriptions off. As root, apt would switch to a user that may not write here.
    settings = {
        "Dir::State::lists": lists,
        "Dir::Cache": cache,
        "APT::Sandbox::User": "root",
        "Acquire::Languages": name.rpartition("-")[2],
    }
    options = [part for key, value in settings.items() for part in ("-o", f"{key}={value}")]
    _run(["apt-get", "update", "--quiet", *options], path)
    matching = sorted(file for file in lists.iterdir() if file.name.partition(".lz4")[0].endswith(name))
    if not matching:
        listed = ", ".join(sorted(file.name for file in lists.glob("*Translation*"))) or "no descriptions at all"
        raise RuntimeError(
            f"apt's sources on this machine have no list ...{name} (found: {listed}); fetch it on a machine of that "
            f"release and put it, unpacked, at {path}"
        )
    # apt reads the list in any compression.
    return _run([HELPER, "cat-file", str(matching[0])], path)


def _run(command: list[str], path: Path) -> bytes:
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True)
    except OSError as error:
        output = str(error)
    else:
        if done.returncode == 0:
            return done.stdout
        output = "\n".join((done.stderr or done.stdout).decode(errors="replace").strip().splitlines()[-5:])
    raise RuntimeError(
        f"{path.name} could not be fetched with apt; tried: {' '.join(command)}\n{output}\n"
        f"Without apt, fetch the list on a Debian machine and put it, unpacked, at {path}"
    )
