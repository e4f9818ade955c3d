"""Encoder: codes and lists of new vectors, from the arrays of a bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from poeem.bundle.storage_dtypes import as_stored

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from poeem.bundle.bundle import Bundle


class Encoder:
    """Encodes new vectors as the trained index of a bundle does.

    Args:
        bundle: its arrays encode; its training facts name the rule that picks the codewords.
        device: where to compute.
    """

    def __init__(self, bundle: Bundle, device: torch.device | str = "cpu") -> None:
        import torch

        self._spec, self._normalise, self._device = bundle.spec, bundle.metric == "cosine", device
        # Copies: torch warns of memory that cannot be written to, such as that of a mapped file.
        arrays = {name: torch.tensor(array, device=device) for name, array in bundle.arrays.items()}
        self._rotation, self._centroids = arrays.get("rotation"), arrays.get("coarse")
        # Where codes stayed fixed while the codewords were trained, the codewords of that time still assign.
        self._codebooks = arrays.get("encoder_codebooks", arrays["codebooks"])
        self._score_aware = bundle.training.get("assignment") == "score-aware"
        self._options = {name: bundle.training[name] for name in ("eta", "beam") if name in bundle.training}

    def encode(self, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Encode vectors.

        Args:
            vectors: float32, ``(n, dim)``, writable; not zero under ``cosine``.
        Returns:
            codes uint8 ``(n, M)``, and lists int32 ``(n,)``, None for a flat spec.
        """
        import torch

        from poeem.functional.encode import encode_rows

        return as_stored(
            *encode_rows(
                torch.from_numpy(vectors).to(self._device),
                self._assign,
                M=self._spec.M,
                rotation=self._rotation,
                centroids=self._centroids,
                normalise=self._normalise,
            )
        )

    def _assign(self, residuals: Tensor, vectors: Tensor) -> Tensor:
        from poeem.functional.additive import encode_additive
        from poeem.functional.pq import assign_codes
        from poeem.functional.score_aware import assign_score_aware

        if self._spec.kind == "RQ":
            return encode_additive(residuals, self._codebooks, **self._options)
        if self._score_aware:
            return assign_score_aware(residuals, self._codebooks, vectors, **self._options)
        return assign_codes(residuals, self._codebooks)
