"""The page at ``/``, and what it asks for."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from poeem.serve.bodies import asked_of, read_json
from poeem.serve.docs import SEARCHES, body, refusals
from poeem.serve.found import Asked
from poeem.serve.models import About, Codewords, Compared, SearchRequest
from poeem.serve.refusal import Refusal, refusal_of
from poeem.serve.searching import plain
from poeem.serve.service import Service
from poeem.serve.version import Version

PAGE = APIRouter()
ROUTER = APIRouter(prefix="/page")
# Ids that the page offers while somebody types.
_OFFERED = 500
# The page loads nothing from elsewhere, and no other page may frame it.
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {"Content-Security-Policy": _POLICY, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"}


@PAGE.get("/", summary="A page to look at the index.", response_class=HTMLResponse)
async def page() -> HTMLResponse:
    """The page."""
    return HTMLResponse(page_text("page.html"), headers=HEADERS)


@cache
def page_text(name: str) -> str:
    """Return an HTML file of this package."""
    return (files("poeem.serve") / name).read_text(encoding="utf-8")


@ROUTER.get("/about", summary="What can be searched for.", responses=refusals())
async def about(request: Request) -> About:
    """What the page needs to know of the index."""
    service: Service = request.app.state.service
    version = service.version
    bundle = version.bundle
    return About(
        name=version.folder.resolve().name,
        ways=list(version.ways),
        columns=[] if bundle.columns is None else bundle.columns.column_names,
        users=_users(version.run),
        items=bundle.ids[:_OFFERED].tolist(),
        spec=str(bundle.spec),
        metric=bundle.metric,
        dim=bundle.dim,
        bytes=bundle.spec.bytes_per_vector,
        rows=len(version),
        nlist=bundle.spec.nlist,
        nprobe=version.nprobe,
        max_k=service.limits.max_k,
        fingerprint=version.fingerprint,
        revision=version.revision,
    )


@ROUTER.get("/codewords", summary="The codewords on a map.", responses=refusals())
async def codewords(request: Request) -> Codewords:
    """The codewords on a map."""
    service: Service = request.app.state.service
    return await service.aside(lambda: _codewords(service.version))


@ROUTER.post(
    "/compare",
    summary="Search by the index and exactly, and say what the index has lost.",
    responses=refusals(408, 413, 415, 422),
    openapi_extra=body(SearchRequest, {name: SEARCHES[name] for name in ("user", "item", "vectors")}),
)
async def compared(request: Request) -> Compared:
    """Search by the index and exactly."""
    service: Service = request.app.state.service
    wanted, version = await read_json(request, SearchRequest), service.version
    asked = asked_of(wanted, version, service.limits)
    if len(asked) > 1 or asked.where is not None:
        field = "vectors" if len(asked) > 1 else "where"
        raise Refusal(422, f"{field}: one query is compared, without a condition", field)
    try:
        found = await service.aside(lambda: _compare(service, version, asked, wanted.columns or []))
    except ValueError as error:
        raise refusal_of(error, asked.fields) from None
    for item in (*found.exact, *found.index):
        item.columns = {name: plain(value) for name, value in item.columns.items()}
    return found


def _compare(service: Service, version: Version, asked: Asked, names: list[str]) -> Compared:
    # It loads torch, which a server without a model does not need for anything else.
    from poeem.serve.comparison import compare

    return compare(version, service.probe.exact(version), asked, names)


def _codewords(version: Version) -> Codewords:
    from poeem.explain.codeword_map import codeword_map

    found = codeword_map(version.bundle)
    return Codewords(
        places=found.places.round(3).tolist(), counts=found.counts.tolist(), shown=found.shown.round(3).tolist()
    )


def _users(run: Any) -> list[Any]:
    """Some users of the training, if the run has users."""
    data = getattr(run, "interactions", None) or getattr(run, "events", None)
    return [] if data is None else data.user_ids[:_OFFERED].tolist()
