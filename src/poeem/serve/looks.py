"""``/`` and what its page asks for."""

from __future__ import annotations

from fastapi import APIRouter

ROUTER = APIRouter()
