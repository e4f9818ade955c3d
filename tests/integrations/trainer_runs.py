"""A training of a small Sentence Transformers model with its index, in this process or in one of several."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import torch

from tests.texts import small_texts, word_tokenizer

QUERIES, ITEMS = small_texts()
DIM = 16


def train(folder: Path, bert: str | None = None, *, resume: bool | str = False, **options: Any) -> Any:
    """Train for 16 steps, with a warm start at half of them, and return the trainer.

    Args:
        folder: for checkpoints.
        bert: folder of a transformer; None: a static model.
        resume: checkpoint to resume from.
        options: further training arguments.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from datasets import Dataset
        from sentence_transformers import (
            SentenceTransformer,
            SentenceTransformerTrainer,
            SentenceTransformerTrainingArguments,
        )
        from sentence_transformers.sentence_transformer import losses
        from sentence_transformers.sentence_transformer.modules import StaticEmbedding
        from sentence_transformers.util import dot_score

        from poeem.integrations import sentence_transformers as st

        torch.manual_seed(0)
        if bert is None:
            modules = [StaticEmbedding(word_tokenizer(), embedding_dim=DIM)]
            model = SentenceTransformer(modules=modules, device="cpu")
        else:
            model = SentenceTransformer(bert, device="cpu")
        ranking = losses.MultipleNegativesRankingLoss(model, similarity_fct=dot_score)
        loss = st.QuantizationAwareLoss(model, ranking, ["RQ2x4"])
        arguments = {
            "max_steps": 16,
            "per_device_train_batch_size": 32,
            "learning_rate": 0.02,
            "report_to": [],
            "use_cpu": True,
            "save_strategy": "no",
            "disable_tqdm": True,
            "logging_strategy": "no",
            "dataloader_pin_memory": False,
            "seed": 1,
        } | options
        trainer = SentenceTransformerTrainer(
            model=model,
            args=SentenceTransformerTrainingArguments(output_dir=str(folder), **arguments),
            train_dataset=Dataset.from_dict({"anchor": QUERIES, "positive": ITEMS}),
            loss=loss,
            callbacks=[st.WarmStart(model, ITEMS)],
        )
        trainer.train(resume_from_checkpoint=resume)
    return trainer


def weights(trainer: Any) -> dict[str, torch.Tensor]:
    """The model's weights by name, with those of the index."""
    return {name: tensor.detach().clone() for name, tensor in trainer.model.state_dict().items()}


def train_one_of_two(rank: int, port: int, folder: Path) -> None:
    """One of two gloo processes: train, and write the weights of this process to ``folder``."""
    places = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in places.items()})
    torch.set_num_threads(1)
    trainer = train(folder / f"out{rank}", per_device_train_batch_size=16)
    assert torch.distributed.get_world_size() == 2
    torch.save({"weights": weights(trainer), "step": trainer.state.global_step}, folder / f"{rank}.pt")
    torch.distributed.destroy_process_group()
