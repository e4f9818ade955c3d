"""Sparse catalogues: Complete Journey with few events an item, and the unpopular films of MovieLens-1M."""

from __future__ import annotations

import numpy as np

from poeem.data.datasets import load_dataset
from poeem.data.interactions import Interactions

# Events an item of the thinned catalogues.
EVENTS = {"journey-5": 5, "journey-10": 10, "journey-20": 20}
TAIL = "ml-1m-tail"
NAMES = (*EVENTS, TAIL)


def load_sparse(name: str) -> Interactions:
    """Load a sparse catalogue. It is the same in every run, whatever the seed of the training is.

    Args:
        name: ``journey-N``: random baskets of Complete Journey, as many as give ``N`` events per item that occurs in
            them; or ``ml-1m-tail``: the least popular two thirds of the films of MovieLens-1M.
    """
    if name == TAIL:
        films = load_dataset("ml-1m")
        popularity = np.bincount(films.item, minlength=films.n_items)
        order = np.argsort(-popularity, kind="stable")
        kept = np.zeros(films.n_items, bool)
        kept[order[films.n_items // 3 :]] = True
        return selected(films, kept[films.item])
    return thinned(load_dataset("complete-journey"), EVENTS[name])


def thinned(events: Interactions, events_per_item: float) -> Interactions:
    """Keep the events of random users, as many users as give ``events_per_item`` events per item that they have.

    >>> events = Interactions.from_columns(user=list("aabbccdd"), item=[1, 2, 1, 2, 1, 2, 1, 2])
    >>> len(thinned(events, 2))
    4
    """
    rank = np.random.default_rng(0).permutation(events.n_users)[events.user]
    # The number of events per item grows with the number of users: bisection finds it.
    low, high = 1, events.n_users
    while low < high:
        middle = (low + high) // 2
        chosen = events.item[rank < middle]
        dense = len(chosen) >= events_per_item * len(np.unique(chosen))
        low, high = (low, middle) if dense else (middle + 1, high)
    return selected(events, rank < low)


def selected(events: Interactions, rows: np.ndarray) -> Interactions:
    """Keep some events; users and items without any are no longer in the data."""
    user, item = events.user[rows], events.item[rows]
    user_numbers, user = np.unique(user, return_inverse=True)
    item_numbers, item = np.unique(item, return_inverse=True)
    return Interactions(
        user, item, events.timestamp[rows], events.user_ids[user_numbers], events.item_ids[item_numbers]
    )
