"""EmbeddingIndex: rotation, lists and codebooks as the last layer of an item tower."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, overload

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._pytree import _register_namedtuple

from poeem.functional.compile_guard import compile_guard
from poeem.functional.distortion import distortion
from poeem.functional.estimators import ESTIMATORS, SOFT
from poeem.functional.threads import for_spans
from poeem.layers.additive import AdditiveQuantizer
from poeem.layers.arguments import Assignment, Estimator, check_choices, check_sizes
from poeem.layers.checks import check_nonzero, check_numbers, check_vectors
from poeem.layers.coarse import CoarseQuantizer
from poeem.layers.numpy_input import from_numpy
from poeem.layers.phase import Phase, convert_old_state
from poeem.layers.product import ProductQuantizer
from poeem.layers.reseed import reseed_dead
from poeem.layers.rotation import make_rotation
from poeem.layers.soft import soft_estimate
from poeem.layers.storage_dtypes import as_stored
from poeem.layers.usage import Usage
from poeem.layers.warm_start import fit_sample
from poeem.layers.write import write_coded
from poeem.metric import Metric
from poeem.spec import IndexSpec

if TYPE_CHECKING:
    from pathlib import Path

    from poeem.bundle import Bundle

# Optional buffers, by the names that a bundle has for them.
_CARRIED = ("query_adapter", "encoder_codebooks")


class Output(NamedTuple):
    """What ``EmbeddingIndex`` returns for ``x`` of shape ``(n, dim)``, or ``(..., dim)`` with ``...`` in place of n."""

    embedding: Tensor  # (n, dim): the value is x_hat, what the engine will score; x itself before the warm start
    codes: Tensor | None  # (n, M) int64; None before the warm start
    lists: Tensor | None  # (n,) int64; None before the warm start and for flat specs
    distortion: Tensor  # scalar, mean ‖x_hat - sg(x)‖²; 0 before the warm start


# Without a name for it torch.export.save cannot store a program that returns an Output.
_register_namedtuple(Output, serialized_type_name="poeem.Output")


class EmbeddingIndex(nn.Module):
    """A product- or additive-quantization index that is trained with the model it serves.

    PQ: ``y = x R``, ``a = argmin_j ‖y - C_j‖²``, ``k_m = argmin_k ‖(y - C_a)_m - B_mk‖²``, ``x̂ = (C_a + [B_mk]) Rᵀ``.
    RQ: ``a = argmin_j ‖x - C_j‖²``, ``k = argmin_k ‖x - C_a - Σ_m B_mk_m‖²`` by beam search, ``x̂ = C_a + Σ_m B_mk_m``;
    its words are as wide as the vectors, so that it loses less at the same bytes and costs more to train and to score.
    Put it behind the item tower and add two terms to the loss: the retrieval loss on ``out.embedding``, and
    ``out.distortion``. Any optimizer may hold its parameters; the rotation stays orthogonal under all of them.

    In training the layer passes three phases: it is the identity for ``warmup_steps`` forwards, then it also collects
    vectors, and with ``buffer_rows`` of them it fits itself and quantizes from there on. ``warm_start(sample)`` skips
    to the last phase at once. Under DDP the phases change at the same step on every process.

    Args:
        dim: width of the embeddings.
        spec: factory string or ``IndexSpec``, for instance ``"OPQ8,IVF64,PQ8"`` or ``"RQ8"``.
        metric: what the engine will score by, ``ip``, ``l2`` or ``cosine`` (then the layer normalises ``x``).
        estimator: ``ste`` (codebooks learn from the distortion), ``task`` (from the retrieval loss too),
            ``rotation-trick`` or ``soft`` (PQ only), see :mod:`poeem.functional.estimators`.
        assignment: how words are chosen (lists always by L2); PQ only but for the first. ``nearest``, by L2;
            ``score-aware``, by an error that counts for more along the vector, in training, encode and bundle alike:
            other codes than the formula's, for more exact high scores under ``ip`` and ``cosine``; ``balanced``, all
            words alike within a training batch (of one process), and ``nearest`` outside training.
        eta: of ``score-aware``, at least 1: weight of the error along the vector over that across.
        soft_temperature: of ``soft``, above 0; the attribute may be lowered while training.
        rotation: how a rotation is trained if the spec has one: ``givens-greedy``, ``givens-random``,
            ``givens-steepest``, ``cayley``, ``polar`` or ``frozen``.
        warmup_steps: training forwards before vectors are collected.
        buffer_rows: vectors collected, over all processes, before the warm start.
        reseed_every: training forwards between two searches for dead words; 0 turns them off.
        beam: partial sums kept in the search for an additive code; a training step keeps 2. Nothing to PQ.
        seed: of everything random in the layer.
    Raises:
        ValueError: an argument is out of range, or ``dim`` does not suit the spec.
    Source:
        Zhang et al., "Joint Learning of Deep Retrieval Model and Product Quantization based Embedding Index", 2021.

    >>> index = EmbeddingIndex(dim=4, spec="PQ2x4", metric="ip")
    >>> x = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
    >>> index.warm_start(x)
    >>> out = index(x)
    >>> out.embedding.shape, out.codes.shape, out.lists
    (torch.Size([64, 4]), torch.Size([64, 2]), None)
    """

    def __init__(
        self,
        dim: int,
        spec: str | IndexSpec,
        *,
        metric: Metric = "cosine",
        estimator: Estimator = "ste",
        rotation: str = "givens-greedy",
        warmup_steps: int = 0,
        buffer_rows: int = 16384,
        reseed_every: int = 500,
        beam: int = 8,
        soft_temperature: float = 1.0,
        assignment: Assignment = "nearest",
        eta: float = 2.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.spec = spec if isinstance(spec, IndexSpec) else IndexSpec.parse(spec)
        self.spec.check_dim(dim)
        check_choices(self.spec, metric=metric, estimator=estimator, rotation=rotation, assignment=assignment)
        check_sizes(
            self.spec,
            buffer_rows=buffer_rows,
            beam=beam,
            eta=eta,
            soft_temperature=soft_temperature,
            warmup_steps=warmup_steps,
            reseed_every=reseed_every,
            seed=seed,
        )
        self.dim, self.metric, self.estimator, self.seed = dim, metric, estimator, seed
        self.warmup_steps, self.buffer_rows, self.reseed_every = warmup_steps, buffer_rows, reseed_every
        self.soft_temperature = soft_temperature
        self.rotation = make_rotation(dim, rotation, seed) if self.spec.rotated else None
        # With equal norms the lists by L2 are those by inner product, whatever the engine uses.
        self.coarse = CoarseQuantizer(self.spec.nlist, dim, equal_norm=metric != "l2") if self.spec.nlist else None
        shape = (self.spec.M, self.spec.ksub, self.spec.dsub(dim))
        if self.spec.kind == "PQ":
            self.quantizer = ProductQuantizer(*shape, assignment=assignment, eta=eta)
        else:
            self.quantizer = AdditiveQuantizer(*shape, beam=beam)
        # What an index fitted to frozen embeddings carries besides: a matrix for queries, and the words that assigned
        # codes which stayed fixed while the words themselves learnt to score.
        self.register_buffer("query_adapter", None)
        self.register_buffer("encoder_codebooks", None)
        usage = Usage(self.spec.M, self.spec.ksub, self.spec.nlist)
        self.phase = Phase(dim, warmup_steps, buffer_rows, usage)
        self._warned = False

    @property
    def ready(self) -> bool:
        """Whether the index has been warm-started, so that it quantizes."""
        return self.phase.ready

    @property
    def step(self) -> int:
        """Training forwards so far."""
        return self.phase.step

    @property
    def min_rows(self) -> int:
        """Fewest vectors that a warm start can do with."""
        return max(self.spec.ksub, self.spec.nlist)

    def usage(self) -> dict[str, float]:
        """Use of words and lists in recent training steps: ``perplexity``, ``dead_share``, ``list_imbalance``."""
        return self.phase.usage.metrics()

    def extra_repr(self) -> str:
        return f"dim={self.dim}, spec={str(self.spec)!r}, metric={self.metric!r}, ready={self.ready}"

    def forward(self, x: Tensor) -> Output:
        """Quantize, differentiably.

        Args:
            x: float, ``(..., dim)``, on the layer's device. Computed in float32 whatever its type or autocast.
        Raises:
            ValueError: wrong shape, type or device, a row that is not finite, or (outside training, under ``cosine``)
                a zero row.
        Warns:
            UserWarning: once, outside training before the warm start, where the layer is the identity: trainers
                validate before the first step.
        """
        check_vectors(x, self.dim, self.device)
        if self.training and torch.compiler.is_exporting():
            raise RuntimeError("the index must be in eval mode to be exported: torch.export.export(model.eval(), ...)")
        if x.ndim > 2:
            out = self._forward_rows(x.reshape(-1, self.dim))
            rows = x.shape[:-1]
            codes = None if out.codes is None else out.codes.reshape(*rows, self.spec.M)
            lists = None if out.lists is None else out.lists.reshape(rows)
            return Output(out.embedding.reshape(x.shape), codes, lists, out.distortion)
        return self._forward_rows(x)

    def _forward_rows(self, x: Tensor) -> Output:
        """:meth:`forward` of checked rows ``(n, dim)``."""
        with torch.autocast(x.device.type, enabled=False):
            vectors = self._normalised(x.float(), zeros_allowed=self.training)
            if not (self._advance(vectors.detach()) if self.training else self.phase.is_ready()):
                if not self.training:
                    self._warn_not_ready()
                return Output(vectors.to(x.dtype), None, None, self._no_distortion())
            x_hat, codes, lists = self._quantized(vectors.detach())
            if self.estimator != SOFT:
                estimate = ESTIMATORS[self.estimator](vectors, x_hat)
            elif torch.is_grad_enabled() and not torch.compiler.is_exporting():
                soft = soft_estimate(self, vectors, lists)
                estimate = soft + (x_hat - soft).detach()
            else:
                estimate = x_hat
            return Output(estimate.to(x.dtype), codes, lists, distortion(vectors, x_hat))

    def _quantized(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """``x_hat``, codes and lists of prepared vectors; gradients reach the index, not ``x``."""
        matrix = None if self.rotation is None else self.rotation.matrix()
        y = x if matrix is None else x @ matrix.detach()
        # By a full window of use, not by the step: right after a warm start every word would look dead.
        if self.training and self.reseed_every:
            # Before anything of this step is in the graph, which would not have its words changed under it.
            self._reseed(y)
        centroid, lists = (None, None) if self.coarse is None else self.coarse(y)
        residual = y if centroid is None else y - centroid.detach()
        word, codes = self.quantizer(residual, self.encoder_codebooks, vectors=y)
        if self.training:
            self.phase.usage.add(codes, lists)
        y_hat = word if centroid is None else centroid + word
        return (y_hat if matrix is None else y_hat @ matrix.T), codes, lists

    def _no_distortion(self) -> Tensor:
        """Zero that depends on every parameter: DDP wants a gradient for each of them at every step."""
        return sum((0.0 * p.sum() for p in self.parameters()), torch.zeros((), device=self.device))

    @torch.no_grad()
    def warm_start(self, sample: Tensor) -> None:
        """Fit rotation, centroids and codebooks to a sample, and quantize from now on.

        Under DDP every process passes its own share; all end with the same index.

        Args:
            sample: float, ``(..., dim)``; the more rows the better, up to some 65,000.
        Raises:
            ValueError: too few rows (fewer than words or lists), or what ``forward`` refuses.
        """
        check_vectors(sample, self.dim, self.device)
        sample = sample.detach().reshape(-1, self.dim)
        self._fit(self._normalised(sample.float(), zeros_allowed=False))

    @overload
    def encode(self, x: Tensor, *, step: bool = False) -> tuple[Tensor, Tensor | None]: ...
    @overload
    def encode(self, x: np.ndarray, *, step: bool = False) -> tuple[np.ndarray, np.ndarray | None]: ...
    @torch.no_grad()
    def encode(self, x: Any, *, step: bool = False) -> tuple[Any, Any]:
        """Codes ``(n, M)`` and lists ``(n,)`` (None for flat) of vectors ``(n, dim)``, both int64.

        Args:
            x: float, ``(n, dim)``; ``(..., dim)`` gives codes ``(..., M)`` and lists ``(...)``. A numpy array, wherever
                the index is, gives numpy arrays.
            step: assign as a step of training does: ``balanced`` over these rows, additive words by a narrow beam.
        Raises:
            ValueError: what ``forward`` refuses.
            RuntimeError: before the warm start.
        """
        self._check_ready()
        if isinstance(x, np.ndarray):
            codes, lists = self.encode(from_numpy(x, self.device), step=step)
            return codes.cpu().numpy(), None if lists is None else lists.cpu().numpy()
        check_vectors(x, self.dim, self.device)
        rows, x = x.shape[:-1], x.reshape(-1, self.dim)
        matrix = None if self.rotation is None else self.rotation.composed()
        codes = torch.empty(len(x), self.spec.M, dtype=torch.int64, device=x.device)
        lists = None if self.coarse is None else torch.empty(len(x), dtype=torch.int64, device=x.device)

        @torch.no_grad()  # per thread, like the autograd mode it sets
        def encode_rows(part: slice) -> None:
            y = self._normalised(x[part].float(), zeros_allowed=False, first=part.start)
            if matrix is not None:
                y = y @ matrix
            residual = y
            if self.coarse is not None and lists is not None:
                centroid, lists[part] = self.coarse(y)
                residual = y - centroid
            codes[part] = self.quantizer.assign(residual, self.encoder_codebooks, vectors=y, step=step)

        # What is balanced is so over all rows.
        for_spans(encode_rows, len(x), span=max(1, len(x)) if step else self.quantizer.encode_rows, device=x.device)
        return codes.reshape(*rows, self.spec.M), None if lists is None else lists.reshape(rows)

    @overload
    def decode(self, codes: Tensor, lists: Tensor | None = None) -> Tensor: ...
    @overload
    def decode(self, codes: np.ndarray, lists: np.ndarray | None = None) -> np.ndarray: ...
    @torch.no_grad()
    def decode(self, codes: Any, lists: Any = None) -> Any:
        """``x_hat`` ``(n, dim)``, float32, of codes ``(n, M)`` and, where the spec has lists, lists ``(n,)``.

        Codes ``(..., M)`` and lists ``(...)`` give ``(..., dim)``. Numpy arrays, wherever the index is, give a numpy
        array.

        Raises:
            ValueError: wrong shape, numbers out of range, or lists given or missing against the spec.
            RuntimeError: before the warm start.
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
        x_hat = self._rotated_back(self._decoded(codes.reshape(-1, self.spec.M), lists), matrix)
        return x_hat.reshape(*codes.shape[:-1], self.dim)

    def reconstruct(self, codes: Tensor, lists: Tensor | None = None) -> Tensor:
        """As :meth:`decode`, without checks, and differentiable in codewords, centroids and rotation."""
        return self._rotated_back(
            self._decoded(codes, lists), None if self.rotation is None else self.rotation.matrix()
        )

    def _decoded(self, codes: Tensor, lists: Tensor | None) -> Tensor:
        y = self.quantizer.decode(codes)
        return y if self.coarse is None or lists is None else y + self.coarse.centroids().index_select(0, lists.long())

    @staticmethod
    def _rotated_back(y: Tensor, matrix: Tensor | None) -> Tensor:
        return y if matrix is None else y @ matrix.T

    def set_query_adapter(self, matrix: Tensor | None) -> None:
        """Have queries multiplied by ``matrix`` ``(dim, dim)`` from the right before scoring; None: as they are.

        Bundles carry it, and searchers apply it. The layer itself sees items only.
        """
        if matrix is not None and tuple(matrix.shape) != (self.dim, self.dim):
            raise ValueError(f"matrix (shape {tuple(matrix.shape)}) must be ({self.dim}, {self.dim})")
        self.query_adapter = None if matrix is None else matrix.detach().to(self.device, torch.float32)

    def keep_encoding(self) -> None:
        """Go on to encode by the words of now, whatever training makes of them: codes in service stay right.

        The words then say only what a code scores, as in Zhan et al., "Jointly optimizing query encoder and product
        quantization", 2021. Rotation and centroids must not be trained from here on.
        """
        self._check_ready()
        self.encoder_codebooks = self.quantizer.codebooks.detach().float().clone()

    def arrays(self) -> dict[str, np.ndarray]:
        """What a bundle stores, float32: ``rotation``, ``coarse``, ``codebooks``, ``query_adapter``,
        ``encoder_codebooks``; what the index lacks is absent.
        """
        self._check_ready()
        found: dict[str, Tensor] = {"codebooks": self.quantizer.codebooks}
        if self.rotation is not None:
            found["rotation"] = self.rotation.composed()
        if self.coarse is not None:
            found["coarse"] = self.coarse.centroids()
        found |= {name: array for name in _CARRIED if (array := getattr(self, name)) is not None}
        return {name: array.detach().float().cpu().contiguous().numpy().copy() for name, array in found.items()}

    def bundle(
        self,
        ids: Sequence[Any] | np.ndarray,
        embeddings: Tensor | np.ndarray,
        path: str | Path,
        *,
        columns: Any = None,
        training: dict[str, Any] | None = None,
    ) -> Bundle:
        """Encode items and write them as a bundle, from which every engine is filled.

        Args:
            ids: ``(n,)`` distinct integers or strings.
            embeddings: float, ``(n, dim)``: the item tower's vectors before the index.
            path: folder to write; an older bundle there is replaced at once or not at all.
            columns: optional ``pyarrow.Table`` of n rows stored beside the ids, such as titles.
            training: optional facts for the manifest, JSON-able.
        Raises:
            ValueError: ids and rows differ in number, ids repeat, or what ``encode`` refuses.
        """
        vectors = from_numpy(embeddings) if isinstance(embeddings, np.ndarray) else torch.as_tensor(embeddings)
        if vectors.ndim != 2:
            raise ValueError(
                f"embeddings (shape {tuple(vectors.shape)}) must be (n, {self.dim}), a row for each id; "
                f"give reshape(-1, {self.dim}) and an id for each of its rows"
            )
        if len(ids) != len(vectors):
            raise ValueError(f"ids (={len(ids)}) and embeddings (={len(vectors)} rows) must be of one length")
        codes, lists = as_stored(*self.encode(vectors.to(self.device)))
        return write_coded(self, ids, codes, lists, path, columns=columns, training=training)

    @property
    def device(self) -> torch.device:
        return self.quantizer.codebooks.device

    # Phases -------------------------------------------------------------------------------------------------------

    @compile_guard
    def _advance(self, x: Tensor) -> bool:
        """Count the step, and move from warm-up to collecting to ready; whether the index is ready then."""
        sample = self.phase.collect(x)
        if sample is not None:
            self._fit(sample)
        return self.phase.count_step()

    @compile_guard
    def _reseed(self, y: Tensor) -> None:
        """Move dead codewords and centroids once a window of use is full; the counter stays outside the graph."""
        if self.phase.usage.batches >= self.reseed_every:
            reseed_dead(self, self.phase.usage, y)

    def _fit(self, sample: Tensor) -> None:
        found = fit_sample(sample, self.spec, equal_norm=self.metric != "l2", seed=self.seed)
        if self.rotation is not None and found.rotation is not None:
            self.rotation.set_(found.rotation)
        if self.coarse is not None and found.coarse is not None:
            self.coarse.set_(found.coarse)
        self.quantizer.set_(found.codebooks)
        self.phase.usage.restart()
        self.phase.set_(ready=True)

    # State --------------------------------------------------------------------------------------------------------

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        convert_old_state(state_dict, prefix)
        for name in _CARRIED:
            # A buffer that is None here would make torch call the checkpoint's unexpected.
            carried = state_dict.get(prefix + name)
            setattr(self, name, None if carried is None else carried.to(self.device))
        super()._load_from_state_dict(state_dict, prefix, *args)

    # Checks -------------------------------------------------------------------------------------------------------

    def _normalised(self, x: Tensor, *, zeros_allowed: bool, first: int = 0) -> Tensor:
        if self.metric != "cosine":
            return x
        norms = torch.linalg.vector_norm(x, dim=1, keepdim=True)
        if not zeros_allowed:
            check_nonzero(norms, first)
        # As torch's normalize: a zero vector stays zero.
        return x / norms.clamp_min(1e-12)

    @compile_guard
    def _warn_not_ready(self) -> None:
        if torch.compiler.is_exporting():
            raise RuntimeError("the index is not ready to be exported: warm-start it, then call eval()")
        if not self._warned:
            self._warned = True
            warnings.warn(
                "the index has not been warm-started: in eval mode it returns the vectors as they are, without codes",
                stacklevel=3,
            )

    def _check_ready(self) -> None:
        if not self.phase.ready:
            raise RuntimeError(
                "the index is not ready: it has not been warm-started yet; "
                f"call warm_start(sample), or train past warmup_steps (={self.warmup_steps}) and buffer_rows "
                f"(={self.buffer_rows}) vectors"
            )
