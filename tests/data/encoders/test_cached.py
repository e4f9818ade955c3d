from __future__ import annotations

import numpy as np
import pytest

from poeem.data.encoders import cached
from poeem.data.encoders.cached import cached_vectors


class Lengths:
    """The vector of a text is its length and the limit on it."""

    name = "lengths"
    dim = 2

    def encode(self, texts, *, max_tokens):
        return np.array([[len(text), max_tokens] for text in texts], dtype=np.float32)


def refuse():
    raise AssertionError("nothing is to be encoded")


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("POEEM_CACHE", str(tmp_path))


def ask(texts, encoder=Lengths, max_tokens=8, name="lengths"):
    return cached_vectors("toy", texts, max_tokens=max_tokens, name=name, encoder=encoder)


def test_encoded_once_then_mapped(tmp_path):
    assert ask(["a", "bcd"]).tolist() == [[1, 8], [3, 8]]
    again = ask(["a", "bcd"], encoder=refuse)
    assert isinstance(again, np.memmap)
    assert again.dtype == np.float32
    assert not again.flags.writeable
    assert [path.name[:4] for path in (tmp_path / "vectors").iterdir()] == ["toy-"]  # nothing is left beside


@pytest.mark.parametrize(
    "changed", [{"texts": ["ab", "cd"]}, {"texts": ["bcd", "a"]}, {"max_tokens": 9}, {"name": "other"}]
)
def test_other_texts_order_limit_or_encoder_are_encoded_anew(changed):
    ask(["a", "bcd"])
    with pytest.raises(AssertionError, match="nothing is to be encoded"):
        ask(**{"texts": ["a", "bcd"], "encoder": refuse} | changed)


def test_an_encoder_that_fails_leaves_nothing(tmp_path):
    class Failing(Lengths):
        def encode(self, texts, *, max_tokens):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ask(["a"], encoder=Failing)
    assert list((tmp_path / "vectors").iterdir()) == []


def test_work_that_was_stopped_goes_on_where_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr(cached, "BLOCK", 3)
    texts = ["x" * k for k in range(1, 9)]
    asked = []

    class Stopped(Lengths):
        def encode(self, texts, *, max_tokens):
            if len(asked) == 2:
                raise KeyboardInterrupt
            asked.append(len(texts))
            return super().encode(texts, max_tokens=max_tokens)

    with pytest.raises(KeyboardInterrupt):
        ask(texts, encoder=Stopped)
    assert len(list((tmp_path / "vectors").iterdir())) == 2
    asked.clear()
    assert ask(texts, encoder=Stopped)[:, 0].tolist() == list(range(1, 9))
    assert asked == [2]
    assert len(list((tmp_path / "vectors").iterdir())) == 1


def test_unusable_cache_folder_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("POEEM_CACHE", str(tmp_path / "file" / "below"))
    with pytest.raises(RuntimeError, match="set POEEM_CACHE to one that can be written"):
        ask(["a"])
