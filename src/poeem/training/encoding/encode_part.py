"""PartEncoder: reads a part, encodes it and writes its file. One for every process, here and on Ray."""

from __future__ import annotations

from collections.abc import Callable

from poeem.bundle import Bundle
from poeem.bundle.encoder import Encoder
from poeem.bundle.ids import ids_to_arrow
from poeem.bundle.items import Items, ItemsWriter
from poeem.bundle.whole_file import whole_file
from poeem.training.devices import torch_device
from poeem.training.encoding.parts_folder import PartsFolder
from poeem.training.encoding.source import Part, Source


class PartEncoder:
    """Encodes parts of a source.

    Args:
        bundle: the index.
        source: the items.
        folder: where parts are written.
        device: where codes are computed.
    """

    def __init__(self, bundle: Bundle, source: Source, folder: PartsFolder, device: str) -> None:
        self._spec, self._source, self._folder = bundle.spec, source, folder
        self._encoder = Encoder(bundle, torch_device(device))

    def encode(self, part: Part, progress: Callable[[int], object] = lambda rows: None) -> None:
        """Encode a part; its file is written beside its place and renamed.

        Args:
            part: the part.
            progress: called with the number of rows after every block.
        Raises:
            ValueError: a row cannot be encoded; the message names it.
        """
        rows = 0
        with whole_file(self._folder.place(part)) as beside:
            with ItemsWriter(beside, self._spec.nbits, self._folder.stamp(part)) as writer:
                for ids, vectors in self._source.blocks(part):
                    try:
                        codes, lists = self._encoder.encode(vectors)
                        writer.write(Items(ids_to_arrow(ids), codes, lists, columns=None))
                    except ValueError as error:
                        raise ValueError(f"items, rows from {part.first + rows}: {error}") from None
                    rows += len(vectors)
                    progress(len(vectors))
            if rows != part.rows:
                raise ValueError(f"items: {rows:,} rows from {part.first} on, not {part.rows:,}; were they changed?")
