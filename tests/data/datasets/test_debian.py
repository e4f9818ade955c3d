from types import SimpleNamespace

import numpy as np
import pytest

from poeem.data.datasets import EMBEDDED_SETS, debian
from poeem.data.encoders.cached import checksum

LIST = """Package: zeta
Description-md5: 0
Description-en: last  one
 Its   text
 .
 in two paragraphs: Package: none

Package: alpha
Description-en: library (shared)
 The library.

Package: alpha-dev
Description-en: library (headers)
 The library.

Package: beta
Description-en: library (shared)
 Another text.

Package: empty
Description-en: has no text

"""


def write(folder, text):
    path = folder / "list"
    path.write_text(text, encoding="utf-8")
    return path


def test_pairs_are_by_name_on_one_line_and_distinct(tmp_path):
    assert debian.read_pairs(write(tmp_path, LIST)) == [
        ("alpha", "library (shared)", "The library."),
        ("zeta", "last one", "Its text in two paragraphs: Package: none"),
    ]


def test_a_list_of_something_else_is_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no descriptions; it must be a Translation-en list"):
        debian.read_pairs(write(tmp_path, "Package: a\nVersion: 1\n"))


def test_a_summary_finds_its_own_text(tmp_path, monkeypatch):
    from poeem.data.encoders import minilm

    class Numbers:  # the vector of "text 7" and of "summary 7" is 7, 1
        name, dim = minilm.NAME, 2

        def encode(self, texts, *, max_tokens):
            kinds = {text.split()[0] for text in texts}
            assert (kinds, max_tokens) in (({"text"}, 64), ({"summary"}, 32))
            return np.array([[float(text.split()[1]), 1] for text in texts], dtype=np.float32)

    pairs = [(f"p{k}", f"summary {k}", f"text {k}") for k in range(40)]
    text = "".join(f"Package: {name}\nDescription-en: {head}\n {body}\n\n" for name, head, body in pairs)
    monkeypatch.setenv("POEEM_CACHE", str(tmp_path))
    source = SimpleNamespace(fetch=lambda: write(tmp_path, text))
    found = debian.load(source, Numbers)
    assert {part: len(rows) for part, rows in found.queries.items()} == {"train": 32, "validation": 4, "test": 4}
    for part, queries in found.queries.items():
        assert (found.items[found.relevance[part]] == queries).all()
    assert found.titles[0] == "p0: summary 0"
    own = checksum([word for pair in sorted(pairs) for word in pair])
    assert f"the 40 Debian descriptions have SHA-256 {own}" in found.warning
    monkeypatch.setattr(debian, "PAIRS_SHA256", own)
    assert debian.load(source, Numbers).warning == ""


@pytest.mark.data
def test_as_published():
    pairs = debian.read_pairs(EMBEDDED_SETS["debian"].source.fetch())
    assert len(pairs) == 59_417
    assert checksum([text for pair in pairs for text in pair]) == debian.PAIRS_SHA256
