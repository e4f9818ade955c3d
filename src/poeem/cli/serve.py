"""``poeem serve``: serve an index over HTTP, with a page to look at it."""

from __future__ import annotations

import os
from typing import Any

from poeem.cli.command import HelpAll, options_of
from poeem.cli.options import RunFolder
from poeem.option import named
from poeem.serve.options import LimitOptions, ServeOptions


@options_of(ServeOptions, LimitOptions)
def serve(given: dict[str, Any], *, folder: RunFolder, help_all: HelpAll = False) -> None:
    """Serve a run, a fit or a bundle over HTTP: search, changes, metrics, and a page at /."""
    from poeem.serve.server import run_server

    key = os.environ.get("POEEM_API_KEY")
    if key:
        given.setdefault("api_key", key)
    options, limits = named((ServeOptions, LimitOptions), **given)
    run_server(folder, options, limits)
