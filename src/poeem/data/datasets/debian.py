"""Debian package descriptions: 59,417 short ones as queries, the long ones as documents (Debian 12, main)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np

from poeem.data.apt import fetch_apt_list
from poeem.data.datasets.embedded import EmbeddedSet, embedded_texts
from poeem.data.encoders import minilm
from poeem.data.encoders.cached import Encoder, checksum

log = logging.getLogger(__name__)

RELEASE = "bookworm"
# Of the pairs, name, summary and text of each in order: other pairs are other figures.
PAIRS = "f7a9f9415c60f1d3799f9bf49e920350658e8e2387406bd9cb772ba23e2f7953"


def load(encoder: Callable[[], Encoder] = minilm.MiniLM) -> EmbeddedSet:
    """A package's summary asks for its long description; both as MiniLM sees them, 384 floats of unit length.

    The descriptions are read from the list that apt itself fetches, into the cache; those of packages with a summary or
    a text that an earlier package (by name) already has are left out. Titles are the packages' names with the summary.
    Encoding takes about 20 minutes of one core at the first use; the vectors are kept in the cache.

    The descriptions belong to the packages, each under its own free licence.

    Raises:
        RuntimeError: not in the cache, and cannot be fetched (apt is needed for that, and a Debian mirror).
        ValueError: the list holds no descriptions; or the extra ``text`` is not installed.
    """
    pairs = read_pairs(fetch_apt_list(RELEASE, "main", "Translation-en"))
    found = checksum([text for pair in pairs for text in pair])
    warning = ""
    if found != PAIRS:
        warning = (
            f"the {len(pairs)} Debian descriptions have SHA-256 {found}, not {PAIRS}: the release was updated since, "
            "and figures differ from published ones"
        )
        log.warning(warning)
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


def read_pairs(path: Path) -> list[tuple[str, str, str]]:
    """Package, summary and long description, each on one line, by package; no summary and no text comes twice.

    Args:
        path: a ``Translation-en`` list: paragraphs of ``Package:`` and ``Description-en:``, whose first line is the
            summary and whose further lines begin with a space, a lone dot standing for an empty one.
    Raises:
        ValueError: there are none.
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
        # Families of packages share their descriptions: which of them would answer is anyone's guess.
        if summary not in seen and text not in seen:
            pairs.append((package, summary, text))
            seen.update((summary, text))
    if not pairs:
        raise ValueError(f"{path}: holds no descriptions; it must be a Translation-en list of a Debian archive")
    return pairs
