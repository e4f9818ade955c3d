"""The report of a run of images: its figures, and test queries with their neighbours by float vectors and by codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from poeem.evaluation.class_metrics import best_first
from poeem.evaluation.scorers import FloatScorer
from poeem.training.images.evaluate import RowScorer
from poeem.training.images.page import Picture, report_page
from poeem.training.images.run import PICTURE, ImageRun
from poeem.training.model_scores import BundleScorer

QUERIES, NEIGHBOURS = 10, 10


def image_report(run: ImageRun, metrics: Mapping[str, Any]) -> str:
    """Make the page, self-contained HTML.

    Args:
        run: the run; its bundle must have the pictures as a column.
        metrics: content of its ``metrics.json``.
    """
    test, gallery = run.test()
    rows = run.queries[: min(QUERIES, len(test.queries))]
    columns = run.bundle.columns
    assert columns is not None
    scorers = FloatScorer(test.gallery, "cosine"), RowScorer(BundleScorer(run.bundle, metrics["nprobe"]), gallery)

    def picture(row: int, kind: str, score: float | None) -> Picture:
        facts = columns.slice(row, 1).to_pylist()[0]
        lines = [run.names[row], facts.get("title") or "", "" if score is None else f"{score:.3f}"]
        return Picture(facts[PICTURE], [line for line in lines if line], kind)

    def neighbours(number: int, scorer: Any) -> list[Picture]:
        scores = torch.from_numpy(scorer.scores(test.queries[number : number + 1]))
        best = best_first(scores, min(NEIGHBOURS, len(gallery)))[0].tolist()
        found = []
        for place in best:
            kind = ""
            if run.labels is not None:
                kind = "same" if run.labels[gallery[place]] == run.labels[rows[number]] else "other"
            found.append(picture(int(gallery[place]), kind, float(scores[0, place])))
        return found

    shown = [
        (picture(int(row), "query", None), neighbours(number, scorers[0]), neighbours(number, scorers[1]))
        for number, row in enumerate(np.asarray(rows))
    ]
    return report_page(f"{metrics['dataset']}: image search", metrics, shown)
