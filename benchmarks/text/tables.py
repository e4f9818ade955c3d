"""Tables of the subject *text*: encoders trained with their index."""

from __future__ import annotations

from benchmarks.markdown import table
from benchmarks.read import Results, mean, number_of_seeds

METRICS = ("mrr@10", "recall@10", "recall@100")
BASELINES = {
    "rq": "float model, then RQ by faiss",
    "rq-refined": "float model, then RQ by faiss, refined",
    "binary": "float model, then sign bits",
}


def texts(results: Results) -> str:
    """A table for each structure of `joint_index`, with means over the seeds."""
    runs = results.runs("text-debian")
    parts = []
    for spec in runs[0]["rows"] if runs else ():
        rows = [run["rows"][spec] for run in runs if spec in run["rows"]]
        size, test = rows[0]["bytes_per_vector"], rows[0]["data"]["test_queries"]
        blocks = {"float model, no index": ("", [row["float"] for row in rows])}
        blocks["**trained with its index**"] = (size, [row["index"] for row in rows])
        for key, name in BASELINES.items():
            found = [row["baselines"].get(key) for row in rows]
            if all(found):
                blocks[name] = (found[0].get("bytes_per_vector", size), found)
        lines = [
            (name, bytes, *(mean(one[m] for one in found) for m in METRICS)) for name, (bytes, found) in blocks.items()
        ]
        title = f"Debian descriptions, static encoder, {spec}, {test:,} test queries, {number_of_seeds(len(rows))}"
        parts.append(table(title, ("", "bytes", *METRICS), lines))
        for metric in ("recall@100", "mrr@10"):
            kept = mean((row["index"][metric] / row["float"][metric] for row in rows), 3)
            parts.append(f"index {metric} / that of the float model: {kept}")
    return "\n\n".join(parts)
