"""Version: one version of the index in service, with its model, and the changes since it was opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from poeem.bundle.bundle import Bundle
from poeem.bundle.read import open_bundle
from poeem.engines.condition import parse_condition
from poeem.engines.faiss.build import build_index
from poeem.engines.faiss.searcher import FaissSearcher
from poeem.engines.filtered_search import search_matching
from poeem.serve.found import Asked, Found
from poeem.serve.gate import Gate
from poeem.serve.overlay import Overlay

if TYPE_CHECKING:
    import pyarrow as pa

    from poeem.training.recipes.recipe import QueryVectors, Recipe, Run

# Conditions whose items are remembered.
_CONDITIONS = 16


class Version:
    """An index in service. Requests hold a reference to it, so that one request never mixes two versions.

    Args:
        folder: folder of the run, fit or bundle.
        bundle: the index as it was opened.
        engine: the index in faiss.
        run: the run with its model, and its recipe; None if there is no model.
        revision: number of the version; every change of its items adds one.
    """

    def __init__(
        self,
        folder: Path,
        bundle: Bundle,
        engine: FaissSearcher,
        *,
        run: tuple[Run, Recipe] | None = None,
        revision: int = 1,
    ) -> None:
        self.folder, self.bundle, self.engine, self.revision = folder, bundle, engine, revision
        self.nprobe = engine.nprobe
        self.run, self.recipe = run if run is not None else (None, None)
        self.overlay = Overlay(None if bundle.columns is None else bundle.columns.schema)
        self.gate = Gate()
        #: Checksum of the items, by which a writer knows whether this version has them all.
        self.items_sha256 = bundle.files["items.parquet"].sha256
        self._conditions: dict[str, np.ndarray] = {}

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the index."""
        return self.bundle.fingerprint

    @cached_property
    def ways(self) -> tuple[str, ...]:
        """What can be searched for."""
        own = () if self.recipe is None else tuple(self.recipe.queries.__dataclass_fields__)
        return (*(name for name in own if name not in ("where", "match_title")), "item", "vectors")

    def __len__(self) -> int:
        return len(self.engine)

    def __contains__(self, id: Any) -> bool:
        return id in self.overlay.vectors or (id not in self.overlay.deleted and id in self._rows)

    def search(self, group: Sequence[Asked]) -> list[Found]:
        """Search for several things at once. All must have the same `Asked.shared`.

        Raises:
            ValueError: one of them cannot be searched for; the text begins with its field.
        """
        with self.gate.searching():
            vectors, left_out = self._vectors(group)
            revision, nprobe = self.revision, group[0].nprobe or self.nprobe
            most = max(map(len, left_out), default=0)
            k = min(max(one.k for one in group) + most, len(self))
            if group[0].where is not None:
                scores, ids = self._search_where(group[0].where, vectors, k, nprobe)
            else:
                scores, ids = self.engine.search(vectors, k, nprobe)
        found, first = [], 0
        for one in group:
            part = slice(first, first + len(one))
            first = part.stop
            rows = [_results(i, s, one.k, known) for i, s, known in zip(ids[part], scores[part], left_out[part])]
            found.append(
                Found([row[0] for row in rows], [row[1] for row in rows], revision, vectors[part], left_out[part])
            )
        return found

    def write(self, ids: list[Any], vectors: np.ndarray, columns: pa.Table | None, sha256: str) -> None:
        """Add or replace items in memory, after the bundle has them.

        Args:
            ids, vectors, columns: as for `BundleEditor.upsert`.
            sha256: checksum of the bundle's items after the change.
        """
        with self.gate.changing():
            self.engine.upsert(ids, vectors)
            self.overlay.write(ids, vectors, columns)
            self._changed(sha256)

    def delete(self, ids: list[Any], sha256: str) -> None:
        """Delete items in memory, after the bundle has deleted them."""
        with self.gate.changing():
            self.engine.delete(ids)
            self.overlay.delete(ids)
            self._changed(sha256)

    def _changed(self, sha256: str) -> None:
        self.items_sha256 = sha256
        self.revision += 1
        self._conditions.clear()

    def columns_of(self, ids: Sequence[Any], names: Sequence[str]) -> dict[str, list[Any]]:
        """Return columns of items; None where an item has none.

        Raises:
            ValueError: there is no such column.
        """
        known = () if self.bundle.columns is None else self.bundle.columns.column_names
        for name in names:
            if name not in known:
                raise ValueError(f"columns names {name!r}, which the items do not have; they have {', '.join(known)}")
        with self.gate.searching():
            rows = [self.overlay.columns[id] if id in self.overlay.columns else self._base_columns(id) for id in ids]
        return {name: [row.get(name) for row in rows] for name in names}

    def _vectors(self, group: Sequence[Asked]) -> QueryVectors:
        from poeem.training.recipes.recipe import QueryVectors

        if not group[0].ways:
            parts = [one.vectors for one in group if one.vectors is not None]
            vectors = parts[0] if len(parts) == 1 else np.concatenate(parts)
            return QueryVectors(vectors, [[] for _ in vectors])
        if tuple(group[0].ways) == ("item",):
            return self._item_vectors([one.ways["item"] for one in group])
        assert self.recipe is not None
        return self.recipe.encode(self.run, [one.ways for one in group])

    def _item_vectors(self, ids: list[Any]) -> QueryVectors:
        """Items as queries; those that were written meanwhile by their new vectors."""
        from poeem.training.recipes.recipe import QueryVectors
        from poeem.training.recommend import items_as_queries, own_ids

        own = own_ids(self.bundle, ids)
        if unknown := [id for id in own if id not in self]:
            raise ValueError(f"item (={unknown[0]!r}) is not among the {len(self):,} items of the index")
        written = self.overlay.vectors
        found = {id: (written[id], [id]) for id in own if id in written}
        if others := [id for id in dict.fromkeys(own) if id not in written]:
            queries = (
                items_as_queries(self.bundle, others)
                if self.recipe is None
                else self.recipe.encode(self.run, [{"item": id} for id in others])
            )
            found |= dict(zip(others, zip(queries.vectors, queries.left_out)))
        vectors, left_out = zip(*(found[id] for id in own))
        return QueryVectors(np.stack(vectors), list(left_out))

    def _search_where(self, where: str, vectors: np.ndarray, k: int, nprobe: int) -> tuple[np.ndarray, np.ndarray]:
        only = self._matching(where)
        if not len(only):
            return np.zeros((len(vectors), 0), np.float32), np.zeros((len(vectors), 0), np.int64)
        return search_matching(
            lambda queries, visited: self.engine.search(queries, k, visited, only=only),
            vectors,
            k,
            len(only),
            nlist=self.engine.nlist,
            nprobe=nprobe,
        )

    def _matching(self, where: str) -> np.ndarray:
        """Ids of the items that match a condition. They are remembered until the next change."""
        found = self._conditions.get(where)
        if found is None:
            found = self._find_matching(where)
            if len(self._conditions) >= _CONDITIONS:
                self._conditions.clear()
            self._conditions[where] = found
        return found

    def _find_matching(self, where: str) -> np.ndarray:
        base = self.bundle.columns
        condition = parse_condition(where, base)
        if base is None:
            raise ValueError(f"where (={where!r}) needs columns of the items, and the index has none; leave it out")
        rows = condition.rows(base)
        if self.overlay:
            rows &= np.array([id not in self.overlay for id in self.bundle.ids.tolist()])
        ids = self.bundle.ids[rows]
        written = list(self.overlay.vectors)
        table = self.overlay.table(written, self._base_columns) if written else None
        if table is None:
            return ids
        own = np.array(written, dtype=ids.dtype)[condition.rows(table)]
        return np.concatenate([ids, own])

    def _base_columns(self, id: Any) -> dict[str, Any]:
        row = self._rows.get(id)
        if row is None or self.bundle.columns is None:
            return {}
        return self.bundle.columns.slice(row, 1).to_pylist()[0]

    @cached_property
    def _rows(self) -> dict[Any, int]:
        return {id: row for row, id in enumerate(self.bundle.ids.tolist())}


def open_version(folder: Path, *, engine: str = "faiss", nprobe: int | None = None, revision: int = 1) -> Version:
    """Open a run, a fit or a bundle for service.

    Args:
        folder: its folder.
        engine: ``"faiss"`` or ``"fastscan"``.
        nprobe: lists visited by default; None: the run's.
        revision: number of the version.
    Raises:
        FileNotFoundError: there is no bundle.
        ValueError: it is damaged, or does not suit the engine.
    """
    run = None
    if any((folder / name).exists() for name in ("model", "checkpoints")):
        import torch

        from poeem.training.load import recipe_of

        # The engine's threads and the towers' would wait for each other.
        torch.set_num_threads(1)
        recipe = recipe_of(folder)
        run = recipe.load(folder, "cpu"), recipe
    return version_of(folder, run[0].bundle if run else open_bundle(folder), engine, nprobe, run, revision)


def version_of(
    folder: Path,
    bundle: Bundle,
    engine: str,
    nprobe: int | None,
    run: tuple[Run, Recipe] | None,
    revision: int,
) -> Version:
    """Build the index of a bundle. Arguments and errors as for `open_version` and `Version`."""
    searcher = FaissSearcher(build_index(bundle, nprobe, fastscan=engine == "fastscan"), bundle)
    return Version(folder, bundle, searcher, run=run, revision=revision)


def with_rows(version: Version, bundle: Bundle, engine: str) -> Version:
    """Return the version with other rows of the same index, as its next revision."""
    run = version.run
    pair = None
    if run is not None and version.recipe is not None:
        of_rows: Any = run
        pair = replace(of_rows, bundle=bundle), version.recipe
    return version_of(version.folder, bundle, engine, version.nprobe, pair, version.revision + 1)


def _results(ids: np.ndarray, scores: np.ndarray, k: int, left_out: list[Any]) -> tuple[list[Any], list[float]]:
    """The first k results that exist and are not left out."""
    kept = np.isfinite(scores)
    listed, values = (ids, scores) if kept.all() else (ids[kept], scores[kept])
    if not left_out:
        return listed[:k].tolist(), values[:k].tolist()
    known = set(left_out)
    pairs = [(id, score) for id, score in zip(listed.tolist(), values.tolist()) if id not in known][:k]
    return [id for id, _ in pairs], [score for _, score in pairs]
