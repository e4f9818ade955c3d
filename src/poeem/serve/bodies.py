"""Read the bodies of requests, JSON and binary, and check them against the limits."""

from __future__ import annotations

import asyncio
import base64
import binascii
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from fastapi import Request
from pydantic import BaseModel, ValidationError

from poeem.serve.arrays import ARROW, NPY, read_arrow, read_npy, vectors_of
from poeem.serve.found import Asked
from poeem.serve.models import SearchRequest, WriteRequest
from poeem.serve.options import LimitOptions
from poeem.serve.refusal import Refusal
from poeem.serve.version import Version

if TYPE_CHECKING:
    import pyarrow as pa

JSON = "application/json"
B = TypeVar("B", bound=BaseModel)


def kind_of(request: Request) -> str:
    """Return the media type of a body, without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_json(request: Request, model: type[B]) -> B:
    """Read a JSON body.

    Raises:
        Refusal: it is no JSON, has another media type, or a field is wrong.
    """
    if kind_of(request) != JSON:
        raise Refusal(415, f"content-type (={kind_of(request)!r}) must be {JSON}", "content-type")
    try:
        return model.model_validate_json(await request.body())
    except ValidationError as error:
        raise validation_refusal(error.errors(include_url=False, include_context=False)) from None


def validation_refusal(errors: Any) -> Refusal:
    """Return the refusal for pydantic's first error."""
    first = errors[0]
    # The kinds of an id's union are no names of fields.
    place = [str(part) for part in first["loc"] if part not in ("body", "query", "path", "header")]
    field = place[0] if place else None
    where = ".".join(part for part in place if part.isidentifier() or part.isdecimal()) or "body"
    return Refusal(422, f"{where}: {first['msg']}", field)


async def read_search(request: Request) -> SearchRequest | tuple[SearchRequest, np.ndarray]:
    """Read a search. A binary body gives its vectors as an array; ``k`` and so on are then in the address.

    Raises:
        Refusal: the body or a parameter is wrong.
    """
    kind = kind_of(request)
    if kind not in (NPY, ARROW):
        if kind != JSON:
            known = f"{JSON}, {NPY} or {ARROW}"
            raise Refusal(415, f"content-type (={kind!r}) must be {known}", "content-type")
        return await read_json(request, SearchRequest)
    body = await request.body()
    if kind == NPY:
        vectors = read_npy(body)
    else:
        table = read_arrow(body)
        if table.column_names != ["vector"]:
            raise Refusal(422, f"body has the columns {table.column_names}; it must have one, 'vector'", "body")
        vectors = vectors_of(table["vector"], "vector")
    given: dict[str, Any] = dict(request.query_params)
    try:
        numbers = {name: int(given.pop(name)) for name in ("k", "nprobe") if name in given}
        asked = SearchRequest.model_validate({**given, **numbers})
    except ValueError as error:
        if isinstance(error, ValidationError):
            raise validation_refusal(error.errors(include_url=False, include_context=False)) from None
        raise Refusal(422, f"k and nprobe must be whole numbers ({error})", "k") from None
    return asked, vectors


def asked_of(found: SearchRequest | tuple[SearchRequest, np.ndarray], version: Version, limits: LimitOptions) -> Asked:
    """Check a search against the limits and the version in service.

    Raises:
        Refusal: it names no way or several, one that the run does not have, or is beyond a limit.
    """
    request, vectors = found if isinstance(found, tuple) else (found, None)
    ways = {name: getattr(request, name) for name in ("user", "item", "history", "query", "image")}
    ways = {name: value for name, value in ways.items() if value is not None}
    if request.vectors is not None:
        vectors = _matrix(request.vectors, "vectors")
    given = [*ways, *(["vectors"] if vectors is not None else [])]
    together = set(given) == {"user", "query"} and _takes_both(version)
    if not given or (len(given) > 1 and not together):
        listed = ", ".join(version.ways)
        raise Refusal(422, f"give one of {listed} (given: {', '.join(given) or 'none'})", given[0] if given else None)
    for name in given:
        if name not in version.ways:
            raise Refusal(422, f"{name} cannot be searched for here; give one of {', '.join(version.ways)}", name)
    if "user" in ways and _takes_both(version) and not together:
        raise Refusal(422, "user goes with query: give what the user types", "user")
    if request.k > limits.max_k:
        raise Refusal(422, f"k (={request.k}) must be at most {limits.max_k}", "k")
    if vectors is not None:
        _check_vectors(vectors, "vectors", version, limits)
    if "image" in ways:
        ways["image"] = _image(ways["image"])
    if "query" in ways and not ways["query"].strip():
        raise Refusal(422, "query is empty; type what to search for", "query")
    return Asked(ways, vectors, request.k, request.nprobe, request.where)


async def read_items(
    request: Request, version: Version, limits: LimitOptions
) -> tuple[list[Any], np.ndarray, pa.Table | None]:
    """Read items to write: their ids, vectors and columns.

    Raises:
        Refusal: the body is wrong or beyond a limit.
    """
    import pyarrow as pa

    if kind_of(request) == ARROW:
        table = read_arrow(await request.body())
        for name in ("id", "vector"):
            if name not in table.column_names:
                raise Refusal(422, f"body has no column {name!r}; it needs id and vector", name)
        ids, vectors = table["id"].to_pylist(), vectors_of(table["vector"], "vector")
        rest = table.drop_columns(["id", "vector"])
        columns = rest if rest.num_columns else None
    else:
        asked = await read_json(request, WriteRequest)
        ids, vectors = asked.ids, await _encoded(asked, version, limits)
        try:
            columns = None if asked.columns is None else pa.table(asked.columns)
        except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
            raise Refusal(422, f"columns cannot be read ({error}); give a list for each", "columns") from None
    if columns is not None and columns.num_rows != len(ids):
        raise Refusal(422, f"columns have {columns.num_rows} rows for {len(ids)} ids", "columns")
    if len(vectors) != len(ids):
        raise Refusal(422, f"vectors (n={len(vectors)}) and ids (n={len(ids)}) must have one row per item", "vectors")
    _check_vectors(vectors, "vectors", version, limits)
    # What no float32 can hold becomes infinite, and is refused as such.
    with np.errstate(over="ignore"):
        return ids, np.ascontiguousarray(vectors, np.float32), columns


async def _encoded(asked: WriteRequest, version: Version, limits: LimitOptions) -> np.ndarray:
    if (asked.vectors is None) == (asked.texts is None):
        raise Refusal(422, "give the items' vectors, or their texts", "vectors")
    if asked.vectors is not None:
        return _matrix(asked.vectors, "vectors")
    assert asked.texts is not None
    encode: Any = getattr(version.run, "encode_items", None)
    if version.recipe is None or version.recipe.name != "pairs":
        raise Refusal(422, "texts need a run of pairs of texts; give vectors", "texts")
    if len(asked.texts) > limits.max_batch:
        raise Refusal(422, f"texts (n={len(asked.texts)}) must be at most {limits.max_batch}", "texts")
    try:
        # In a thread: the loop answers other requests meanwhile.
        return await asyncio.to_thread(encode, asked.texts)
    except ValueError as error:
        raise Refusal(422, f"texts: {error}", "texts") from None


def _matrix(rows: list[list[float]], name: str) -> np.ndarray:
    lengths = {len(row) for row in rows}
    if len(lengths) != 1:
        raise Refusal(422, f"{name} must be lists of one length, one at least", name)
    return np.array(rows, dtype=np.float64)


def _check_vectors(vectors: np.ndarray, name: str, version: Version, limits: LimitOptions) -> None:
    dim = version.bundle.dim
    if vectors.ndim != 2 or vectors.shape[1] != dim or not len(vectors):
        raise Refusal(422, f"{name} (of shape {vectors.shape}) must have shape (n, {dim}), n of at least 1", name)
    if len(vectors) > limits.max_batch:
        raise Refusal(422, f"{name} (n={len(vectors)}) must be at most {limits.max_batch} in a request", name)


def _takes_both(version: Version) -> bool:
    return "query" in version.ways and "user" in version.ways


def _image(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refusal(422, f"image is no base64 ({error})", "image") from None
