"""token_table: vectors of tokens from which a static encoder starts, and weights of tokens by their frequency."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from poeem.data.encoders.minilm import MiniLM

# A token of this share among all tokens has half of the weight of a rare one.
HALF_WEIGHT = 1e-3


class TokenTable(NamedTuple):
    """Vectors of tokens and their tokenizer.

    Args:
        vectors: float32, ``(n_tokens, dim)``, of mean length 1.
        tokenizer: of the package ``tokenizers``.
    """

    vectors: np.ndarray
    tokenizer: Any


def token_table(dim: int) -> TokenTable:
    """Read the input embeddings of MiniLM, brought to a width by their principal components.

    Args:
        dim: width, at most that of MiniLM, 384.
    Raises:
        ValueError: ``dim`` is out of range, or the extra ``text`` is not installed.
        RuntimeError: MiniLM is not in the cache and cannot be downloaded.
    """
    encoder = MiniLM()
    if not 1 <= dim <= encoder.dim:
        raise ValueError(f"dim (={dim}) must be 1 to {encoder.dim}, the width of the encoder that the tokens come from")
    vectors = encoder.token_embeddings()
    vectors = vectors - vectors.mean(0)
    # Eigenvalues ascend; the last ones have the most variance.
    vectors = vectors @ np.linalg.eigh(vectors.T @ vectors)[1][:, ::-1][:, :dim]
    return TokenTable(vectors / np.linalg.norm(vectors, axis=1).mean(), encoder.tokenizer)


def token_importance(tokens: np.ndarray, n_tokens: int) -> np.ndarray:
    """Compute weights of tokens from their frequency: ``log(a / (a + p))``, with ``p`` the share of a token.

    Args:
        tokens: token numbers of all texts, ``(n,)``.
        n_tokens: size of the vocabulary.
    Returns:
        float32, ``(n_tokens,)``: 0 for a token that does not occur, less for frequent ones.
    Source:
        Arora, Liang, Ma, "A simple but tough-to-beat baseline for sentence embeddings", ICLR 2017; ``a`` is 1e-3.

    >>> token_importance(np.array([0, 0, 2]), 3).round(1)
    array([-6.5,  0. , -5.8], dtype=float32)
    """
    share = np.bincount(tokens, minlength=n_tokens) / max(len(tokens), 1)
    return np.log(HALF_WEIGHT / (HALF_WEIGHT + share)).astype(np.float32)


def read_tokenizer(file: Path) -> Any:
    """Read a tokenizer from its JSON file.

    Raises:
        ValueError: the file is damaged, or the extra ``text`` is not installed.
    """
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise ValueError(
            f"a run on texts needs the package {error.name!r}; install the extra: pip install 'poeem-torch[text]'"
        ) from error
    try:
        return Tokenizer.from_file(str(file))
    except Exception as error:
        # tokenizers raises Exception itself.
        raise ValueError(f"{file}: cannot be read ({error}); restore the file, or train again") from None
