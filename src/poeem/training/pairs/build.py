"""Build the encoder, the model and the training batches of a run on pairs of texts, from its settings."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from poeem.data.datasets.embedded import PARTS, TEST, VALIDATION, split_queries
from poeem.data.frequency import log_q as event_log_q
from poeem.data.pairs.batches import PairBatches
from poeem.data.pairs.text_pairs import TextPairs
from poeem.data.ragged import Ragged
from poeem.towers.sentence_encoder import SentenceEncoder
from poeem.towers.text import StaticEncoder, TextTower
from poeem.towers.two_tower import TwoTower
from poeem.training.build import joint_model
from poeem.training.model import JointModel

log = logging.getLogger(__name__)

# A larger share of unknown tokens is worth a warning.
MOST_UNKNOWN = 0.1
TOKENIZER_FILE, ENCODER_FOLDER = "tokenizer.json", "encoder"


def split_pairs(pairs: TextPairs) -> dict[str, np.ndarray]:
    """Split the queries that have an item at random into ``train``, ``validation`` and ``test`` (80 / 10 / 10 %).

    The split does not depend on the seed of a training. There are at most 1,500 queries for validation and 3,000 for
    the test; further ones of these parts are not used.

    Returns:
        query numbers by part.
    """
    answered = np.flatnonzero(pairs.relevant.lengths > 0)
    return {
        part: answered[rows] for part, rows in split_queries(len(answered), validation=VALIDATION, test=TEST).items()
    }


def new_encoder(settings: Mapping[str, Any], pairs: TextPairs) -> Any:
    """Make the encoder from which a training starts. Tokens that are frequent in the items get less weight.

    Raises:
        ValueError: there is no such encoder, or a package is missing.
        RuntimeError: the table of the static encoder is not in the cache and cannot be downloaded.
    """
    if settings["encoder"] != "static":
        return SentenceEncoder(settings["encoder"], max_tokens=settings["max_tokens"])
    from poeem.data.encoders.token_table import token_importance, token_table

    vectors, tokenizer = token_table(settings["dim"])
    encoder = StaticEncoder(torch.from_numpy(vectors), tokenizer=tokenizer, max_tokens=settings["max_tokens"])
    tokens = encoder.prepare(list(pairs.items))
    unknown = encoder.unknown_share(tokens)
    if unknown > MOST_UNKNOWN:
        log.warning(
            "%.0f %% of the items' tokens are unknown to the static encoder, whose vocabulary is English; "
            "--encoder takes a Sentence Transformers model of another language",
            100 * unknown,
        )
    with torch.no_grad():
        encoder.importance.weight.copy_(torch.from_numpy(token_importance(tokens.values, len(vectors)))[:, None])
    return encoder


def stored_encoder(settings: Mapping[str, Any], folder: Path) -> Any:
    """Make the encoder of a run. Its weights must be loaded afterwards.

    Args:
        settings: settings of the run.
        folder: ``model/`` of the run.
    """
    if settings["encoder"] != "static":
        return SentenceEncoder(folder / ENCODER_FOLDER, max_tokens=settings["max_tokens"])
    from poeem.data.encoders.token_table import read_tokenizer

    tokenizer = read_tokenizer(folder / TOKENIZER_FILE)
    vectors = torch.zeros(tokenizer.get_vocab_size(), settings["dim"])
    return StaticEncoder(vectors, tokenizer=tokenizer, max_tokens=settings["max_tokens"])


def write_encoder(encoder: Any, folder: Path) -> None:
    """Write the files that ``stored_encoder`` reads."""
    if isinstance(encoder, SentenceEncoder):
        encoder.model.save_pretrained(str(folder / ENCODER_FOLDER), create_model_card=False)
    else:
        encoder.tokenizer.save(str(folder / TOKENIZER_FILE))


def build_pair_batches(settings: Mapping[str, Any], pairs: TextPairs) -> PairBatches:
    """Build the training batches that the settings describe."""
    return PairBatches(
        split_pairs(pairs)[PARTS[0]],
        pairs.relevant,
        pairs.negatives,
        batch_size=settings["batch_size"],
        seed=settings["seed"],
    )


def build_pair_model(
    settings: Mapping[str, Any],
    pairs: TextPairs,
    encoder: Any,
    *,
    indexed: bool,
    batch_size: int | None = None,
) -> JointModel:
    """Build two towers with one encoder, loss and, if ``indexed``, the index, which is not warm-started.

    Args:
        settings: settings of a run.
        pairs: the texts.
        encoder: of `new_encoder` or `stored_encoder`.
        indexed: False for the float twin.
        batch_size: pairs per step, over all processes; None: the model is not for training.
    Returns:
        the model.
    """
    texts = pairs.all_items
    towers = TwoTower(TextTower(encoder, pairs.queries, "query"), TextTower(encoder, texts, "item"), encoder.dim)
    log_q = None
    if batch_size is not None:
        train = split_pairs(pairs)[PARTS[0]]
        columns = [rows.take(train).values for rows in (pairs.relevant, pairs.negatives)]
        # A batch has a negative for each query that has one.
        share = float((pairs.negatives.lengths[train] > 0).mean())
        draws = 1 if settings["candidates"] == "positives" else round(batch_size * (1 + share))
        events = np.concatenate(columns)
        log_q = event_log_q(Ragged.from_lengths(np.array([len(events)]), events), len(texts), draws=draws)
    return joint_model(
        towers,
        settings,
        len(texts),
        indexed=indexed,
        log_q=log_q,
        minable=None if batch_size is None else np.arange(pairs.n_items),
    )
