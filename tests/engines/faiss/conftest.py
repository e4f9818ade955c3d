from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Hundreds of small files: waiting for the disk would take longer than the tests."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
