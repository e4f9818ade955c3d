"""What OpenAPI says beside the models: binary bodies, examples and refusals."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from poeem.serve.arrays import ARROW, NPY
from poeem.serve.models import ErrorAnswer

KEY_HEADER = "X-API-Key"
# FastAPI's name of the scheme, which the routes with dependencies bring into the document.
KEY_SECURITY = [{"APIKeyHeader": []}]

_TEXTS = {
    400: "The host name is not served here.",
    401: "The key is missing or wrong.",
    404: "There is no such item.",
    408: "The body was sent too slowly.",
    409: "The bundle is changed by another process, or is of another training.",
    413: "The body is too large.",
    415: "The media type is not known.",
    422: "A field is wrong; `field` names it.",
    429: "Too many queries wait; `Retry-After` says when to try again.",
}
_BINARY = {"schema": {"type": "string", "format": "binary"}}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the descriptions of answers that refuse a request."""
    return {status: {"model": ErrorAnswer, "description": _TEXTS[status]} for status in (400, 401, *statuses)}


def body(model: type[BaseModel], examples: dict[str, Any], *binary: str) -> dict[str, Any]:
    """Return the description of a body.

    Args:
        model: the JSON body.
        examples: JSON bodies by name.
        binary: further media types.
    """
    schema = model.model_json_schema()
    json = {"schema": schema, "examples": {name: {"value": value} for name, value in examples.items()}}
    return {"requestBody": {"required": True, "content": {"application/json": json, **dict.fromkeys(binary, _BINARY)}}}


SEARCHES = {
    "user": {"user": "u42", "k": 5},
    "item": {"item": "i7", "k": 5},
    "history": {"history": ["i7", "i12"], "k": 5},
    "text": {"query": "organic milk", "where": "price < 5", "columns": ["title"]},
    "vectors": {"vectors": [[0.1, 0.2, 0.3]], "k": 5, "nprobe": 8},
}
WRITES = {
    "vectors": {"ids": ["i7"], "vectors": [[0.1, 0.2, 0.3]], "columns": {"title": ["lamp"]}},
    "texts": {"ids": ["q1"], "texts": ["how to reset my password"]},
}
SWAPS = {
    "new version": {"path": "tuesday"},
    "another training": {"path": "wednesday", "fingerprint": "0" * 64},
    "the same folder again": {},
}
SEARCH_BODY = (NPY, ARROW)
WRITE_BODY = (ARROW,)
