"""Codes and reconstructions of all items by an index in training, block by block."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from poeem.bundle.storage_dtypes import as_stored
from poeem.layers.embedding_index import EmbeddingIndex
from poeem.training.frozen.top_items import blocks


@torch.no_grad()
def encode_all(layer: EmbeddingIndex, items: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Codes uint8 ``(n, M)`` and lists int32 ``(n,)`` of all items."""
    parts = [as_stored(*layer.encode(torch.from_numpy(block).to(layer.device))) for block in blocks(items)]
    lists = [places for _, places in parts if places is not None]
    return np.concatenate([codes for codes, _ in parts]), np.concatenate(lists) if lists else None


@torch.no_grad()
def decode_blocks(
    layer: EmbeddingIndex, items: np.ndarray, codes: np.ndarray | None = None, lists: np.ndarray | None = None
) -> Iterator[np.ndarray]:
    """Reconstructions of items, float32, block by block. Without ``codes`` the items are encoded first."""
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
