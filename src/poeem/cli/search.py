"""``poeem search``: find the best items for a user, a history, an item or a file of query vectors."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poeem.cli.command import options_of
from poeem.cli.options import Json, RunFolder
from poeem.cli.output import print_json, print_table, say
from poeem.option import option
from poeem.training.recipes.entries import RECIPES

if TYPE_CHECKING:
    from poeem.bundle.bundle import Bundle
    from poeem.training.recipes.recipe import Answer, Recipe


ABOVE_ONE = (
    "Scores can be above 1: each is the unit query vector times the decoded item, which is not rescaled to length 1."
)


@dataclass(frozen=True)
class SearchOptions:
    """Search by an item or by query vectors."""

    item: str | None = option(None, "Items similar to an item of the index.", metavar="ID")
    queries: Path | None = option(None, "Items for query vectors (nq, dim).", metavar="Q.npy")


@dataclass(frozen=True)
class ResultOptions:
    """Number of results, their file, and lists visited."""

    k: int = option(10, "Results per query, at most as many as there are items.", flag="-k", metavar="N")
    out: Path | None = option(
        None, "With --queries: arrays scores and ids; else a page with pictures, .html.", metavar="FILE"
    )
    map: Path | None = option(None, "With --queries: query map of poeem fit --index-of.", metavar="DIR")
    nprobe: int | None = option(None, "Inverted lists visited per query.", shown="the run's")


QUERIES = tuple(dict.fromkeys(recipe.queries for recipe in RECIPES.values()))


@options_of(*QUERIES, SearchOptions, ResultOptions)
def search(given: dict[str, Any], *, folder: RunFolder, json: Json = False) -> None:
    """Search the index of a run. With --item or --queries, a fit or a bundle can be searched too."""
    options = ResultOptions(**{name: given.pop(name) for name in ("k", "out", "map", "nprobe") if name in given})
    queries, out = given.pop("queries", None), options.out
    if (queries is None) == (not given) or ("item" in given and len(given) > 1):
        every = [field.name for group in (*QUERIES, SearchOptions) for field in dataclasses.fields(group)]
        named = [f"--{name}" for name in (*given, *(["queries"] if queries else []))]
        flags = ", ".join(f"--{name}" for name in dict.fromkeys(every))
        raise ValueError(f"give one of {flags} (given: {', '.join(named) or 'none'})")
    if queries is not None and out is None:
        raise ValueError("--queries Q.npy and --out R.npz go together")
    if queries is None and options.map is not None:
        raise ValueError(f"--map (={str(options.map)!r}) is for vectors, --queries Q.npy; leave it out")
    if queries is None and out is not None and out.suffix.lower() != ".html":
        raise ValueError(f"--out (={str(out)!r}) must be a page, FILE.html; arrays (.npz) are for --queries Q.npy")
    if queries is not None and out is not None:
        facts = _search_vectors(folder, queries, out, options)
        if json:
            print_json(facts)
        else:
            print(f"{out}: {facts['k']} results for {facts['queries']} queries")
        return
    bundle, found = _search_run(folder, given, options.k, options.nprobe)
    answer = _described(bundle, found)
    if out is not None:
        _write_page(out, bundle, found, answer, given.get("image"))
    if json:
        print_json(answer)
        return
    for note in answer["notes"]:
        say(note)
    results = answer["results"]
    columns = [name for name in ("rank", "id", "title", "score") if not results or name in results[0]]
    print_table(answer["query"], columns, [[_shown(result[name]) for name in columns] for result in results])
    if answer["metric"] == "cosine" and any(result["score"] > 1 for result in results):
        print(ABOVE_ONE)


def _search_run(folder: Path, asked: dict[str, str], k: int, nprobe: int | None) -> tuple[Bundle, Answer]:
    from poeem.engines.queries import check_k

    if any((folder / name).exists() for name in ("model", "checkpoints")):
        from poeem.training.load import recipe_of

        recipe = recipe_of(folder)
        for name in asked:
            if name != "item" and name not in recipe.queries.__dataclass_fields__:
                raise ValueError(f"--{name}: {str(folder)!r} is a run of --{recipe.name}; {_ways(recipe)}")
        run = recipe.load(folder, "cpu")
        return run.bundle, recipe.search(run, asked, min(check_k(k), len(run.bundle)), nprobe)
    # A fit or a bundle has no model.
    if "item" not in asked:
        raise ValueError(f"{str(folder)!r} has no model of queries; search it with --item or --queries")
    from poeem.training.recommend import similar_to_id

    bundle = _open_bundle(folder)
    return bundle, similar_to_id(bundle, asked["item"], min(check_k(k), len(bundle)), nprobe)


def _ways(recipe: Recipe) -> str:
    ways = [f"--{name}" for name in (*recipe.queries.__dataclass_fields__, "item", "queries")]
    return f"search it with {', '.join(ways[:-1])} or {ways[-1]}"


def _described(bundle: Bundle, answer: Answer) -> dict[str, Any]:
    """The results of one query, each with its id, the user's columns and the score."""
    rows, scores = answer.rows[0][answer.rows[0] >= 0], answer.scores[0]
    # Pictures are for pages only.
    columns = [
        {name: value for name, value in facts.items() if not isinstance(value, bytes)}
        for facts in ([{}] * len(rows) if bundle.columns is None else bundle.columns.take(rows).to_pylist())
    ]
    results = [
        {"rank": rank, "id": id, **_renamed(facts), "score": float(score)}
        for rank, (id, score, facts) in enumerate(zip(bundle.ids[rows].tolist(), scores, columns), start=1)
    ]
    return {"query": answer.title, "metric": bundle.metric, "notes": list(answer.notes), "results": results}


def _write_page(out: Path, bundle: Bundle, found: Answer, answer: dict[str, Any], image: Path | None) -> None:
    from poeem.bundle.whole_file import write_text
    from poeem.data.images.decode import open_image, to_file, to_pixels
    from poeem.page.pictures import Picture, search_page
    from poeem.training.images.run import PICTURE

    if bundle.columns is None or PICTURE not in bundle.columns.column_names:
        raise ValueError(f"--out (={str(out)!r}): the items have no pictures (column {PICTURE!r}); leave it out")
    files = bundle.columns[PICTURE].take(found.rows[0][found.rows[0] >= 0]).to_pylist()
    results = [
        Picture(
            file, [str(result["id"]), *([result["title"]] if result.get("title") else []), f"{result['score']:.4f}"]
        )
        for file, result in zip(files, answer["results"])
    ]
    query = None
    if image is not None:
        query = Picture(to_file(to_pixels(open_image(image), 128, grey=False)), [image.name], "query")
    write_text(out, search_page(answer["query"], query, results))


def _open_bundle(folder: Path) -> Bundle:
    from poeem.bundle.read import open_bundle

    return open_bundle(folder)


def _search_vectors(folder: Path, queries: Path, out: Path, options: ResultOptions) -> dict[str, Any]:
    import numpy as np

    from poeem.bundle.whole_file import whole_file
    from poeem.data.vectors import read_vectors
    from poeem.engines.queries import check_k
    from poeem.engines.reference import ReferenceScorer
    from poeem.training.recommend import bundle_nprobe

    bundle = _open_bundle(folder)
    k = min(check_k(options.k), len(bundle))
    if options.map is None:
        vectors = read_vectors(queries, dim=bundle.dim)
    else:
        from poeem.training.query_map import QueryMap

        query_map = QueryMap.read(options.map)
        query_map.check(bundle)
        vectors = query_map(read_vectors(queries, dim=query_map.dims[0]))
    # As many lists as an exported file visits.
    scores, rows = ReferenceScorer(bundle).search(vectors, k, bundle_nprobe(bundle, options.nprobe))
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
