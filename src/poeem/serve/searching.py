"""``POST /search``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response

from poeem.serve.arrays import ARROW, write_arrow
from poeem.serve.bodies import asked_of, read_search
from poeem.serve.docs import KEY_HEADER, KEY_SECURITY, SEARCH_BODY, SEARCHES, body, refusals
from poeem.serve.found import Found
from poeem.serve.models import SearchAnswer, SearchRequest
from poeem.serve.refusal import refusal_of
from poeem.serve.service import Service
from poeem.serve.version import Version

if TYPE_CHECKING:
    import pyarrow as pa

ROUTER = APIRouter()
_PARAMETERS = [
    {
        "name": name,
        "in": "query",
        "required": False,
        "description": f"With a binary body: {text}.",
        "schema": {"type": "integer", "minimum": 1},
    }
    for name, text in (("k", "results per query"), ("nprobe", "inverted lists visited"))
]


@ROUTER.post(
    "/search",
    summary="Search by user, item, history, text, image or vectors.",
    description="A binary body holds query vectors: `.npy` of version 1.0, `(n, dim)`, or an Arrow stream with a column"
    " `vector`. `k` and `nprobe` are then in the address. `Accept: " + ARROW + "` gets an Arrow stream with the columns"
    " `ids` and `scores`, and the fingerprint in its metadata.",
    response_model=SearchAnswer,
    responses={200: {"content": {ARROW: {}}}, **refusals(408, 413, 415, 422, 429)},
    # Not as arguments and dependencies of the function: FastAPI takes as long for them as the engine for a search.
    openapi_extra={**body(SearchRequest, SEARCHES, *SEARCH_BODY), "parameters": _PARAMETERS, "security": KEY_SECURITY},
)
async def search(request: Request) -> Response:
    """Search, and answer in JSON or Arrow."""
    service: Service = request.app.state.service
    service.check_key(request.headers.get(KEY_HEADER))
    wanted = await read_search(request)
    version = service.version
    asked = asked_of(wanted, version, service.limits)
    names = (wanted[0] if isinstance(wanted, tuple) else wanted).columns
    try:
        found = await service.search(version, asked)
        columns = None if names is None else _columns(version, found, names)
    except ValueError as error:
        raise refusal_of(error, asked.fields) from None
    if ARROW in request.headers.get("accept", ""):
        return Response(write_arrow(_table(found, version, columns)), media_type=ARROW)
    answer = SearchAnswer(
        ids=found.ids, scores=found.scores, fingerprint=version.fingerprint, revision=found.revision, columns=columns
    )
    return Response(answer.model_dump_json(exclude_none=columns is None), media_type="application/json")


def _columns(version: Version, found: Found, names: list[str]) -> dict[str, list[list[Any]]]:
    """Columns of the results, a list for each query; pictures and other bytes as base64."""
    rows = [version.columns_of(ids, names) for ids in found.ids]
    return {name: [[plain(value) for value in row[name]] for row in rows] for name in names}


def plain(value: Any) -> Any:
    """Return a value of a column as JSON has it; bytes as base64."""
    if isinstance(value, bytes):
        import base64

        return base64.b64encode(value).decode()
    return value if isinstance(value, str | int | float | bool | list | dict | None) else str(value)


def _table(found: Found, version: Version, columns: dict[str, list[list[Any]]] | None) -> pa.Table:
    import pyarrow as pa

    kind = pa.string() if version.bundle.string_ids else pa.int64()
    data = {"ids": pa.array(found.ids, pa.list_(kind)), "scores": pa.array(found.scores, pa.list_(pa.float32()))}
    for name, rows in (columns or {}).items():
        data[name] = pa.array(rows)
    table = pa.table(data)
    return table.replace_schema_metadata({"fingerprint": version.fingerprint, "revision": str(found.revision)})
