"""export_index: the item path, from the tower's last layers to codes and lists, as an ONNX file."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from poeem.integrations.onnx.report import OnnxReport, differing_share
from poeem.integrations.onnx.write import write_onnx
from poeem.layers.embedding_index import EmbeddingIndex

CODES, LISTS = "codes", "lists"


class ItemCodes(nn.Module):
    """The end of an item tower and the index behind it, from the tower's inputs to codes.

    Args:
        index: a ready index.
        tower: maps ``x``, and perhaps a mask, to vectors ``(n, dim)``; None: ``x`` is the vectors.
    """

    def __init__(self, index: EmbeddingIndex, tower: nn.Module | None = None) -> None:
        super().__init__()
        self.tower, self.index = tower or nn.Identity(), index

    @property
    def outputs(self) -> list[str]:
        """Names of the outputs."""
        return [CODES, LISTS] if self.index.spec.nlist else [CODES]

    def forward(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, ...]:
        """Return codes, uint8 ``(n, M)``, and lists, int32 ``(n,)``, if the index has lists."""
        out = self.index(self.tower(x) if mask is None else self.tower(x, mask))
        codes = out.codes.to(torch.uint8)
        return (codes,) if out.lists is None else (codes, out.lists.to(torch.int32))


def export_index(
    index: EmbeddingIndex, path: str | Path, *, tower: nn.Module | None = None, example: Tensor | None = None
) -> OnnxReport:
    """Write rotation, lists and assignment of an index as an ONNX file, and compare it with PyTorch.

    Its input ``x`` is float32 ``(n, dim)``; with a tower, what the tower takes, with any number of rows. Its outputs
    are ``codes``, uint8 ``(n, M)``, not packed, and with lists ``lists``, int32 ``(n,)``.

    Args:
        index: a ready index.
        path: the file to write.
        tower: the last layers of the item tower, if they belong into the file.
        example: input of the tower, at least two rows, on which both are compared; needed with a tower. Without,
            random vectors are compared.
    Returns:
        the comparison.
    Raises:
        ValueError: a package is missing, the tower has no example, or it has fewer than two rows.
        RuntimeError: the index has not been warm-started.
    """
    index._check_ready()
    if example is None:
        if tower is not None:
            raise ValueError("example must be given with a tower: an input of it, of two or more rows")
        example = torch.randn(1000, index.dim, generator=torch.Generator().manual_seed(0)).to(index.device)
    if len(example) < 2:
        raise ValueError(f"example (={len(example)} rows) must have at least two rows")
    module, training = ItemCodes(index, tower), (index.training, tower is not None and tower.training)
    try:
        module.eval()
        session = write_onnx(module, {"x": example[:2]}, module.outputs, path, dynamic={"x": {0: "n"}})
        with torch.no_grad():
            expected = [output.cpu().numpy() for output in module(example)]
    finally:
        index.train(training[0])
        if tower is not None:
            tower.train(training[1])
    found = session.run(None, {"x": example.detach().cpu().numpy()})
    return OnnxReport(len(example), differing_share(found, expected))
