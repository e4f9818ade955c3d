"""The loop, the run folder and the layer are general: a further recipe is one short file."""

from __future__ import annotations

import json
from pathlib import Path

import faiss
import numpy as np
import pytest

import poeem

from . import labelled_vectors


@pytest.fixture(scope="module")
def classes() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 20, 2000)
    centres, noise = rng.standard_normal((20, 8)), rng.standard_normal((2000, 24)) * 3
    return np.concatenate([centres[labels] + 0.4 * rng.standard_normal((2000, 8)), noise], axis=1).astype("f4"), labels


def test_a_recipe_fits_into_150_lines():
    assert len(Path(labelled_vectors.__file__).read_text().splitlines()) <= 150


def test_the_index_finds_classes_that_raw_vectors_hide(classes, tmp_path):
    vectors, labels = classes
    metrics = labelled_vectors.train_labelled(vectors, labels, tmp_path / "run", spec="OPQ4,PQ4x4", dim=16, epochs=12)
    assert json.loads((tmp_path / "run" / "metrics.json").read_text()) == metrics
    # Raw vectors, float: the noise has most of the length.
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    best = np.argsort(-unit[:200] @ unit[200:].T, axis=1)[:, :10]
    raw = (labels[200:][best] == labels[:200, None]).mean()
    assert metrics["precision@10"] > raw + 0.2
    poeem.export(tmp_path / "run", "faiss", tmp_path / "items.faiss")
    assert faiss.read_index(str(tmp_path / "items.faiss")).ntotal == len(poeem.open(tmp_path / "run"))
    with pytest.raises(ValueError, match="holds"):
        labelled_vectors.train_labelled(vectors, labels, tmp_path / "run", spec="PQ4x4", dim=16, epochs=1)
