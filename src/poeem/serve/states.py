"""``/healthz``, ``/readyz`` and ``/metrics``."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from poeem.serve.models import Status
from poeem.serve.service import Service

ROUTER = APIRouter()


@ROUTER.get("/healthz", summary="Whether the process answers.", response_model_exclude_none=True)
async def healthz() -> Status:
    """The process answers."""
    return Status(status="ok")


@ROUTER.get("/readyz", summary="Whether the index is in service.")
async def readyz(request: Request) -> Status:
    """The index is in service: the server only listens when it has been loaded."""
    service: Service = request.app.state.service
    version = service.version
    return Status(status="ready", rows=len(version), fingerprint=version.fingerprint, revision=version.revision)


@ROUTER.get(
    "/metrics",
    summary="Metrics in Prometheus' text format.",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}}},
)
async def metrics(request: Request) -> Response:
    """Metrics."""
    service: Service = request.app.state.service
    return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)
