"""``poeem serve DIR &`` and ``curl`` in the blocks of a page: real servers on free ports."""

from __future__ import annotations

import json
import tempfile
import urllib.request
from pathlib import Path

from benchmarks.serve.forked import ForkedServer

# As the pages write it.
ADDRESS = "127.0.0.1:8000"
_running: list[ForkedServer] = []


def start(words: list[str]) -> None:
    """Start ``poeem serve WORDS``; the last word is ``&``."""
    assert words[-1] == "&", "a server that is not in the background would never end"
    folder = Path(tempfile.mkdtemp())
    _running.append(ForkedServer(Path(words[0]), *words[1:-1], log=folder / "log"))


def placed(text: str) -> str:
    """A block with the address of the server that runs."""
    return text.replace(ADDRESS, f"127.0.0.1:{_running[-1].port}") if _running else text


def stop_all() -> None:
    """End all servers."""
    while _running:
        _running.pop().stop()


def curl(words: list[str]) -> None:
    """Send a request: ``-s``, ``-X METHOD``, ``-H HEADER`` and ``-d DATA``, as curl does.

    Raises:
        AssertionError: another option.
        urllib.error.HTTPError: the server refuses it.
    """
    method, headers, data, url = None, {}, None, ""
    given = iter(words)
    for word in given:
        if word == "-X":
            method = next(given)
        elif word == "-H":
            name, _, value = next(given).partition(":")
            headers[name] = value.strip()
        elif word == "-d":
            data = next(given).encode()
        elif word != "-s":
            assert not word.startswith("-"), word
            url = word
    address = url if url.startswith("http") else f"http://{url}"
    with urllib.request.urlopen(urllib.request.Request(address, data, headers, method=method)) as answer:
        body = answer.read()
    if answer.headers["content-type"] == "application/json":
        print(json.dumps(json.loads(body)))
