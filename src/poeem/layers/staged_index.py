"""StagedIndex: the stages of an index, with encode, decode and arrays."""

from __future__ import annotations

from typing import Any, overload

import numpy as np
import torch
from torch import Tensor, nn

from poeem.functional.encode import ENCODE_ROWS, encode_rows
from poeem.layers.additive import AdditiveQuantizer
from poeem.layers.checks import check_numbers, check_vectors
from poeem.layers.coarse import CoarseQuantizer
from poeem.layers.numpy_input import from_numpy
from poeem.layers.phase import Phase, convert_old_state
from poeem.layers.product import ProductQuantizer
from poeem.layers.rotation import Rotation
from poeem.metric import Metric
from poeem.spec import IndexSpec

# Optional buffers, under the names that a bundle has for them.
_OPTIONAL = ("query_adapter", "encoder_codebooks")


class StagedIndex(nn.Module):
    """The stages of an index, one after the other: rotation, coarse quantizer, product or additive quantizer.

    Two more arrays are None at first: ``query_adapter``, by which queries are multiplied (`set_query_adapter`), and
    ``encoder_codebooks``, which assign codes in place of the codebooks that decode (`keep_encoding`).

    Args:
        dim: width of the vectors.
        spec: the structure.
        metric: ``ip``, ``l2`` or ``cosine``.
        rotation, coarse: these stages if the spec has them, else None.
        quantizer: the last stage.
        phase: how far the training of the index is.
    """

    query_adapter: Tensor | None
    encoder_codebooks: Tensor | None

    def __init__(
        self,
        dim: int,
        spec: IndexSpec,
        metric: Metric,
        *,
        rotation: Rotation | None,
        coarse: CoarseQuantizer | None,
        quantizer: ProductQuantizer | AdditiveQuantizer,
        phase: Phase,
    ) -> None:
        super().__init__()
        self.dim, self.spec, self.metric = dim, spec, metric
        self.rotation, self.coarse, self.quantizer = rotation, coarse, quantizer
        # A fit to frozen embeddings may add a matrix for queries, and the codebooks that assign codes which stay fixed
        # while the codebooks that score are trained.
        self.register_buffer("query_adapter", None)
        self.register_buffer("encoder_codebooks", None)
        self.phase = phase

    @property
    def ready(self) -> bool:
        """Whether the index has been warm-started, so that it quantizes."""
        return self.phase.ready

    @property
    def step(self) -> int:
        """Number of training forward passes so far."""
        return self.phase.step

    @property
    def min_rows(self) -> int:
        """Fewest vectors that a warm start needs."""
        return max(self.spec.ksub, self.spec.nlist)

    @property
    def device(self) -> torch.device:
        """Device of the parameters."""
        return self.quantizer.codebooks.device

    def usage(self) -> dict[str, float]:
        """Return how the last two windows of training steps used codewords and lists: ``perplexity``, ``dead_share``
        and, with lists, ``list_imbalance``. Before the first counted step they are 0, 1 and 0.
        """
        return self.phase.usage.metrics()

    def extra_repr(self) -> str:
        return f"dim={self.dim}, spec={str(self.spec)!r}, metric={self.metric!r}, ready={self.ready}"

    @overload
    def encode(self, x: Tensor, *, step: bool = False) -> tuple[Tensor, Tensor | None]: ...
    @overload
    def encode(self, x: np.ndarray, *, step: bool = False) -> tuple[np.ndarray, np.ndarray | None]: ...
    @torch.no_grad()
    def encode(self, x: Any, *, step: bool = False) -> tuple[Any, Any]:
        """Encode vectors: compute their codes and lists.

        Args:
            x: float, ``(n, dim)``, or ``(..., dim)`` with ``...`` in place of n below. A numpy array gives numpy
                arrays, whatever the device of the index.
            step: whether to assign as a training step does: ``balanced`` balances these rows, and additive codes come
                from a narrow beam.
        Returns:
            codes int64 ``(n, M)``, and lists int64 ``(n,)``, None for a flat spec.
        Raises:
            ValueError: vectors that ``forward`` refuses.
            RuntimeError: the index has not been warm-started.
        """
        self._check_ready()
        if isinstance(x, np.ndarray):
            codes, lists = self.encode(from_numpy(x, self.device), step=step)
            return codes.cpu().numpy(), None if lists is None else lists.cpu().numpy()
        check_vectors(x, self.dim, self.device)
        rows, x = x.shape[:-1], x.reshape(-1, self.dim)
        codes, lists = encode_rows(
            x,
            lambda residuals, y: self.quantizer.assign(residuals, self.encoder_codebooks, vectors=y, step=step),
            M=self.spec.M,
            rotation=None if self.rotation is None else self.rotation.composed(),
            centroids=None if self.coarse is None else self.coarse.centroids(),
            normalise=self.metric == "cosine",
            # A balanced assignment is one over all rows.
            at_once=max(1, len(x)) if step else ENCODE_ROWS,
        )
        return codes.reshape(*rows, self.spec.M), None if lists is None else lists.reshape(rows)

    @overload
    def decode(self, codes: Tensor, lists: Tensor | None = None) -> Tensor: ...
    @overload
    def decode(self, codes: np.ndarray, lists: np.ndarray | None = None) -> np.ndarray: ...
    @torch.no_grad()
    def decode(self, codes: Any, lists: Any = None) -> Any:
        """Decode codes and lists to vectors, ``x_hat``.

        Args:
            codes: int64, ``(n, M)``, or ``(..., M)`` with ``...`` in place of n. Numpy arrays give a numpy array,
                whatever the device of the index.
            lists: int64, ``(n,)``; None for a flat spec.
        Returns:
            float32, ``(n, dim)``.
        Raises:
            ValueError: wrong shape, numbers out of range, or lists for a flat spec, or none for another.
            RuntimeError: the index has not been warm-started.
        """
        self._check_ready()
        if isinstance(codes, np.ndarray):
            lists = None if lists is None else from_numpy(np.asarray(lists), self.device)
            return self.decode(from_numpy(codes, self.device), lists).cpu().numpy()
        check_numbers("codes", codes, (*codes.shape[:-1], self.spec.M), self.spec.ksub)
        if (lists is None) != (self.coarse is None):
            raise ValueError(f"lists must be {'None' if self.coarse is None else 'given'} for {str(self.spec)!r}")
        if lists is not None:
            check_numbers("lists", lists, tuple(codes.shape[:-1]), self.spec.nlist)
            lists = lists.reshape(-1)
        matrix = None if self.rotation is None else self.rotation.composed()
        x_hat = self._decoded(codes.reshape(-1, self.spec.M), lists, matrix)
        return x_hat.reshape(*codes.shape[:-1], self.dim)

    def reconstruct(self, codes: Tensor, lists: Tensor | None = None) -> Tensor:
        """Decode without checks; differentiable in codewords, centroids and rotation.

        Args:
            codes, lists: tensors, see :meth:`decode`.
        Returns:
            float32, ``(n, dim)``.
        """
        return self._decoded(codes, lists, None if self.rotation is None else self.rotation.matrix())

    def _decoded(self, codes: Tensor, lists: Tensor | None, matrix: Tensor | None) -> Tensor:
        y = self.quantizer.decode(codes)
        if self.coarse is not None and lists is not None:
            y = y + self.coarse.centroids().index_select(0, lists.long())
        return y if matrix is None else y @ matrix.T

    def set_query_adapter(self, matrix: Tensor | None) -> None:
        """Set the matrix by which queries are multiplied, from the right, before they are scored.

        Bundles store it, and searchers apply it. The layer itself sees items only. The matrix is copied without its
        gradient.

        Args:
            matrix: float, ``(dim, dim)``; None removes it.
        Raises:
            ValueError: the matrix has another shape.
        """
        if matrix is not None and tuple(matrix.shape) != (self.dim, self.dim):
            raise ValueError(f"matrix (shape {tuple(matrix.shape)}) must be ({self.dim}, {self.dim})")
        self.query_adapter = None if matrix is None else matrix.detach().to(self.device, torch.float32)

    def keep_encoding(self) -> None:
        """Keep the current codebooks for assigning codes, while training changes those that decode.

        Codes that are in service thus stay right, and training changes only the vectors that they stand for, as in Zhan
        et al., "Jointly optimizing query encoder and product quantization", 2021. Rotation and centroids must not be
        trained any more, which is left to the caller.

        Raises:
            RuntimeError: the index has not been warm-started.
        """
        self._check_ready()
        self.encoder_codebooks = self.quantizer.codebooks.detach().float().clone()

    @torch.no_grad()
    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays of a bundle, float32 by name: ``rotation``, ``coarse``, ``codebooks``, ``query_adapter``,
        ``encoder_codebooks``. Those that the index does not have are left out. They are copies.

        Raises:
            RuntimeError: the index has not been warm-started.
        """
        self._check_ready()
        tensors: dict[str, Tensor] = {"codebooks": self.quantizer.codebooks}
        if self.rotation is not None:
            tensors["rotation"] = self.rotation.composed()
        if self.coarse is not None:
            tensors["coarse"] = self.coarse.centroids()
        tensors |= {name: tensor for name in _OPTIONAL if (tensor := getattr(self, name)) is not None}
        return {name: tensor.detach().float().cpu().contiguous().numpy().copy() for name, tensor in tensors.items()}

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        convert_old_state(state_dict, prefix)
        for name in _OPTIONAL:
            # torch would call an entry of a buffer that is None here unexpected.
            stored = state_dict.get(prefix + name)
            setattr(self, name, None if stored is None else stored.to(self.device))
        super()._load_from_state_dict(state_dict, prefix, *args)

    def _check_ready(self) -> None:
        if not self.phase.ready:
            raise RuntimeError(
                "the index is not ready: it has not been warm-started yet; call warm_start(sample), or train past "
                f"warmup_steps (={self.phase.warmup_steps}) and buffer_rows (={self.phase.buffer_rows}) vectors"
            )
