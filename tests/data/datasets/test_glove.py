import io
import json
import tarfile
from types import SimpleNamespace

import numpy as np
import pytest

from poeem.data.datasets import glove, load_embedded


@pytest.fixture
def archive(tmp_path):
    values = np.random.default_rng(0).normal(size=(20, 100)).round(3)
    table = {f"w{k}": [*row.tolist(), 1234.5, k] for k, row in enumerate(values)}
    content = json.dumps({"vectors": table}).encode()
    path = tmp_path / "glove.tgz"
    with tarfile.open(path, "w:gz") as files:
        info = tarfile.TarInfo(glove.MEMBER)
        info.size = len(content)
        files.addfile(info, io.BytesIO(content))
    return path, values / np.linalg.norm(values, axis=1, keepdims=True)


def test_every_word_is_an_item_or_a_query(archive, tmp_path, monkeypatch):
    path, expected = archive
    monkeypatch.setenv("POEEM_CACHE", str(tmp_path))
    monkeypatch.setattr(glove, "VALIDATION", 2)
    monkeypatch.setattr(glove, "TEST", 3)
    found = glove.load(SimpleNamespace(fetch=lambda: path))
    assert (found.items.shape, found.dim, found.relevance) == ((15, 100), 100, None)
    assert [len(rows) for rows in found.queries.values()] == [0, 2, 3]
    numbers = [int(word[1:]) for word in found.titles]
    assert numbers == sorted(numbers)  # most frequent first, as in the file
    np.testing.assert_allclose(found.items, expected[numbers], atol=1e-6)
    asked = np.concatenate([found.queries["validation"], found.queries["test"]])
    rest = expected[sorted(set(range(20)) - set(numbers))]
    np.testing.assert_allclose(np.sort(asked, axis=0), np.sort(rest, axis=0), atol=1e-6)

    def refuse(*_args, **_kwargs):
        raise AssertionError("a warm cache must not ask npm")

    np.testing.assert_array_equal(glove.load(SimpleNamespace(fetch=refuse)).items, found.items)


@pytest.mark.data
def test_as_published():
    found = load_embedded("glove")
    assert found.items.shape == (331_479, 100)
    assert [len(rows) for rows in found.queries.values()] == [0, 1_500, 8_500]
    assert found.titles[:5] == ["the", ",", ".", "of", "to"]
