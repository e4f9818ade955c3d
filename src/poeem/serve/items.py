"""``PUT /items``, ``DELETE /items/{id}`` and ``POST /swap``."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from poeem.serve.bodies import read_items, read_json
from poeem.serve.docs import SWAPS, WRITE_BODY, WRITES, body, refusals
from poeem.serve.logs import log
from poeem.serve.models import ChangeAnswer, SwapAnswer, SwapRequest, WriteRequest
from poeem.serve.refusal import Refusal, refusal_of
from poeem.serve.service import Service
from poeem.serve.version import Version
from poeem.training.recommend import own_ids

ROUTER = APIRouter()
_FIELDS = (*WriteRequest.model_fields, "id")


@ROUTER.put(
    "/items",
    summary="Add or replace items.",
    description="The answer comes when the change is on the disk and in the index. An Arrow stream has the columns `id`"
    " and `vector`, and those of the items.",
    response_model=ChangeAnswer,
    responses=refusals(408, 409, 413, 415, 422, 429),
    openapi_extra=body(WriteRequest, WRITES, *WRITE_BODY),
)
async def put_items(request: Request) -> ChangeAnswer:
    """Add or replace items."""
    service: Service = request.app.state.service
    ids, vectors, columns = await read_items(request, service.version, service.limits)
    try:
        added, version = await service.change(lambda: service.changing.write(ids, vectors, columns))
    except ValueError as error:
        raise refusal_of(error, _FIELDS) from None
    replaced = len(ids) - added
    service.metrics.changes.labels("added").inc(added)
    service.metrics.changes.labels("replaced").inc(replaced)
    log("items written", added=added, replaced=replaced, rows=len(version), revision=version.revision)
    return _answer(version, added=added, replaced=replaced)


@ROUTER.delete(
    "/items/{id:path}",
    summary="Delete an item.",
    response_model=ChangeAnswer,
    responses=refusals(404, 409, 422, 429),
)
async def delete_item(request: Request, id: str) -> ChangeAnswer:
    """Delete an item."""
    service: Service = request.app.state.service
    try:
        (own,) = own_ids(service.version.bundle, [id])
    except ValueError as error:
        raise Refusal(404, f"id (={id!r}) is not among the items: {error}", "id") from None
    try:
        version = await service.change(lambda: service.changing.delete(own))
    except ValueError as error:
        raise refusal_of(error, _FIELDS) from None
    service.metrics.changes.labels("deleted").inc()
    log("item deleted", id=own, rows=len(version), revision=version.revision)
    return _answer(version, deleted=1)


@ROUTER.post(
    "/swap",
    summary="Put another version in service, without a failed request.",
    description="The folder lies beside the served one. The version in service answers until the new one is ready. An"
    " index of another training is refused unless its fingerprint is given.",
    response_model=SwapAnswer,
    responses=refusals(408, 409, 413, 415, 422),
    openapi_extra=body(SwapRequest, SWAPS),
)
async def swap(request: Request) -> SwapAnswer:
    """Put another version in service."""
    service: Service = request.app.state.service
    wanted = await read_json(request, SwapRequest)
    version = await service.change(lambda: service.changing.swap(wanted.path, wanted.fingerprint))
    service.metrics.swaps.inc()
    return SwapAnswer(rows=len(version), fingerprint=version.fingerprint, revision=version.revision)


def _answer(version: Version, **counts: Any) -> ChangeAnswer:
    return ChangeAnswer(rows=len(version), fingerprint=version.fingerprint, revision=version.revision, **counts)
