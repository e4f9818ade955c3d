"""``poeem fit --index-of``: learn a map by which queries of a new model search an index in service."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from poeem.cli.output import print_json, print_table

ROWS_FILE = "rows_by_use.parquet"


def fit_map(files: Any, *, seed: int, json: bool) -> None:
    """Fit a query map from files, write it to ``--out``, and print how much it keeps.

    Args:
        files: the files of the command, see ``VectorFiles``.
        seed: of everything random.
        json: whether to print one JSON document in place of tables.
    Raises:
        ValueError: a file is missing or wrong, or an option of another kind of fit is given.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from poeem.bundle.read import open_bundle
    from poeem.bundle.whole_file import whole_file
    from poeem.data.vectors import read_vectors
    from poeem.training.query_map import fit_query_map
    from poeem.training.query_map.fit import rows_by_use
    from poeem.training.run_folder import RunFolder

    needed = {"index_of": "--index-of", "queries_new": "--queries-new", "queries_old": "--queries-old", "out": "--out"}
    missing = [flag for name, flag in needed.items() if getattr(files, name) is None]
    if missing:
        raise ValueError(f"give {' and '.join(missing)}: a query map needs {', '.join(needed.values())}")
    for name in ("items", "queries", "relevance", "unseen", "unseen_relevance", "from_faiss"):
        if getattr(files, name) is not None:
            raise ValueError(
                f"--{name.replace('_', '-')} does not go with --index-of, which fits no index; leave it out"
            )
    out: Path = files.out
    RunFolder(out).check_startable(resume=False)
    bundle = open_bundle(files.index_of)
    new = read_vectors(files.queries_new, column=files.column)
    old = read_vectors(files.queries_old, dim=bundle.dim, column=files.column)
    items = None if files.items_new is None else read_vectors(files.items_new, column=files.column)
    query_map = fit_query_map(bundle, new, old, items_new=items, seed=seed)
    query_map.write(out)
    rows, use = rows_by_use(bundle, query_map, new)
    table = pa.table({"id": pa.array(bundle.ids[rows].tolist()), "use": pa.array(use)})
    with whole_file(out / ROWS_FILE) as beside:
        pq.write_table(table, beside)
    facts = {**query_map.facts, "rows_by_use": len(rows), "out": str(out)}
    print_json(facts) if json else _print(facts)


def _print(facts: dict[str, Any]) -> None:
    title = f"Query maps by {facts['held_out']:,} held-out queries, {facts['spec']} -> {facts['out']}"
    rows = [
        [name + (" (chosen)" if name == facts["kind"] else ""), f"{kept:.4f}"]
        for name, kept in facts["candidates"].items()
    ]
    print_table(title, ["map", "old results kept"], rows)
    if "re_embedding" in facts:
        found = facts["re_embedding"]
        names = {"full": "all rows encoded by the new model", "mapped": "none: mapped queries", "old": "the old model"}
        print_table(
            f"Recall of the new model's 10 best items at {facts['bytes_per_vector']} bytes",
            ["", "recall@10"],
            [[text, f"{found[name]:.4f}"] for name, text in names.items()],
        )
    print(f"{facts['out']}/{ROWS_FILE}: {facts['rows_by_use']:,} rows in the order in which to encode them again")
