"""The HTTP application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from fastapi.security import APIKeyHeader
from starlette.exceptions import HTTPException as AnyHTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect

from poeem.serve import items, looks, searching, states
from poeem.serve.bodies import validation_refusal
from poeem.serve.docs import KEY_HEADER
from poeem.serve.logs import LOGGER
from poeem.serve.middleware import Bounded
from poeem.serve.models import ErrorAnswer
from poeem.serve.refusal import Refusal
from poeem.serve.service import Service

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def make_app(service: Service, *, host: str = "127.0.0.1") -> FastAPI:
    """Make the application.

    Args:
        service: what is served.
        host: address of the server; on loopback, requests for other names are refused, which pages of other sites
            could send (DNS rebinding).
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with service.running():
            yield

    header = APIKeyHeader(name=KEY_HEADER, auto_error=False, description="Needed if the server has a key.")

    async def admitted(key: str | None = Depends(header)) -> None:
        service.check_key(key)

    from poeem import __version__

    app = FastAPI(title="poeem serve", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.service = service
    app.include_router(searching.ROUTER)  # the first is found first
    for module in (items, looks):
        app.include_router(module.ROUTER, dependencies=[Depends(admitted)])
    for router in (states.ROUTER, looks.PAGE):
        app.include_router(router)
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(AnyHTTPException, _http_error)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _fault)
    if host in _LOOPBACK:
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=[*_LOOPBACK, "[::1]"])
    app.add_middleware(Bounded, limits=service.limits, metrics=service.metrics)
    return app


def _answer(status: int, message: str, field: str | None = None, headers: Any = None) -> Response:
    body = ErrorAnswer(message=message, field=field).model_dump_json()
    return Response(body, status, headers=headers, media_type="application/json")


async def _refused(request: Request, error: Any) -> Response:
    headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    if error.status == 401:
        headers["WWW-Authenticate"] = KEY_HEADER
    return _answer(error.status, error.message, error.field, headers)


async def _invalid(request: Request, error: Any) -> Response:
    return await _refused(request, validation_refusal(error.errors()))


async def _http_error(request: Request, error: Any) -> Response:
    if isinstance(error.detail, dict):
        # What is left of the body stays unread.
        return _answer(error.status_code, **error.detail, headers={"Connection": "close"})
    if error.status_code == 404 and "text/html" in request.headers.get("accept", ""):
        return HTMLResponse(looks.page_text("missing.html"), 404, headers=looks.HEADERS)
    path, method = request.url.path, request.method
    known = {
        404: f"path {path!r} does not exist; /openapi.json lists the paths",
        405: f"method {method} is not allowed for {path!r}; /openapi.json lists the methods",
    }
    return _answer(error.status_code, known.get(error.status_code, str(error.detail)), headers=error.headers)


async def _gone(request: Request, error: Exception) -> Response:
    # Nobody reads it.
    return _answer(499, "the client went away before it had sent the body")


async def _fault(request: Request, error: Exception) -> Response:
    LOGGER.error("fault", exc_info=error, extra={"facts": {"path": request.url.path}})
    return _answer(500, "the server has a fault; its log has the details")
