"""The coarse stage as a module: trained centroids of the inverted lists."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from poeem.functional.coarse import assign_lists, equal_norms
from poeem.functional.kmeans import worst_rows


class CoarseQuantizer(nn.Module):
    """Centroids ``(nlist, dim)`` in rotated space, trained by gradient.

    Args:
        nlist, dim: shape of the centroids.
        equal_norm: keep all centroids at one trained length by parametrisation (directions times a norm), so that
            assignment by L2 and by inner product agree in every engine.
    """

    def __init__(self, nlist: int, dim: int, *, equal_norm: bool) -> None:
        super().__init__()
        self.nlist = nlist
        self.directions = nn.Parameter(torch.zeros(nlist, dim))
        self.norm = nn.Parameter(torch.ones(())) if equal_norm else None

    def centroids(self) -> Tensor:
        """Centroids ``(nlist, dim)``, differentiable."""
        directions = self.directions.float()
        return directions if self.norm is None else equal_norms(directions, self.norm.float())

    def forward(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """The centroid of every vector, differentiable, and its list: ``(n, dim)``, ``(n,)`` int64."""
        centroids = self.centroids()
        lists = assign_lists(y, centroids.detach())
        return centroids.index_select(0, lists), lists

    @torch.no_grad()
    def set_(self, centroids: Tensor) -> None:
        """Start from given centroids ``(nlist, dim)``; with ``equal_norm`` they are scaled to their mean length."""
        if self.norm is not None:
            # Unit directions: their gradient and their learning rate then mean the same for every centroid.
            norms = torch.linalg.vector_norm(centroids, dim=1)
            self.norm.copy_(norms.mean())
            centroids = equal_norms(centroids, torch.ones_like(norms.mean()))
        self.directions.copy_(centroids)

    @torch.no_grad()
    def reseed_(self, dead: Tensor, y: Tensor, lists: Tensor, generator: torch.Generator) -> None:
        """Move the centroids marked in ``dead`` ``(nlist,)`` to vectors that are far from their centroid."""
        if bool(dead.any()):
            rows = worst_rows(y, self.centroids()[lists], int(dead.sum()), generator)
            self.directions.data[dead] = rows if self.norm is None else equal_norms(rows, torch.ones_like(self.norm))
