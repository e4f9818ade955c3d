"""The retrieval loss on the float and on the quantized items, weighted."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from poeem.losses.retrieval_softmax import softmax_of_views


def two_views(
    queries: Tensor,
    items: Tensor,
    quantized: Tensor,
    target: Tensor | None = None,
    *,
    share: float = 0.5,
    temperature: float = 0.07,
    metric: str = "cosine",
    log_q: Tensor | None = None,
    item_ids: Tensor | None = None,
) -> Tensor:
    """Compute the retrieval loss on float and on quantized items, weighted: ``(1 - share) L(q, x) + share L(q,
    x_hat)``.

    ``L`` is the :func:`~poeem.losses.retrieval_softmax.retrieval_softmax`. Poeem's loss is the quantized view alone.
    With it alone the float vectors move to the codewords, which on small catalogues costs the model several points of
    recall. The float view keeps the model good, and the quantized view makes it good for the index. Work that the views
    share is done once.

    Args:
        queries: float, ``(n, dim)``; leading dimensions as in ``retrieval_softmax``.
        items: float, ``(m, dim)``, vectors before quantization; brought to unit length here under ``cosine``.
        quantized: float, ``(m, dim)``, the layer's ``out.embedding`` for the same rows; never normalised.
        target: int64, ``(n,)``, the row of each query's positive; by default row i belongs to query i.
        share: weight of the quantized view, 0 to 1; at 1 the float items are not used.
        temperature, metric, log_q, item_ids: as in ``retrieval_softmax``.
    Returns:
        scalar, nats.
    Raises:
        ValueError: ``items`` and ``quantized`` differ in shape, or an argument is out of range.
    Source:
        The quantized view: Zhang et al., "Joint learning of deep retrieval model and product quantization based
        embedding index", SIGIR 2021, section 3.

    >>> q = torch.eye(2)
    >>> 2 * two_views(q, torch.eye(2), torch.eye(2) / 2, temperature=1.0)  # log(1 + 1/e) + log(1 + 1/sqrt(e))
    tensor(0.7873)
    >>> two_views(q, torch.eye(2), torch.eye(2) / 2, share=1.0, temperature=1.0)
    tensor(0.4741)
    """
    check_share(share)
    if items.shape != quantized.shape:
        raise ValueError(
            f"quantized must have the shape of items, {tuple(items.shape)}, not {tuple(quantized.shape)}; "
            "pass the layer's output for the same rows"
        )
    if share == 1:
        views = [quantized]
    else:
        floats = F.normalize(items, dim=-1) if metric == "cosine" else items
        views = [floats, quantized.to(floats.dtype)]
    losses = softmax_of_views(
        queries, views, target, temperature=temperature, metric=metric, log_q=log_q, item_ids=item_ids
    )
    return losses[0] if share == 1 else torch.lerp(losses[0], losses[1], share)


def check_share(share: float) -> None:
    """Raise ValueError if ``share`` is not between 0 and 1."""
    if not 0 <= share <= 1:
        raise ValueError(f"share (={share}) of the quantized view must be 0 to 1")
