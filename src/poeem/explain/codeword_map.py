"""A map of the codewords in two dimensions: which ones lie near each other, and which are used."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from poeem.bundle.bundle import Bundle


@dataclass(frozen=True, eq=False)
class CodewordMap:
    """The codewords of every codebook on their two main axes.

    Args:
        places: float64, ``(M, ksub, 2)``, from -1 to 1; each codebook has its own axes.
        counts: int64, ``(M, ksub)``, items that have the codeword.
        shown: float64, ``(M,)``, share of the codewords' variance that lies in the two axes.
    """

    places: np.ndarray
    counts: np.ndarray
    shown: np.ndarray


def codeword_map(bundle: Bundle) -> CodewordMap:
    """Return the map of a bundle's codewords: the principal components of each codebook, without centring by use.

    The place of an item in codebook ``m`` is ``places[m, bundle.codes[row, m]]``.
    """
    import torch

    from poeem.functional.usage import count_codes

    codebooks = bundle.arrays["codebooks"].astype(np.float64)
    counts = count_codes(torch.tensor(bundle.codes), bundle.spec.ksub).numpy().astype(np.int64)
    places, shown = zip(*map(principal_places, codebooks))
    return CodewordMap(np.stack(places), counts, np.array(shown))


def principal_places(codewords: np.ndarray) -> tuple[np.ndarray, float]:
    """Return codewords ``(ksub, dsub)`` on their two principal axes, ``(ksub, 2)`` from -1 to 1, and the share of
    their variance that lies in these axes.

    >>> places, shown = principal_places(np.array([[0.0, 0.0, 5.0], [4.0, 0.0, 5.0], [0.0, 2.0, 5.0], [4.0, 2.0, 5.0]]))
    >>> places.round(1).tolist(), round(shown, 6)
    ([[-1.0, -0.5], [1.0, -0.5], [-1.0, 0.5], [1.0, 0.5]], 1.0)
    """
    centred = codewords - codewords.mean(0)
    _, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    places = np.zeros((len(codewords), 2))
    axes = axes[:2]
    # The sign of an axis is arbitrary: its largest component is positive.
    largest = np.take_along_axis(axes, np.abs(axes).argmax(1)[:, None], axis=1)
    places[:, : len(axes)] = centred @ (axes * np.where(largest < 0, -1.0, 1.0)).T
    total = float((sizes**2).sum())
    return places / (np.abs(places).max() or 1.0), float((sizes[:2] ** 2).sum() / total) if total else 1.0
