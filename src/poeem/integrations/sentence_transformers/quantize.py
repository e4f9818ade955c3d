"""Quantize: indexes as the last module of a Sentence Transformers model; and codes and bundles of documents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Module
from torch import Tensor, nn

from poeem.bundle.bundle import Bundle
from poeem.functional.distortion import distortion
from poeem.functional.packing import pack_codes
from poeem.layers.embedding_index import EmbeddingIndex

# Entries of the features: whether a text is a document to quantize, its quantized vectors, and the terms of the index.
DOCUMENT, QUANTIZED, TERMS = "poeem_document", "poeem_quantized", "poeem_terms"


class Quantize(Module):
    """One or several indexes behind the last module of a model.

    Documents (``encode_document``) become what an engine scores: decoded vectors ``x_hat`` of the active index. Queries
    (``encode_query``) and ``encode`` stay float. Nothing changes before the warm start.

    Args:
        dim: width of the model's vectors.
        specs: structure of each index, such as ``"RQ8"``. The first one is active at first, see `use`.
        metric: ``"cosine"``, ``"ip"`` or ``"l2"``.
        estimator, warmup_steps, buffer_rows, seed: see :class:`~poeem.layers.embedding_index.EmbeddingIndex`.
    Raises:
        ValueError: no spec, one twice, or an argument that ``EmbeddingIndex`` refuses.
    """

    config_keys = ["dim", "specs", "metric", "estimator", "warmup_steps", "buffer_rows", "seed"]  # noqa: RUF012
    forward_kwargs = {"task"}  # noqa: RUF012

    def __init__(
        self,
        dim: int,
        specs: Sequence[str] = ("RQ8",),
        *,
        metric: Any = "cosine",
        estimator: Any = "ste",
        warmup_steps: int = 0,
        buffer_rows: int = 16384,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if isinstance(specs, str) or not specs or len(set(specs)) < len(specs):
            raise ValueError(f"specs (={specs!r}) must be a list of different structures, such as ['RQ8']")
        self.dim, self.specs, self.metric, self.estimator = dim, list(specs), metric, estimator
        self.warmup_steps, self.buffer_rows, self.seed = warmup_steps, buffer_rows, seed
        options = {"metric": metric, "estimator": estimator, "warmup_steps": warmup_steps}
        options |= {"buffer_rows": buffer_rows, "seed": seed}
        self.indexes = nn.ModuleList([EmbeddingIndex(dim, spec, **options) for spec in specs])
        self._active: int | None = 0

    @property
    def ready(self) -> bool:
        """Whether all indexes have been warm-started."""
        return all(index.ready for index in self.all())

    @property
    def index(self) -> EmbeddingIndex:
        """The active index."""
        return self.all()[self._active or 0]

    def use(self, spec: str) -> None:
        """Make another index the active one.

        Raises:
            ValueError: there is no index of this structure.
        """
        if spec not in self.specs:
            raise ValueError(f"spec (={spec!r}) must be one of {', '.join(map(repr, self.specs))}")
        self._active = self.specs.index(spec)

    @contextmanager
    def floats(self) -> Iterator[None]:
        """Documents stay float within the block."""
        active, self._active = self._active, None
        try:
            yield
        finally:
            self._active = active

    def forward(self, features: dict[str, Any], task: str | None = None, **kwargs: Any) -> dict[str, Any]:
        """Quantize ``sentence_embedding`` of documents ``(n, dim)``; ``codes`` ``(n, M)`` are added beside it."""
        x = features["sentence_embedding"]
        if DOCUMENT in features and self.metric == "cosine":
            features["sentence_embedding"] = x = F.normalize(x, dim=-1)
        if features.get(DOCUMENT):
            views = [self.view(index, x) for index in self.all()]
            features[QUANTIZED], features[TERMS] = ([view[i] for view in views] for i in (0, 1))
        elif task == "document" and self._active is not None and self.index.ready:
            out = self.index(x)
            features["sentence_embedding"], features["codes"] = out.embedding, out.codes
        elif task is not None and self.metric == "cosine":
            features["sentence_embedding"] = F.normalize(x, dim=-1)
        return features

    def view(self, index: EmbeddingIndex, x: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """The quantized vectors, and distortion and commitment."""
        if not (index.training or index.ready):
            return x, (x.new_zeros(()), x.new_zeros(()))
        out = index(x)
        return out.embedding, (out.distortion, distortion(out.embedding.detach(), x))

    def all(self) -> list[EmbeddingIndex]:
        return list(self.indexes)  # pyright: ignore[reportReturnType]

    def warm_start(self, vectors: Tensor) -> None:
        """Fit all indexes to vectors of documents ``(n, dim)``; under DDP every process passes its own."""
        for index in self.all():
            index.warm_start(vectors.to(index.device))

    def save(self, output_path: str, *args: Any, safe_serialization: bool = True, **kwargs: Any) -> None:
        """Write the configuration and the weights."""
        self.save_config(output_path)
        self.save_torch_weights(output_path, safe_serialization=safe_serialization)

    @classmethod
    def load(cls, model_name_or_path: str, **kwargs: Any) -> Quantize:
        """Read what `save` wrote."""
        names = ("subfolder", "token", "cache_folder", "revision", "local_files_only")
        places = {name: kwargs[name] for name in names if name in kwargs}
        module = cls(**cls.load_config(model_name_or_path, **places))
        cls.load_torch_weights(model_name_or_path, model=module, **places)
        return module


def float_documents(model: SentenceTransformer, texts: Sequence[str], **options: Any) -> np.ndarray:
    """Vectors of documents before the index: float32 ``(n, dim)``; ``options`` go to ``encode_document``."""
    training = model.training
    with quantize_of(model).floats():
        vectors = model.encode_document(list(texts), show_progress_bar=False, **options)
    model.train(training)
    return np.asarray(vectors, np.float32)


def encode_codes(model: SentenceTransformer, texts: Sequence[str], **options: Any) -> np.ndarray:
    """Codes of documents by the active index, packed as faiss packs them: uint8 ``(n, bytes)``.

    Raises:
        ValueError: the index has lists, without which codes mean nothing: use `bundle`.
    """
    index = quantize_of(model).index
    if index.spec.nlist:
        raise ValueError(f"{str(index.spec)!r} has inverted lists, a code alone is no item; use bundle")
    vectors = torch.from_numpy(float_documents(model, texts, **options))
    codes, _ = index.encode(vectors.to(index.device))
    return pack_codes(codes.cpu().numpy(), index.spec.nbits)


def bundle(
    model: SentenceTransformer, ids: Sequence[Any], texts: Sequence[str], path: str | Path, *, columns: Any = None
) -> Bundle:
    """Encode documents and write them as a bundle, which ``poeem.export`` hands to an engine.

    Args:
        model: with a warm-started `Quantize`.
        ids: ``(n,)`` distinct integers or strings.
        texts: of the documents, ``(n,)``.
        path: folder to write.
        columns: arrow table of ``n`` rows stored beside the ids.
    """
    index = quantize_of(model).index
    return index.eval().bundle(ids, float_documents(model, texts), path, columns=columns)


def find_quantize(model: Any) -> Quantize | None:
    """The `Quantize` of a model; None if it has none."""
    return next((module for module in model.modules() if isinstance(module, Quantize)), None)


def quantize_of(model: Any) -> Quantize:
    found = find_quantize(model)
    if found is None:
        raise ValueError("the model has no Quantize; append one: model.append(Quantize(dim, ['RQ8']))")
    return found
