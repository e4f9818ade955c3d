"""Debian package descriptions: 59,417 summaries as queries, the long descriptions as documents (Debian 12, main)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np

from poeem.data.datasets.embedded import EmbeddedSet, embedded_texts
from poeem.data.encoders import minilm
from poeem.data.encoders.cached import Encoder, checksum
from poeem.data.fetch import Source
from poeem.data.pairs.text_pairs import TextPairs
from poeem.data.ragged import Ragged

log = logging.getLogger(__name__)

# SHA-256 of the names, summaries and texts; another one means that Debian has changed the release.
PAIRS_SHA256 = "f7a9f9415c60f1d3799f9bf49e920350658e8e2387406bd9cb772ba23e2f7953"


def load(source: Source, encoder: Callable[[], Encoder] = minilm.MiniLM) -> EmbeddedSet:
    """Load Debian's package descriptions: a package's summary is the query for its long description.

    Both are encoded by MiniLM: 384 floats of unit length. The descriptions are read from the list that apt downloads. A
    package is left out if an earlier one (by name) has the same summary or text. Titles are the packages' names with
    their summaries. Encoding takes about 20 minutes of one core at the first use; the vectors are then cached.

    The descriptions belong to the packages, each under its own free licence.

    Returns:
        vectors of documents and queries.
    Raises:
        RuntimeError: it is not in the cache and cannot be downloaded (this needs apt and a Debian mirror).
        ValueError: the list holds no descriptions; or the extra ``text`` is not installed.
    """
    pairs = read_pairs(source.fetch())
    warning = _warning(pairs)
    _, summaries, texts = zip(*pairs)
    return embedded_texts(
        "debian",
        texts,
        summaries,
        np.arange(len(pairs)),
        encoder=encoder,
        encoder_name=minilm.NAME,
        titles=[f"{name}: {summary}" for name, summary, _ in pairs],
        warning=warning,
    )


def load_pairs(source: Source) -> TextPairs:
    """Load the same pairs as texts. Ids are the names of the packages.

    Raises:
        RuntimeError: it is not in the cache and cannot be downloaded (this needs apt and a Debian mirror).
        ValueError: the list holds no descriptions.
    """
    pairs = read_pairs(source.fetch())
    names, summaries, texts = zip(*pairs)
    return TextPairs(
        items=texts,
        item_ids=np.array(names, dtype=object),
        queries=summaries,
        relevant=Ragged(np.arange(len(pairs) + 1), np.arange(len(pairs))),
        negatives=Ragged(np.zeros(len(pairs) + 1, np.int64), np.empty(0, np.int64)),
        titles=[f"{name}: {summary}" for name, summary, _ in pairs],
        warning=_warning(pairs),
    )


def _warning(pairs: list[tuple[str, str, str]]) -> str:
    """How the pairs differ from the published ones, also logged; empty if they do not."""
    sha256 = checksum([text for pair in pairs for text in pair])
    if sha256 == PAIRS_SHA256:
        return ""
    warning = (
        f"the {len(pairs)} Debian descriptions have SHA-256 {sha256}, not {PAIRS_SHA256}: the release has been "
        "updated, and figures differ from published ones"
    )
    log.warning(warning)
    return warning


def read_pairs(path: Path) -> list[tuple[str, str, str]]:
    """Read package, summary and long description from a list, ordered by package. No summary and no text occurs twice.

    Args:
        path: a ``Translation-en`` list: paragraphs of ``Package:`` and ``Description-en:``. The first line of a
            description is the summary; further lines begin with a space, and a dot alone means an empty line.
    Returns:
        the three texts of each package, each on one line.
    Raises:
        ValueError: there are no descriptions.
    """
    descriptions: dict[str, tuple[str, str]] = {}
    for paragraph in path.read_text(encoding="utf-8", errors="replace").split("\n\n"):
        package, summary, text = "", "", []
        for line in paragraph.split("\n"):
            if line.startswith(" "):
                text += [] if line == " ." else line.split()
            elif line.startswith("Package: "):
                package = line.removeprefix("Package: ").strip()
            elif line.startswith("Description-en: "):
                summary = " ".join(line.removeprefix("Description-en: ").split())
        if package and summary and text:
            descriptions[package] = (summary, " ".join(text))
    pairs: list[tuple[str, str, str]] = []
    seen: set[str] = set()
    for package, (summary, text) in sorted(descriptions.items()):
        # Several packages may share a description: such a query would have no single answer.
        if summary not in seen and text not in seen:
            pairs.append((package, summary, text))
            seen.update((summary, text))
    if not pairs:
        raise ValueError(f"{path}: holds no descriptions; it must be a Translation-en list of a Debian archive")
    return pairs
