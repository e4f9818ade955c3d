"""``poeem add``, ``replace``, ``delete``, ``apply``, ``compact`` and ``refresh``, against a dict."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from poeem.bundle import open_bundle, write_bundle
from poeem.cli.main import main
from poeem.engines.reference import ReferenceScorer
from poeem.spec import IndexSpec

DIM = 4
RNG = np.random.default_rng(5)
BOOKS = RNG.standard_normal((2, 16, 2)).astype("float32")
VECTORS = RNG.standard_normal((40, DIM)).astype("float32")


def nearest(vectors):
    """Codes by the formula, float64."""
    halves = np.asarray(vectors, np.float64).reshape(-1, 2, 1, 2)
    return np.square(halves - BOOKS.astype(np.float64)).sum(-1).argmin(-1)


@pytest.fixture
def shop(tmp_path):
    def make(*, strings=False, columns=None, name="shop", books=BOOKS, spec="PQ2x4"):
        ids = [f"i{one}" for one in range(40)] if strings else np.arange(40)
        folder = tmp_path / name
        write_bundle(
            folder / "bundle",
            spec=IndexSpec.parse(spec),
            metric="ip",
            dim=DIM,
            arrays={"codebooks": books} | ({"coarse": np.eye(4, dtype="float32")} if "IVF" in spec else {}),
            ids=ids,
            codes=nearest(VECTORS),
            lists=np.arange(40) % 4 if "IVF" in spec else None,
            columns=columns,
        )
        return folder

    return make


def asked(capsys, *words):
    assert main([*map(str, words), "--json"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    return json.loads(said.out)


def refused(capsys, *words):
    assert main(list(map(str, words))) == 2
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    return line


def test_titles_may_come_with_the_first_added_items(shop, tmp_path, capsys):
    folder = shop()
    np.save(tmp_path / "v.npy", VECTORS[:2])
    (tmp_path / "i.csv").write_text("id,title\n100,lamp\n101,sofa\n")
    asked(capsys, "add", folder, "--items", tmp_path / "v.npy", "--ids", tmp_path / "i.csv")
    found = asked(capsys, "search", folder, "--item", "100", "-k", 41)["results"]
    assert {"id": 101, "title": "sofa"}.items() <= next(one for one in found if one["id"] == 101).items()
    assert [one["title"] for one in found if one["id"] < 100] == [None] * 40


def held(folder):
    bundle = open_bundle(folder)
    return dict(zip(bundle.ids.tolist(), map(tuple, bundle.codes.tolist())))


@pytest.mark.parametrize("strings", [False, True])
def test_random_commands_leave_what_a_dict_holds(shop, tmp_path, capsys, strings):
    folder = shop(strings=strings)
    model, rng = held(folder), np.random.default_rng(1)
    items, ids = tmp_path / "v.npy", tmp_path / "ids.txt"
    pending = 0
    for step in range(16):
        verb = str(rng.choice(["add", "replace", "delete", "compact"], p=[0.35, 0.3, 0.25, 0.1]))
        if verb == "compact":
            assert asked(capsys, "compact", folder)["compacted"] == pending
            pending = 0
        else:
            pending += 1
            count = int(rng.integers(1, 5))
            fresh = [1000 + 10 * step + one for one in range(count)]
            some = [f"i{one}" for one in fresh] if strings else fresh
            if verb != "add":
                some = rng.permutation(np.array(list(model), dtype=object))[:count].tolist()
            ids.write_text("\n".join(map(str, some)))
            if verb == "delete":
                facts = asked(capsys, "delete", folder, "--ids", ids)
                model = {one: code for one, code in model.items() if one not in some}
            else:
                vectors = rng.standard_normal((count, DIM)).astype("float32")
                np.save(items, vectors)
                facts = asked(capsys, verb, folder, "--items", items, "--ids", ids)
                model |= zip(some, map(tuple, nearest(vectors).tolist()))
            assert (facts["items"], facts["pending"]) == (len(model), pending)
        assert held(folder) == model
    assert len(model) != 40 or pending


def test_ids_and_columns_may_stand_beside_the_vectors(shop, tmp_path, capsys):
    folder = shop(columns=pa.table({"title": [f"t{one}" for one in range(40)]}))
    vectors = np.ones((2, DIM), "float32")
    table = {"id": [100, 101], "vector": pa.array(vectors.tolist(), pa.list_(pa.float32())), "title": ["lamp", "sofa"]}
    pq.write_table(pa.table(table | {"price": [1, 2]}), tmp_path / "new.parquet")
    asked(capsys, "add", folder, "--items", tmp_path / "new.parquet")
    assert open_bundle(folder).columns["title"].to_pylist()[-2:] == ["lamp", "sofa"]
    np.save(tmp_path / "v.npy", vectors[:1])
    (tmp_path / "i.csv").write_text("id,title\n102,chair\n")
    asked(capsys, "add", folder, "--items", tmp_path / "v.npy", "--ids", tmp_path / "i.csv")
    (tmp_path / "i.txt").write_text("103\n")
    assert main(["add", str(folder), "--items", str(tmp_path / "v.npy"), "--ids", str(tmp_path / "i.txt")]) == 0
    assert "1 items added; 44 items, 3 changes in the log" in capsys.readouterr().out
    assert open_bundle(folder).columns["title"].to_pylist()[-3:] == ["sofa", "chair", None]
    assert "give the same ones" in refused(
        capsys, "add", folder, "--items", tmp_path / "v.npy", "--ids", _csv(tmp_path, "id,price\n104,3\n")
    )


def _csv(folder, text):
    (folder / "x.csv").write_text(text)
    return folder / "x.csv"


def test_mistakes_are_one_line_and_change_nothing(shop, tmp_path, capsys):
    folder = shop()
    before = held(folder)
    good, wide, nan = np.ones((1, DIM)), np.ones((1, DIM + 1)), np.full((1, DIM), np.nan)
    for name, array in {"good": good, "wide": wide, "nan": nan, "two": np.ones((2, DIM))}.items():
        np.save(tmp_path / f"{name}.npy", array.astype("float32"))
    for name, text in {
        "new": "77",
        "old": "7",
        "twice": "77\n77",
        "text": "lamp",
        "all": "\n".join(map(str, range(40))),
    }.items():
        (tmp_path / f"{name}.txt").write_text(text)

    def said(verb, items=None, ids=None):
        words = ["--items", tmp_path / f"{items}.npy"] if items else []
        return refused(capsys, verb, folder, *words, *(["--ids", tmp_path / f"{ids}.txt"] if ids else []))

    assert "7 is there already" in said("add", "good", "old")
    assert "77 is not among the items (1 unknown)" in said("replace", "good", "new")
    assert "77 is not among the items (1 unknown)" in said("delete", ids="new")
    assert "ids must be unique: 77" in said("add", "two", "twice")
    assert "NaN" in said("add", "nan", "new")
    assert "vectors have 5 columns, the index has dim=4" in said("add", "wide", "new")
    assert "vectors (n=2) and ids (n=1)" in said("add", "two", "new")
    assert "row 1: id (='lamp') must be an integer" in said("add", "good", "text")
    assert "give their ids with --ids" in said("add", "good")
    assert "no such file" in said("add", "missing", "new")
    assert "no such file" in said("delete", ids="missing")
    assert "no item would be left" in said("delete", ids="all")
    assert "no bundle" in refused(capsys, "compact", tmp_path / "nowhere")
    assert held(folder) == before
    assert open_bundle(folder).pending == 0


def test_a_delta_is_applied_once_and_only_to_its_own_rows(shop, tmp_path, capsys):
    folder, other = shop(), shop(name="other", books=BOOKS + 1)
    shutil.copytree(folder, tmp_path / "new")
    (tmp_path / "i.txt").write_text("3\n5")
    asked(capsys, "delete", tmp_path / "new", "--ids", tmp_path / "i.txt")
    delta = tmp_path / "d.parquet"
    asked(capsys, "export", tmp_path / "new", "--delta", folder, "--out", delta)
    assert "of another training" in refused(capsys, "apply", other, "--delta", delta)
    assert asked(capsys, "apply", folder, "--delta", delta)["applied"] == 2
    assert held(folder) == held(tmp_path / "new")
    assert asked(capsys, "apply", folder, "--delta", delta)["applied"] == 0
    (tmp_path / "i.txt").write_text("8")
    asked(capsys, "delete", folder, "--ids", tmp_path / "i.txt")
    assert "starts from other rows" in refused(capsys, "apply", folder, "--delta", delta)


@pytest.mark.parametrize("strings", [False, True])
def test_an_exported_file_is_brought_to_the_rows_of_now(shop, tmp_path, capsys, strings):
    from poeem.engines.faiss import open_engine

    folder, other = shop(strings=strings, spec="IVF4,PQ2x4"), shop(name="other", books=BOOKS + 1, spec="IVF4,PQ2x4")
    file = tmp_path / "items.faiss"
    asked(capsys, "export", folder, "--out", file, "--nprobe", 3, "--no-fastscan")
    assert asked(capsys, "refresh", folder, "--out", file) == {"out": str(file), "written": False}
    (tmp_path / "i.txt").write_text("i3" if strings else "3")
    asked(capsys, "delete", folder, "--ids", tmp_path / "i.txt")
    report = asked(capsys, "refresh", folder, "--out", file)
    assert (report["rows"], report["nprobe"]) == (39, 3)
    bundle = open_bundle(folder)
    engine = open_engine(file, bundle)
    _, ids = engine.search(VECTORS[:5], 39)
    _, rows = ReferenceScorer(bundle).search(VECTORS[:5], 39, nprobe=3)
    found = [{one for one in row if one not in (None, -1)} for row in ids.tolist()]
    assert found == [set(bundle.ids[row[row >= 0]].tolist()) for row in rows]
    assert "of another training" in refused(capsys, "refresh", other, "--out", file)
    assert "no exported file" in refused(capsys, "refresh", folder, "--out", tmp_path / "none.faiss")
    (tmp_path / "items.faiss.json").unlink()
    assert "no report" in refused(capsys, "refresh", folder, "--out", file)


def test_a_refreshed_file_of_refining_vectors_asks_for_them(shop, tmp_path, capsys):
    folder, file = shop(), tmp_path / "items.faiss"
    np.save(tmp_path / "v.npy", VECTORS)
    asked(capsys, "export", folder, "--out", file, "--refine", "flat", "--vectors", tmp_path / "v.npy", "--k-factor", 5)
    (tmp_path / "i.txt").write_text("39")
    asked(capsys, "delete", folder, "--ids", tmp_path / "i.txt")
    assert "vectors" in refused(capsys, "refresh", folder, "--out", file)
    np.save(tmp_path / "v.npy", VECTORS[:39])
    report = asked(capsys, "refresh", folder, "--out", file, "--vectors", tmp_path / "v.npy")
    assert (report["rows"], report["options"]["refine"], report["options"]["k_factor"]) == (39, "flat", 5)
