"""Encode and decode all items of a fit by an index in training, a block of items at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from poeem.bundle.storage_dtypes import as_stored
from poeem.layers.embedding_index import EmbeddingIndex
from poeem.training.frozen.top_items import blocks


@torch.no_grad()
def encode_all(layer: EmbeddingIndex, items: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Encode all items.

    Args:
        layer: a ready index.
        items: float32, ``(n, dim)``, may be memory-mapped.
    Returns:
        codes uint8 ``(n, M)``, and lists int32 ``(n,)`` or None.
    """
    parts = [as_stored(*layer.encode(torch.from_numpy(block).to(layer.device))) for block in blocks(items)]
    lists = [places for _, places in parts if places is not None]
    return np.concatenate([codes for codes, _ in parts]), np.concatenate(lists) if lists else None


@torch.no_grad()
def decode_blocks(
    layer: EmbeddingIndex, items: np.ndarray, codes: np.ndarray | None = None, lists: np.ndarray | None = None
) -> Iterator[np.ndarray]:
    """Yield the reconstructions of all items, block by block.

    Args:
        layer: a ready index.
        items: float32, ``(n, dim)``. With ``codes`` only the sizes of its blocks are used; without, its items are
            encoded first.
        codes, lists: fixed codes ``(n, M)`` and lists ``(n,)`` to decode.
    Yields:
        float32, ``(rows, dim)``.
    """
    start = 0
    for block in blocks(items):
        part = slice(start, start + len(block))
        if codes is None:
            numbers, places = layer.encode(torch.from_numpy(block).to(layer.device))
        else:
            numbers = torch.from_numpy(codes[part].astype(np.int64)).to(layer.device)
            places = None if lists is None else torch.from_numpy(lists[part].astype(np.int64)).to(layer.device)
        yield layer.decode(numbers, places).cpu().numpy()
        start = part.stop
