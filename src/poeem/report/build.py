"""Build the report of a run, fit or bundle."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from poeem.bundle import Bundle, open_bundle
from poeem.explain.explain import explain_workload
from poeem.explain.options import SampleOptions
from poeem.explain.sources import read_workload
from poeem.explain.workload import Workload
from poeem.page.document import document, paragraph
from poeem.report.example_section import example_section
from poeem.report.examples import find_examples
from poeem.report.figures import cost_section, figures_section, precision_section, training_section
from poeem.report.index_use import index_section
from poeem.report.losses import loss_section, time_section
from poeem.report.query_names import query_names
from poeem.training.history import HISTORY_FILE, Row, checked_rows, read_history
from poeem.training.load import load_run
from poeem.training.run_folder import RunFolder


@dataclass(frozen=True)
class ReportOptions:
    """Inputs of a report, and how much is measured for it.

    Args:
        vectors, queries, relevance, column: of a fit or bundle, see `read_workload`; a run has its own.
        explain: measure where recall is lost and the time of queries, which takes about a minute.
        seed: of the samples.
        log: called with a line before each slow step.
    """

    vectors: Path | None = None
    queries: Path | None = None
    relevance: Path | None = None
    column: str | None = None
    explain: bool = True
    seed: int = 0
    log: Callable[[str], None] = lambda line: None


def build_report(path: str | Path, options: ReportOptions | None = None) -> str:
    """Return the page of a run, a fit or a bundle, as self-contained HTML.

    Args:
        path: its folder.
        options: further inputs.
    Raises:
        FileNotFoundError: there is nothing.
        ValueError: a file is damaged, or vectors do not belong to the index.
    """
    options = options or ReportOptions()
    folder = RunFolder(path)
    run = load_run(path) if folder.has_model else None
    bundle = open_bundle(path) if run is None else run.bundle
    metrics = read_metrics(folder.metrics)
    parts = [*_heading(Path(path).name, bundle, run, metrics)]
    if metrics is not None:
        parts += [figures_section(metrics), cost_section(metrics), precision_section(metrics)]
    parts.append(training_section(_history(folder, metrics)))
    workload = _workload(path, run, options)
    if workload is not None and options.explain:
        parts += _explained(workload, options, given=run is None)
    parts.append(index_section(bundle))
    if workload is None:
        parts.append(
            paragraph("Losses and examples need the vectors: poeem report DIR --items V.npy --queries Q.npy", "note")
        )
    else:
        options.log("examples")
        examples = find_examples(workload, seed=options.seed)
        parts.append(example_section(workload, bundle, examples, query_names(run)))
    return document(f"Report: {Path(path).name}", parts)


def read_metrics(file: Path) -> dict[str, Any] | None:
    """Read ``metrics.json``; None if there is none.

    Raises:
        ValueError: it is damaged.
    """
    if not file.is_file():
        return None
    try:
        metrics = json.loads(file.read_text(encoding="utf-8"))
        for name, kind in {"index": dict, "baselines": dict, "timings": dict, "bytes_per_vector": int}.items():
            if not isinstance(metrics[name], kind):
                raise ValueError(f"{name} is no {kind.__name__}")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{str(file)!r} cannot be read ({error}); write it again with poeem evaluate") from None
    return metrics


def _history(folder: RunFolder, metrics: Mapping[str, Any] | None) -> list[Row]:
    """The figures by step: of a fit in its metrics, of a run beside its checkpoints."""
    if metrics is not None and "history" in metrics:
        try:
            return checked_rows(metrics["history"])
        except ValueError as error:
            raise ValueError(f"{str(folder.metrics)!r}: history: {error}; fit again") from None
    return read_history(folder.checkpoints / HISTORY_FILE)


def _workload(path: str | Path, run: Any, options: ReportOptions) -> Workload | None:
    if run is None and options.vectors is None:
        return None
    return read_workload(
        path,
        vectors=options.vectors,
        queries=options.queries,
        relevance=options.relevance,
        column=options.column,
    )


def _explained(workload: Workload, options: ReportOptions, *, given: bool) -> list[str]:
    """The sections of the explanation. Vectors of a run that cannot be explained, such as those of a model that was
    hardly trained, are a note; with given vectors it is the user's mistake.
    """
    sample = SampleOptions(seed=options.seed, log=options.log)
    try:
        return [loss_section(explain_workload(workload, sample)), time_section(workload, sample)]
    except ValueError as error:
        if given:
            raise
        return [paragraph(f"Where recall is lost could not be measured: {error}", "note")]


def _heading(name: str, bundle: Bundle, run: Any, metrics: Mapping[str, Any] | None) -> list[str]:
    facts = [f"{bundle.spec}, {bundle.metric}", f"{bundle.spec.bytes_per_vector} bytes per item"]
    facts += [f"dimension {bundle.dim}", f"{len(bundle):,} items"]
    if run is not None:
        facts += [f"recipe {run.config['recipe']}", f"{run.config['step']:,} steps"]
        facts.append(f"trained in {run.config['timings'].get('train_seconds', 0):,.0f} s")
    dataset = name if metrics is None else f"{metrics['dataset']} ({name})"
    return [
        f"<h1>{html.escape(dataset)}</h1>",
        paragraph("; ".join([*facts, f"fingerprint {bundle.fingerprint[:12]}"]), "facts"),
    ]
