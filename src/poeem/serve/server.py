"""Run the server: bind the port, load the index, then listen."""

from __future__ import annotations

import socket
import time
from pathlib import Path

from poeem.serve.options import LimitOptions, ServeOptions


def run_server(folder: Path, options: ServeOptions, limits: LimitOptions) -> None:
    """Serve a run, a fit or a bundle until the process is told to end.

    Args:
        folder: its folder.
        options: what is served, and where.
        limits: limits of requests.
    Raises:
        ValueError: a package is missing, the port is not free, or the folder cannot be served.
        FileNotFoundError: there is no bundle.
    """
    started = time.perf_counter()
    try:
        import uvicorn

        from poeem.serve.app import make_app
    except ImportError as error:
        raise ValueError(
            f"serve needs the package {error.name!r}; install the extra: pip install 'poeem-torch[serve]'"
        ) from None
    from poeem.serve.logs import log, log_lines
    from poeem.serve.service import Service
    from poeem.serve.version import open_version

    bound = _bind(options.host, options.port)
    with bound:
        log_lines()
        version = open_version(folder, engine=options.engine, nprobe=options.nprobe)
        service = Service(version, options, limits)
        config = uvicorn.Config(
            make_app(service, host=options.host),
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=int(limits.max_seconds) + 1,
        )
        host, port = bound.getsockname()[:2]
        log("ready", url=f"http://{_shown(host)}:{port}", rows=len(version), spec=str(version.bundle.spec),
            fingerprint=version.fingerprint, seconds=round(time.perf_counter() - started, 2))  # fmt: skip
        if options.api_key is None and host not in ("127.0.0.1", "::1"):
            log("no key", warning="everybody who reaches this address can change the items; give --api-key")
        uvicorn.Server(config).run([bound])


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(2048)
    except OSError as error:
        bound.close()
        what = error.strerror or str(error)
        raise ValueError(f"port (={port}) cannot be opened at {host!r} ({what}); choose another with --port") from None
    return bound


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
