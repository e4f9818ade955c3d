"""QuantizationAwareLoss: any loss of Sentence Transformers, on the float and on the quantized documents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.losses.gradcache import uses_gradient_cache
from torch import Tensor, nn

from poeem.integrations.sentence_transformers.quantize import DOCUMENT, QUANTIZED, TERMS, Quantize, find_quantize


class QuantizationAwareLoss(nn.Module):
    """Another loss on the float and on the quantized documents, with the terms that train the index.

    ``(1 - share) L(q, x) + share mean_s L(q, x_hat_s) + sum_s (distortion_s + commitment ‖sg(x_hat_s) - x‖²)``,
    over the structures ``s``. Before the warm start it is ``L(q, x)``. The first column (the anchors) are queries and
    stay float; all others are documents.

    It wraps any loss that calls the model once per column, in their order, and the losses with gradient cache. A model
    without a `Quantize` gets one. Under ``cosine`` the wrapped loss sees vectors of unit length. Let it score by inner
    product (``similarity_fct=dot_score``), as the engine does: quantized vectors are not of unit length, and a cosine
    would hide that.

    Args:
        model: the model.
        loss: the loss to wrap, of the same model.
        specs: structure of each index that is trained at once; default ``["RQ8"]``, or those of the model's `Quantize`.
        share: weight of the quantized documents, 0 to 1.
        commitment: weight of the pull of vectors to their codewords.
        options: further arguments of `Quantize`.
    Raises:
        ValueError: the model has a `Quantize` of other structures, or an argument is out of range.
    Source:
        Zhang et al., "Joint learning of deep retrieval model and product quantization based embedding index", SIGIR
        2021, with a float view beside the paper's.
    """

    def __init__(
        self,
        model: SentenceTransformer,
        loss: nn.Module,
        specs: Sequence[str] | None = None,
        *,
        share: float = 0.75,
        commitment: float = 1.0,
        **options: Any,
    ) -> None:
        super().__init__()
        if not 0 <= share <= 1:
            raise ValueError(f"share (={share}) of the quantized documents must be 0 to 1")
        if not 0 <= commitment < float("inf"):
            raise ValueError(f"commitment (={commitment}) must be 0 or more; 1 is usual")
        found = find_quantize(model)
        if found is None:
            width = model.get_embedding_dimension()
            if width is None:
                raise ValueError("the model does not tell the width of its vectors; append a Quantize yourself")
            found = Quantize(width, specs or ("RQ8",), **options).to(model.device)
            model.append(found)
        elif options or (specs is not None and list(specs) != found.specs):
            raise ValueError(
                f"specs (={specs!r}): the model has a Quantize of {found.specs}; leave specs and options out"
            )
        self.model, self.loss, self.share, self.commitment = model, loss, share, commitment
        self.quantize = found
        self.uses_gradient_cache = uses_gradient_cache(loss)
        if self.uses_gradient_cache:
            loss.calculate_loss = _CachedViews(loss.calculate_loss, self)  # pyright: ignore

    def forward(self, sentence_features: Iterable[dict[str, Any]], labels: Tensor | None = None) -> Tensor:
        """The loss of a batch, scalar."""
        columns = list(sentence_features)
        if self.uses_gradient_cache:
            return _scalar(self.loss(columns, labels))
        forward = self.model.forward
        views = _Views(forward, columns)
        self.model.forward = views  # pyright: ignore[reportAttributeAccessIssue]
        try:
            floats = _scalar(self.loss(columns, labels))
            terms = views.terms()
            total = floats + sum(one + self.commitment * two for one, two in terms)
            if not self.quantize.ready:
                return total
            quantized = 0.0
            for number in range(len(self.quantize.specs)):
                views.select(number)
                quantized = quantized + _scalar(self.loss(columns, labels)) / len(self.quantize.specs)
            return total + self.share * (quantized - floats)
        finally:
            self.model.forward = forward

    def get_config_dict(self) -> dict[str, Any]:
        """What the model card says of this loss."""
        return {
            "loss": type(self.loss).__name__,
            "specs": self.quantize.specs,
            "share": self.share,
            "commitment": self.commitment,
        }


def _scalar(loss: Any) -> Tensor:
    """The sum of a loss that may consist of parts."""
    return torch.stack(list(loss.values())).sum() if isinstance(loss, dict) else loss


class _Views:
    """In place of ``model.forward``: the first pass calls it, later passes return quantized vectors of its results."""

    def __init__(self, forward: Any, columns: list[dict[str, Any]]) -> None:
        self._forward, self._columns = forward, [id(column) for column in columns]
        self._results: list[dict[str, Any]] = []
        self._view: int | None = None
        self._place = 0

    def select(self, view: int) -> None:
        """Return the view of an index from now on, from the first column."""
        self._view, self._place = view, 0

    def terms(self) -> list[tuple[Tensor, Tensor]]:
        """Distortion and commitment of each index, means over the columns of documents."""
        found = [result[TERMS] for result in self._results if TERMS in result]
        return [
            tuple(torch.stack([column[number][term] for column in found]).mean() for term in (0, 1))
            for number in range(len(found[0]) if found else 0)
        ]  # pyright: ignore

    def __call__(self, features: dict[str, Any], *args: Any, **kwargs: Any) -> dict[str, Any]:
        place, self._place = self._place, self._place + 1
        if self._view is None:
            result = self._forward({**features, DOCUMENT: place > 0}, *args, **kwargs)
            self._results.append(dict(result))
            return result
        result = dict(self._results[place])
        if QUANTIZED in result:
            result["sentence_embedding"] = result[QUANTIZED][self._view]
        return result


class _CachedViews:
    """In place of ``calculate_loss`` of a loss with gradient cache, which goes backward to the vectors by itself."""

    def __init__(self, calculate: Any, outer: QuantizationAwareLoss) -> None:
        self._calculate, self._outer = calculate, [outer]  # in a list: no child module

    def __call__(self, reps: list[list[Tensor]], *args: Any, **kwargs: Any) -> Tensor:
        outer, (queries, *documents) = self._outer[0], reps
        quantize = outer.quantize
        sizes = [[len(part) for part in column] for column in documents]
        if quantize.metric == "cosine":
            queries = [F.normalize(part, dim=-1) for part in queries]
            documents = [[F.normalize(part, dim=-1) for part in column] for column in documents]
        flat = [torch.cat(column) for column in documents]
        views = [[quantize.view(index, x) for x in flat] for index in quantize.all()]
        terms = sum((one + outer.commitment * two) / len(flat) for view in views for _, (one, two) in view)
        if torch.is_grad_enabled():
            terms.backward(retain_graph=True)  # pyright: ignore
        share = outer.share if quantize.ready else 0.0
        total = torch.as_tensor(terms).detach()
        weighted = [(1 - share, documents)]
        weighted += [
            (share / len(views), [list(torch.split(x_hat, size)) for (x_hat, _), size in zip(view, sizes)])
            for view in views
        ]
        for weight, columns in weighted:
            if weight:
                total = total + weight * self._weighted([queries, *columns], weight, *args, **kwargs).detach()
        return total

    def _weighted(self, reps: list[list[Tensor]], weight: float, *args: Any, **kwargs: Any) -> Tensor:
        """The loss of one view; its gradient, times the weight, goes back through the quantization."""
        if not torch.is_grad_enabled():
            return _scalar(self._calculate(reps, *args, **kwargs))
        leaves = [[part.detach().requires_grad_() for part in column] for column in reps]
        loss = _scalar(self._calculate(leaves, *args, **kwargs))
        pairs = [(part, leaf.grad) for one, two in zip(reps, leaves) for part, leaf in zip(one, two)]
        parts = [(part, grad) for part, grad in pairs if grad is not None]
        torch.autograd.backward([part for part, _ in parts], [weight * grad for _, grad in parts], retain_graph=True)
        return loss
