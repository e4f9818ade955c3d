"""What loading the package costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import poeem


def loaded_by(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(found.stdout.split())


def test_the_layer_needs_torch_and_numpy_only():
    loaded = loaded_by("import poeem\npoeem.EmbeddingIndex(16, 'OPQ4,PQ4')")
    assert "torch" in loaded
    assert not loaded & {"faiss", "pyarrow", "accelerate", "typer", "rich", "networkx", "safetensors", "pandas"}


def test_the_package_itself_needs_nothing():
    assert not loaded_by("import poeem") & {"torch", "numpy"}


def test_every_public_name_is_there():
    assert all(getattr(poeem, name) is not None for name in poeem.__all__)
    assert set(dir(poeem)) == set(poeem.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = poeem.nothing
