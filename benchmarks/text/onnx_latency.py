"""The query encoder of a text run, one typed query at a time: onnxruntime against PyTorch, tokenizer included.

The static encoder, trained for a few steps on a part of the Debian descriptions: its size is that of a whole training.
Both take turns, and the median of each counts.

    python -m benchmarks.text.onnx_latency --json benchmarks/results/onnx_latency-0.json
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import poeem
from benchmarks.record import Record, parse, picked, script_parser
from poeem.data.datasets import load_pairs
from poeem.data.pairs.text_pairs import TextPairs
from poeem.integrations.onnx import export_texts
from poeem.training.recipes.pairs import train_pairs


def main() -> None:
    parser = script_parser(__doc__)
    parser.add_argument("--items", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=300)
    args = parse(parser)
    record = Record(args, picked(args, "items", "rounds"))
    pairs = first_items(load_pairs("debian"), args.items)
    with tempfile.TemporaryDirectory() as folder:
        train_pairs(
            pairs, Path(folder) / "run", baselines=(), spec="RQ8", steps=2, device="cpu", show=False, seed=args.seed
        )
        run = poeem.load(Path(folder) / "run")
        report = export_texts(run, Path(folder) / "onnx")
        import onnxruntime
        from tokenizers import Tokenizer

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = args.threads
        session = onnxruntime.InferenceSession(
            str(Path(folder) / "onnx" / "queries.onnx"), options, providers=["CPUExecutionProvider"]
        )
        tokenizer = Tokenizer.from_file(str(Path(folder) / "onnx" / "tokenizer.json"))

        def by_onnx(text: str) -> np.ndarray:
            encoding = tokenizer.encode(text)
            return session.run(None, {"ids": [encoding.ids], "mask": [encoding.attention_mask]})[0]

        texts = [pairs.queries[number % len(pairs.queries)] for number in range(args.rounds)]
        seconds = alternated([lambda text: run.encode_queries([text]), by_onnx], texts)
    torch_seconds, onnx_seconds = map(statistics.median, seconds)
    row = {
        "torch_ms": 1e3 * torch_seconds,
        "onnx_ms": 1e3 * onnx_seconds,
        "ratio": onnx_seconds / torch_seconds,
        "differing_codes": report.differing,
        "items_compared": report.rows,
        "worst_vector_error": report.worst_error,
    }
    record.add("static", row)
    print(f"torch {row['torch_ms']:.3f} ms, onnxruntime {row['onnx_ms']:.3f} ms, ratio {row['ratio']:.2f}; {report}")


def first_items(pairs: TextPairs, n: int) -> TextPairs:
    """The first queries with their items."""
    relevant = pairs.relevant.take(np.arange(min(n, len(pairs.queries))))
    numbers, place = np.unique(relevant.values, return_inverse=True)
    return TextPairs(
        items=[pairs.items[number] for number in numbers],
        item_ids=np.arange(len(numbers)),
        queries=list(pairs.queries[: len(relevant)]),
        relevant=type(relevant).from_lengths(relevant.lengths, place),
        negatives=type(relevant).from_lengths(np.zeros(len(relevant), np.int64), np.empty(0, np.int64)),
    )


def alternated(calls: list[Callable[[str], object]], texts: list[str]) -> list[list[float]]:
    """Seconds of each call for each text; the calls take turns."""
    seconds: list[list[float]] = [[] for _ in calls]
    for text in texts:
        for call, found in zip(calls, seconds):
            started = time.perf_counter()
            call(text)
            found.append(time.perf_counter() - started)
    return seconds


if __name__ == "__main__":
    main()
