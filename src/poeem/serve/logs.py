"""Logs as lines of JSON on stderr."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any

LOGGER = logging.getLogger("poeem.serve")


class JsonLines(logging.Formatter):
    """Formats a record as one JSON object.

    >>> record = logging.LogRecord("n", logging.INFO, "", 0, "ready", None, None)
    >>> record.facts = {"rows": 3}
    >>> json.loads(JsonLines().format(record)) | {"time": ""}
    {'time': '', 'level': 'info', 'event': 'ready', 'rows': 3}
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, Any] = {"time": f"{stamp}.{record.msecs:03.0f}Z", "level": record.levelname.lower()}
        line |= {"event": record.getMessage(), **getattr(record, "facts", {})}
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def log_lines() -> None:
    """Send the logs of this server and of uvicorn to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for name, level in (("poeem.serve", logging.INFO), ("uvicorn", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)


def log(event: str, **facts: Any) -> None:
    """Log an event with facts about it."""
    LOGGER.info(event, extra={"facts": facts})
