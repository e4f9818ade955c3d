"""``poeem search``: the best items for a user, a history, an item or a file of query vectors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from poeem.cli.options import Json, Nprobe, RunFolder
from poeem.cli.output import print_json, print_table

if TYPE_CHECKING:
    import numpy as np

    from poeem.bundle.bundle import Bundle


ABOVE_ONE = (
    "Scores can be above 1: each is the unit query vector times the decoded item, which is not rescaled to length 1."
)


def search(
    folder: RunFolder,
    user: Annotated[str | None, typer.Option(metavar="ID", help="Items for a user of the training data.")] = None,
    item: Annotated[str | None, typer.Option(metavar="ID", help="Items similar to an item of the index.")] = None,
    history: Annotated[
        str | None, typer.Option(metavar="ID,ID", help="Items for a new user with this history, oldest item first.")
    ] = None,
    queries: Annotated[Path | None, typer.Option(metavar="Q.npy", help="Items for query vectors (nq, dim).")] = None,
    k: Annotated[
        int, typer.Option("-k", metavar="N", help="Results per query, at most as many as there are items.")
    ] = 10,
    out: Annotated[Path | None, typer.Option(metavar="R.npz", help="With --queries: arrays scores and ids.")] = None,
    nprobe: Nprobe = None,
    json: Json = False,
) -> None:
    """Search the index of a run; by --item and --queries also that of a fit or a bundle."""
    options = {"--user": user, "--item": item, "--history": history, "--queries": queries}
    given = [name for name, value in options.items() if value is not None]
    if len(given) != 1:
        raise ValueError(f"give one of {', '.join(options)} (given: {', '.join(given) or 'none'})")
    if (out is None) != (queries is None):
        raise ValueError("--queries Q.npy and --out R.npz go together")
    if queries is not None and out is not None:
        facts = _search_vectors(folder, queries, out, k, nprobe)
        if json:
            print_json(facts)
        else:
            print(f"{out}: {facts['k']} results for {facts['queries']} queries")
        return
    answer = _search_run(folder, user, item, history, k, nprobe)
    if json:
        print_json(answer)
        return
    results = answer["results"]
    columns = [name for name in ("rank", "id", "title", "score") if not results or name in results[0]]
    print_table(answer["query"], columns, [[_shown(result[name]) for name in columns] for result in results])
    if answer["metric"] == "cosine" and any(result["score"] > 1 for result in results):
        print(ABOVE_ONE)


def _search_run(
    folder: Path, user: str | None, item: str | None, history: str | None, k: int, nprobe: int | None
) -> dict[str, Any]:
    import numpy as np

    from poeem.data.ragged import Ragged
    from poeem.engines.queries import check_k
    from poeem.training.id_lookup import Lookup
    from poeem.training.recommend import recommend, similar_in_bundle, similar_items

    if not any((folder / name).exists() for name in ("model", "checkpoints")):
        # A fit or a bundle has no model.
        if item is None:
            raise ValueError(f"{str(folder)!r} has no model of users; search it with --item or --queries")
        bundle = _open_bundle(folder)
        k = min(check_k(k), len(bundle))
        rows = np.array([Lookup(bundle.ids, "item").number(item)])
        return _described(f"similar to {item}", bundle, *similar_in_bundle(bundle, rows, k, nprobe))
    from poeem.training.load import load_run

    run = load_run(folder)
    k = min(check_k(k), len(run.bundle))
    if user is not None:
        number = Lookup(run.interactions.user_ids, "user").number(user)
        return _described(
            f"for user {user}", run.bundle, *recommend(run, run.histories.take(np.array([number])), k, nprobe)
        )
    if item is not None:
        # Ids of the bundle include items that were added after the training.
        rows = np.array([Lookup(run.bundle.ids, "item").number(item)])
        return _described(f"similar to {item}", run.bundle, *similar_items(run, rows, k, nprobe))
    numbers = Lookup(run.interactions.item_ids, "item", bundle_ids=run.bundle.ids).numbers(str(history))
    histories = Ragged(np.array([0, len(numbers)]), numbers)
    return _described(f"for history {history}", run.bundle, *recommend(run, histories, k, nprobe))


def _described(query: str, bundle: Bundle, scores: np.ndarray, rows: np.ndarray) -> dict[str, Any]:
    """The results of one query, each with its id, the user's columns and the score."""
    rows, scores = rows[0][rows[0] >= 0], scores[0]
    columns = [{}] * len(rows) if bundle.columns is None else bundle.columns.take(rows).to_pylist()
    results = [
        {"rank": rank, "id": id, **_renamed(facts), "score": float(score)}
        for rank, (id, score, facts) in enumerate(zip(bundle.ids[rows].tolist(), scores, columns), start=1)
    ]
    return {"query": query, "metric": bundle.metric, "results": results}


def _open_bundle(folder: Path) -> Bundle:
    from poeem.bundle.read import open_bundle

    return open_bundle(folder)


def _search_vectors(folder: Path, queries: Path, out: Path, k: int, nprobe: int | None) -> dict[str, Any]:
    import numpy as np

    from poeem.bundle.whole_file import whole_file
    from poeem.data.vectors import read_vectors
    from poeem.engines.queries import check_k
    from poeem.engines.reference import ReferenceScorer
    from poeem.training.recommend import bundle_nprobe

    bundle = _open_bundle(folder)
    k = min(check_k(k), len(bundle))
    vectors = read_vectors(queries, dim=bundle.dim)
    # As many lists as an exported file visits.
    scores, rows = ReferenceScorer(bundle).search(vectors, k, bundle_nprobe(bundle, nprobe))
    # String ids become fixed-width text: an array of objects would need a pickle.
    ids = np.array(bundle.ids.tolist())[rows]
    ids[rows < 0] = "" if bundle.string_ids else -1
    with whole_file(out) as beside, beside.open("wb") as file:
        np.savez(file, scores=scores, ids=ids)
    return {"queries": len(vectors), "k": k, "out": str(out)}


def _renamed(facts: dict[str, Any]) -> dict[str, Any]:
    """Columns of the user. Those named ``rank`` or ``score`` get a prefix, as ``id`` has in the bundle."""
    return {f"item_{name}" if name in ("rank", "score") else name: value for name, value in facts.items()}


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4f}" if isinstance(value, float) else str(value)
