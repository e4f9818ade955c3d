"""``poeem search``: items for a user, for a history, like an item, or for query vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from poeem.cli.options import Json, Nprobe, RunFolder
from poeem.cli.output import print_json, print_table


def search(
    folder: RunFolder,
    user: Annotated[str | None, typer.Option(metavar="ID", help="A user of the training data.")] = None,
    item: Annotated[str | None, typer.Option(metavar="ID", help="Items similar to this one.")] = None,
    history: Annotated[str | None, typer.Option(metavar="ID,ID", help="Items of someone new, oldest first.")] = None,
    queries: Annotated[Path | None, typer.Option(metavar="Q.npy", help="Query vectors (nq, dim).")] = None,
    k: Annotated[int, typer.Option("-k", help="Results a query.")] = 10,
    out: Annotated[Path | None, typer.Option(metavar="R.npz", help="With --queries: arrays scores and ids.")] = None,
    nprobe: Nprobe = None,
    json: Json = False,
) -> None:
    """Search a run's index."""
    asked = {"--user": user, "--item": item, "--history": history, "--queries": queries}
    given = [name for name, value in asked.items() if value is not None]
    if len(given) != 1:
        raise ValueError(f"give one of {', '.join(asked)} (given: {', '.join(given) or 'none'})")
    if (out is None) != (queries is None):
        raise ValueError("--queries Q.npy and --out R.npz go together")
    if queries is not None and out is not None:
        facts = _search_vectors(folder, queries, out, k, nprobe)
        if json:
            print_json(facts)
        else:
            print(f"{out}: {facts['k']} results for {facts['queries']} queries")
        return
    found = _search_run(folder, user, item, history, k, nprobe)
    if json:
        print_json(found)
        return
    columns = [name for name in ("rank", "id", "title", "score") if not found["results"] or name in found["results"][0]]
    rows = [[_shown(result[name]) for name in columns] for result in found["results"]]
    print_table(found["query"], columns, rows)


def _search_run(
    folder: Path, user: str | None, item: str | None, history: str | None, k: int, nprobe: int | None
) -> dict[str, Any]:
    import numpy as np

    from poeem.data.ragged import Ragged
    from poeem.training.id_lookup import Lookup
    from poeem.training.load import load_run
    from poeem.training.recommend import recommend, similar_items

    run = load_run(folder)
    items = Lookup(run.interactions.item_ids, "item")
    if user is not None:
        number = Lookup(run.interactions.user_ids, "user").number(user)
        query, (scores, rows) = f"for user {user}", recommend(run, run.histories.take(np.array([number])), k, nprobe)
    elif item is not None:
        query, (scores, rows) = f"similar to {item}", similar_items(run, np.array([items.number(item)]), k, nprobe)
    else:
        numbers = items.numbers(str(history))
        one = Ragged(np.array([0, len(numbers)]), numbers)
        query, (scores, rows) = f"for history {history}", recommend(run, one, k, nprobe)
    kept = rows[0] >= 0
    columns = (
        run.bundle.columns.take(rows[0][kept]).to_pylist() if run.bundle.columns is not None else [{}] * kept.sum()
    )
    results = [
        {"rank": rank, "id": run.bundle.ids[row : row + 1].tolist()[0], **_renamed(facts), "score": float(score)}
        for rank, (row, score, facts) in enumerate(zip(rows[0][kept], scores[0][kept], columns), start=1)
    ]
    return {"query": query, "results": results}


def _search_vectors(folder: Path, queries: Path, out: Path, k: int, nprobe: int | None) -> dict[str, Any]:
    import numpy as np

    from poeem.bundle import open_bundle
    from poeem.bundle.whole_file import whole_file
    from poeem.data.vectors import read_vectors
    from poeem.engines.faiss.build import stored_nprobe
    from poeem.engines.reference import ReferenceScorer

    bundle = open_bundle(folder)
    vectors = read_vectors(queries, dim=bundle.dim)
    # The lists that an exported file visits.
    scores, rows = ReferenceScorer(bundle).search(vectors, k, stored_nprobe(bundle, nprobe))
    # Fixed-width text where ids are strings: an array of objects would need a pickle.
    ids = np.array(bundle.ids.tolist())[rows]
    ids[rows < 0] = "" if bundle.string_ids else -1
    with whole_file(out) as beside, beside.open("wb") as file:
        np.savez(file, scores=scores, ids=ids)
    return {"queries": len(vectors), "k": k, "out": str(out)}


def _renamed(facts: dict[str, Any]) -> dict[str, Any]:
    """The user's columns beside ours: ``rank`` and ``score`` of theirs get a prefix, as ``id`` did in the bundle."""
    return {f"item_{name}" if name in ("rank", "score") else name: value for name, value in facts.items()}


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4f}" if isinstance(value, float) else str(value)
