"""EmbeddingIndex: rotation, lists and codebooks as the last layer of an item tower."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils._pytree import _register_namedtuple

from poeem.bundle.storage_dtypes import as_stored
from poeem.functional.compile_guard import compile_guard, is_exporting
from poeem.functional.distortion import distortion
from poeem.functional.estimators import ESTIMATORS
from poeem.functional.unit_length import unit_length
from poeem.layers.additive import AdditiveQuantizer
from poeem.layers.checks import check_sizes, check_vectors
from poeem.layers.choices import Assignment, BeamSearch, Estimator, ScoreAware, Soft, check_choices
from poeem.layers.coarse import CoarseQuantizer
from poeem.layers.numpy_input import from_numpy
from poeem.layers.phase import Phase
from poeem.layers.pretrained import PretrainedFiles
from poeem.layers.product import ProductQuantizer
from poeem.layers.reseed import reseed_dead
from poeem.layers.rotation import make_rotation
from poeem.layers.soft import soft_estimate
from poeem.layers.staged_index import StagedIndex
from poeem.layers.usage import Usage
from poeem.layers.warm_start import fit_sample
from poeem.layers.write import write_coded
from poeem.metric import Metric
from poeem.spec import IndexSpec

if TYPE_CHECKING:
    from pathlib import Path

    from poeem.bundle import Bundle


class Output(NamedTuple):
    """What the layer returns for ``x`` of shape ``(n, dim)``; for ``(..., dim)``, ``...`` stands in place of n."""

    embedding: Tensor  # (n, dim): the value is x_hat, which the engine will score; x itself before the warm start
    codes: Tensor | None  # (n, M) int64; None before the warm start
    lists: Tensor | None  # (n,) int64; None before the warm start and for flat specs
    distortion: Tensor  # scalar, mean ‖x_hat - sg(x)‖²; 0 before the warm start


# torch.export.save needs a name for the type that a program returns.
_register_namedtuple(Output, serialized_type_name="poeem.Output")


class EmbeddingIndex(StagedIndex, PretrainedFiles):
    """A product- or additive-quantization index that is trained together with the model.

    Put it behind the item tower and add two terms to the loss: the retrieval loss on ``out.embedding``, and
    ``out.distortion``. Any optimizer may hold its parameters; the rotation stays orthogonal under all of them.

    PQ: ``y = x R``, ``a = argmin_j ‖y - C_j‖²``, ``k_m = argmin_k ‖(y - C_a)_m - B_mk‖²``, ``x̂ = (C_a + [B_mk]) Rᵀ``.
    RQ: ``a = argmin_j ‖x - C_j‖²``, ``k = argmin_k ‖x - C_a - Σ_m B_mk_m‖²`` by beam search, ``x̂ = C_a + Σ_m B_mk_m``.
    RQ codewords are as wide as the vectors: at the same bytes it loses less, and takes longer to train and to score.

    Training has three phases. For ``warmup_steps`` forward passes the layer is the identity. Then it is still the
    identity, and collects ``buffer_rows`` vectors. Then it fits itself to them, and quantizes from there on.
    ``warm_start(sample)`` goes to the last phase at once. Under DDP the phases change at the same step on every
    process.

    Args:
        dim: width of the embeddings.
        spec: factory string or ``IndexSpec``, for instance ``"OPQ8,IVF64,PQ8"`` or ``"RQ8"``.
        metric: the score of the engine: ``ip``, ``l2`` or ``cosine`` (then the layer normalises ``x``).
        estimator: what the codebooks learn from. ``ste``: the distortion; ``task``: the retrieval loss too;
            ``rotation-trick`` and ``soft`` (PQ only; :class:`~poeem.layers.choices.Soft` sets its temperature): see
            :mod:`poeem.functional.estimators`.
        rotation: how a rotation is trained if the spec has one: ``givens-greedy``, ``givens-random``,
            ``givens-steepest``, ``cayley``, ``polar`` or ``frozen``.
        warmup_steps: training forward passes before vectors are collected.
        buffer_rows: vectors collected, over all processes, before the warm start.
        reseed_every: training forward passes between two searches for codewords that no vector uses; 0: never.
        assignment: how codewords are chosen; lists are always chosen by L2. ``nearest``: by L2; for RQ by beam search,
            see :class:`~poeem.layers.choices.BeamSearch`. ``score-aware`` (PQ only, see
            :class:`~poeem.layers.choices.ScoreAware`): other codes than the formula's, which keep high scores more
            exact under ``ip`` and ``cosine``. ``balanced`` (PQ only): every codeword equally often within a training
            batch of one process, and ``nearest`` outside training.
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
        estimator: Estimator | Soft = "ste",
        rotation: str = "givens-greedy",
        warmup_steps: int = 0,
        buffer_rows: int = 16384,
        reseed_every: int = 500,
        assignment: Assignment | ScoreAware | BeamSearch = "nearest",
        seed: int = 0,
    ) -> None:
        spec = spec if isinstance(spec, IndexSpec) else IndexSpec.parse(spec)
        spec.check_dim(dim)
        estimator = Soft() if estimator == "soft" else estimator
        assignment = ScoreAware() if assignment == "score-aware" else assignment
        check_choices(spec, metric=metric, estimator=estimator, rotation=rotation, assignment=assignment)
        check_sizes(spec, buffer_rows=buffer_rows, warmup_steps=warmup_steps, reseed_every=reseed_every, seed=seed)
        shape = (spec.M, spec.ksub, spec.dsub(dim))
        if isinstance(assignment, BeamSearch) or spec.kind == "RQ":
            search = assignment if isinstance(assignment, BeamSearch) else BeamSearch()
            quantizer = AdditiveQuantizer(*shape, beam=search.beam)
        else:
            quantizer = ProductQuantizer(*shape, assignment=assignment)
        super().__init__(
            dim,
            spec,
            metric,
            rotation=make_rotation(dim, rotation, seed) if spec.rotated else None,
            # With equal norms the lists by L2 are those by inner product, whatever the engine uses.
            coarse=CoarseQuantizer(spec.nlist, dim, equal_norm=metric != "l2") if spec.nlist else None,
            quantizer=quantizer,
            phase=Phase(dim, warmup_steps, buffer_rows, Usage(spec.M, spec.ksub, spec.nlist)),
        )
        self.estimator: str = "soft" if isinstance(estimator, Soft) else estimator
        self.soft_temperature = estimator.temperature if isinstance(estimator, Soft) else Soft().temperature
        self.seed, self.reseed_every = seed, reseed_every
        self._warned = False

    def forward(self, x: Tensor) -> Output:
        """Quantize vectors; the result is differentiable.

        Args:
            x: float, ``(..., dim)``, on the layer's device. It is computed in float32, whatever its type and under
                autocast too.
        Returns:
            the quantized vectors, their codes and lists, and the distortion. Before the warm start the vectors are
            returned as they are.
        Raises:
            ValueError: wrong shape, type or device, a row that is not finite, or (outside training, under ``cosine``) a
                zero row.
        Warns:
            UserWarning: once, outside training before the warm start. Trainers validate before the first step, where
                the layer is still the identity.
        """
        check_vectors(x, self.dim, self.device)
        if self.training and is_exporting():
            raise RuntimeError("the index must be in eval mode to be exported: torch.export.export(model.eval(), ...)")
        if x.ndim == 2:
            return self._forward_rows(x)
        out = self._forward_rows(x.reshape(-1, self.dim))
        rows = x.shape[:-1]
        codes = None if out.codes is None else out.codes.reshape(*rows, self.spec.M)
        lists = None if out.lists is None else out.lists.reshape(rows)
        return Output(out.embedding.reshape(x.shape), codes, lists, out.distortion)

    def _forward_rows(self, x: Tensor) -> Output:
        """:meth:`forward` of checked rows ``(n, dim)``."""
        with torch.autocast(x.device.type, enabled=False):
            vectors = self._normalised(x.float(), zeros_allowed=self.training)
            if not (self._advance(vectors.detach()) if self.training else self.phase.is_ready()):
                if not self.training:
                    self._warn_not_ready()
                return Output(vectors.to(x.dtype), None, None, self._no_distortion())
            x_hat, codes, lists = self._quantized(vectors.detach())
            if self.estimator != "soft":
                estimate = ESTIMATORS[self.estimator](vectors, x_hat)
            elif torch.is_grad_enabled() and not is_exporting():
                soft = soft_estimate(self, vectors, lists, self.soft_temperature)
                estimate = soft + (x_hat - soft).detach()
            else:
                estimate = x_hat
            return Output(estimate.to(x.dtype), codes, lists, distortion(vectors, x_hat))

    def _quantized(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """``x_hat``, codes and lists of normalised vectors; gradients reach the index, not ``x``."""
        matrix = None if self.rotation is None else self.rotation.matrix()
        y = x if matrix is None else x @ matrix.detach()
        if self.training and self.reseed_every:
            # Before anything of this step is in the graph: codewords in the graph must not be changed in place.
            self._reseed(y)
        centroid, lists = (None, None) if self.coarse is None else self.coarse(y)
        residual = y if centroid is None else y - centroid.detach()
        decoded, codes = self.quantizer(residual, self.encoder_codebooks, vectors=y)
        if self.training:
            self.phase.usage.add(codes, lists)
        y_hat = decoded if centroid is None else centroid + decoded
        return (y_hat if matrix is None else y_hat @ matrix.T), codes, lists

    def _no_distortion(self) -> Tensor:
        """Zero that depends on every parameter: DDP needs a gradient of each of them at every step."""
        return sum((0.0 * p.sum() for p in self.parameters()), torch.zeros((), device=self.device))

    @torch.no_grad()
    def warm_start(self, sample: Tensor) -> None:
        """Fit rotation, centroids and codebooks to a sample, and quantize from now on.

        An index that is ready already is fitted from scratch. Under DDP every process passes its own rows; all end with
        the same index.

        Args:
            sample: float, ``(..., dim)``; more rows are better, up to about 65,000.
        Raises:
            ValueError: fewer rows than codewords or lists, or rows that ``forward`` refuses.
        """
        check_vectors(sample, self.dim, self.device)
        sample = sample.detach().reshape(-1, self.dim)
        self._fit(self._normalised(sample.float(), zeros_allowed=False))

    def bundle(
        self,
        ids: Sequence[Any] | np.ndarray,
        embeddings: Tensor | np.ndarray,
        path: str | Path,
        *,
        columns: Any = None,
        training: dict[str, Any] | None = None,
    ) -> Bundle:
        """Encode items and write them as a bundle, which can be exported to every engine.

        Args:
            ids: ``(n,)`` distinct integers or strings.
            embeddings: float, ``(n, dim)``: the item tower's vectors before the index.
            path: folder to write. An older bundle there is replaced completely or not at all.
            columns: optional ``pyarrow.Table`` of n rows stored beside the ids, such as titles.
            training: optional facts for the manifest, JSON values.
        Returns:
            the bundle, opened.
        Raises:
            ValueError: ids and rows differ in number, an id repeats, or a row is one that ``encode`` refuses.
            RuntimeError: the index has not been warm-started.
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

    @compile_guard
    def _advance(self, x: Tensor) -> bool:
        """Count the step, and go from warm-up to collecting to ready; whether the index is ready then."""
        sample = self.phase.collect(x)
        if sample is not None:
            self._fit(sample)
        return self.phase.count_step()

    @compile_guard
    def _reseed(self, y: Tensor) -> None:
        """Move dead codewords and centroids once a full window of use is counted.

        Not by the step: right after a warm start every codeword would look dead.
        """
        if self.phase.usage.batches >= self.reseed_every:
            reseed_dead(self, y, seed=self.seed + self.step)

    def _fit(self, sample: Tensor) -> None:
        fit = fit_sample(sample, self.spec, equal_norm=self.metric != "l2", seed=self.seed)
        if self.rotation is not None and fit.rotation is not None:
            self.rotation.set_(fit.rotation)
        if self.coarse is not None and fit.coarse is not None:
            self.coarse.set_(fit.coarse)
        self.quantizer.set_(fit.codebooks)
        self.phase.usage.restart()
        self.phase.set_(ready=True)

    def _normalised(self, x: Tensor, *, zeros_allowed: bool) -> Tensor:
        return unit_length(x, zeros_allowed=zeros_allowed) if self.metric == "cosine" else x

    @compile_guard
    def _warn_not_ready(self) -> None:
        if is_exporting():
            raise RuntimeError("the index is not ready to be exported: warm-start it, then call eval()")
        if not self._warned:
            self._warned = True
            warnings.warn(
                "the index has not been warm-started: in eval mode it returns the vectors as they are, without codes",
                stacklevel=3,
            )
