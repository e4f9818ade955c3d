"""Training of a model of search events: the loop with warm start of the index and validation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from poeem.data.attributes import category_numbers
from poeem.data.events.batches import EventBatches
from poeem.data.events.search_events import SearchEvents
from poeem.data.events.split import EventSplit
from poeem.data.vocabulary import Vocabulary
from poeem.training.events.build import build_event_model, event_inputs
from poeem.training.events.model import EventModel
from poeem.training.events.scores import current_scorer, event_figures, event_query_vectors, product_vectors
from poeem.training.optimizer import make_optimizer
from poeem.training.plan import Plan
from poeem.training.run_training import check_enough_items
from poeem.training.train_model import CheckpointStore, TrainState, Validation, train_model
from poeem.training.warm_start import warm_start_at

if TYPE_CHECKING:
    from accelerate import Accelerator


# From so many different texts on, a word must be in two of them: one that is in a single text is mostly a slip.
MANY_TEXTS = 1000


def training_vocabulary(events: SearchEvents, split: EventSplit) -> Vocabulary:
    """The tokens of the different queries of training and of all titles."""
    numbers = np.unique(events.query[split.train])
    texts = [*(str(events.queries[number]) for number in numbers.tolist()), *filter(None, events.titles)]
    return Vocabulary.of_texts(texts, min_count=2 if len(texts) >= MANY_TEXTS else 1)


def fit_events(
    events: SearchEvents,
    split: EventSplit,
    vocabulary: Vocabulary,
    settings: dict[str, Any],
    plan: Plan,
    checkpoints: CheckpointStore,
    *,
    accelerator: Accelerator,
    indexed: bool = True,
    validation: bool = True,
    show: bool = False,
) -> tuple[EventModel, TrainState]:
    """Train a model by the settings of a run: with its index, or its float twin."""
    inputs = event_inputs(settings, events, vocabulary)
    sizes = {"batch_size": settings["batch_size"], "negatives": settings["negatives"], "seed": settings["seed"]}
    batches = EventBatches(inputs, split.train, **sizes)
    model = build_event_model(settings, events, vocabulary, indexed=indexed, log_q=batches.log_q())
    if model.index is not None:
        check_enough_items(model.index, events.n_items, "items")
    targets, categories = events.item[split.validation], category_numbers(events.item_table, settings["category"])

    def validate(step: int) -> Validation:
        vectors = event_query_vectors(model, inputs, split.validation)
        block = event_figures(current_scorer(model, settings["nprobe"]), vectors, targets, categories)
        figures = {f"validation/{name}": block[name] for name in ("recall@100", "p_good@100") if name in block}
        text = ", ".join(f"{name} {value:.4f}" for name, value in figures.items())
        return Validation((block["recall@100"],), text, figures, model.index is None or model.index.ready)

    state = train_model(
        model,
        make_optimizer(model, lr=plan.lr, weight_decay=plan.weight_decay, index_lr=plan.index_lr),
        batches,
        plan,
        accelerator=accelerator,
        checkpoints=checkpoints,
        validate=validate if indexed and validation else None,
        before_step=[
            warm_start_at(
                plan, model.index, np.arange(events.n_items), lambda items: product_vectors(model, items), accelerator
            )
        ],
        progress_title=("events + " + settings["spec"] if indexed else "float twin") if show else None,
    )
    return model, state
