"""The coarse stage as a module: trained centroids of the inverted lists."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from poeem.functional.coarse import assign_lists, equal_norms
from poeem.functional.kmeans import worst_rows


class CoarseQuantizer(nn.Module):
    """The trained centroids of the inverted lists, ``(nlist, dim)``, in rotated space.

    Args:
        nlist, dim: shape of the centroids.
        equal_norm: whether all centroids keep one trained length. They are then stored as directions times a norm, so
            that the nearest centroid is the same by L2 and by inner product, in every engine.
    """

    def __init__(self, nlist: int, dim: int, *, equal_norm: bool) -> None:
        super().__init__()
        self.nlist = nlist
        self.directions = nn.Parameter(torch.zeros(nlist, dim))
        self.norm = nn.Parameter(torch.ones(())) if equal_norm else None

    def centroids(self) -> Tensor:
        """Return the centroids ``(nlist, dim)``, differentiable."""
        directions = self.directions.float()
        return directions if self.norm is None else equal_norms(directions, self.norm.float())

    def forward(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Assign vectors ``(n, dim)`` to lists.

        Returns:
            the centroid of every vector, ``(n, dim)``, differentiable in the centroids; and its list, int64 ``(n,)``.
        """
        centroids = self.centroids()
        lists = assign_lists(y, centroids.detach())
        return centroids.index_select(0, lists), lists

    @torch.no_grad()
    def set_(self, centroids: Tensor) -> None:
        """Replace the centroids ``(nlist, dim)``. With ``equal_norm`` the new ones are scaled to their mean length."""
        if self.norm is not None:
            # Unit directions: their gradient and their learning rate then mean the same for every centroid.
            norms = torch.linalg.vector_norm(centroids, dim=1)
            self.norm.copy_(norms.mean())
            centroids = equal_norms(centroids, torch.ones_like(norms.mean()))
        self.directions.copy_(centroids)

    @torch.no_grad()
    def reseed_(self, dead: Tensor, y: Tensor, lists: Tensor, generator: torch.Generator) -> None:
        """Move centroids that no vector uses to vectors that are far from their centroid.

        Vectors are drawn with a probability proportional to their squared error. With equal norms only the direction of
        a centroid moves, and its length stays.

        Args:
            dead: bool, ``(nlist,)``: the centroids to move.
            y: float32, ``(n, dim)``, in rotated space.
            lists: int64, ``(n,)``: the list of each vector.
            generator: chooses the vectors.
        """
        if bool(dead.any()):
            rows = worst_rows(y, self.centroids()[lists], int(dead.sum()), generator)
            self.directions.data[dead] = rows if self.norm is None else equal_norms(rows, torch.ones_like(self.norm))
