"""Pairs of texts from files: columns, ids, negatives, scores, and what is refused."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from poeem.data.pairs.text_pairs import read_items, read_text_pairs


def write(folder, name, **columns):
    path = folder / name
    pq.write_table(pa.table(columns), path)
    return path


def lists(rows):
    return [rows[row].tolist() for row in range(len(rows))]


def test_texts_are_the_items_without_ids(tmp_path):
    path = write(tmp_path, "p.parquet", query=["q", "r", "q", "q"], item=["a", "b", "c", "a"])
    pairs = read_text_pairs(path)
    assert pairs.items == ["a", "b", "c"]
    assert pairs.item_ids.tolist() == [0, 1, 2]
    assert pairs.queries == ["q", "r"]
    assert lists(pairs.relevant) == [[0, 2], [1]]
    assert lists(pairs.negatives) == [[], []]


def test_ids_negatives_and_scores(tmp_path):
    path = write(
        tmp_path,
        "p.parquet",
        query=["q", "q", "r"],
        item=["a", "b", "b"],
        item_id=["x", "y", "y"],
        negative=["b", "unknown", "a"],
        score=[1.0, 0.0, 0.5],
    )
    pairs = read_text_pairs(path)
    assert pairs.item_ids.tolist() == ["x", "y"]
    assert lists(pairs.relevant) == [[0], [1]]
    # The pair of score 0, the negative that is an item, and the one that is not.
    assert lists(pairs.negatives) == [[1, 2], [0]]
    assert pairs.all_items == ["a", "b", "unknown"]
    assert pairs.n_items == 2


def test_an_item_that_answers_a_query_is_no_negative_of_it(tmp_path):
    path = write(tmp_path, "p.parquet", query=["q", "q"], item=["a", "b"], negative=["b", "a"])
    assert not len(read_text_pairs(path).negatives.values)


@pytest.mark.parametrize("name", ["p.csv", "p.jsonl"])
def test_csv_and_json_lines_with_usual_names(tmp_path, name):
    path, said = tmp_path / name, []
    path.write_text(
        "anchor;positive;doc_id\nwhere, when?;here;007\n2020;2021;8\n"
        if name == "p.csv"
        else '{"anchor": "where, when?", "positive": "here", "doc_id": "007"}\n'
        '{"anchor": "2020", "positive": "2021", "doc_id": "8"}\n'
    )
    pairs = read_text_pairs(path, log=said.append)
    assert pairs.queries == ["where, when?", "2020"]
    assert pairs.items == ["here", "2021"]
    assert pairs.item_ids.tolist() == ["007", "8"]
    assert said == ["columns: query='anchor', item='positive', item_id='doc_id'"]


def test_a_folder_of_parts_and_a_file_of_items(tmp_path):
    (tmp_path / "parts").mkdir()
    write(tmp_path / "parts", "a.parquet", query=["q"], item=["a"], item_id=[5])
    write(tmp_path / "parts", "b.parquet", query=["r"], item=["b"], item_id=[6])
    items = write(tmp_path, "items.parquet", item=["z", "a"], item_id=[4, 5], title=["Z", None])
    pairs = read_text_pairs(tmp_path / "parts", items)
    assert pairs.item_ids.tolist() == [4, 5, 6]
    assert pairs.titles == ["Z", "", ""]
    assert lists(pairs.relevant) == [[1], [2]]
    assert read_items(items, ids=True)[0].tolist() == [4, 5]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"query": ["q", " "], "item": ["a", "b"]}, "query is missing or empty in row 2; fill it in or drop the row"),
        ({"query": ["q", "r"], "item": ["a", None]}, "item is missing or empty in row 2"),
        ({"query": ["q"]}, r"column 'item' is missing \(found: 'query'\)"),
        ({"query": ["q"], "item": [3]}, "item must hold texts, not int64; the column item is the text itself"),
        (
            {"query": ["q", "r"], "item": ["a", "b"], "item_id": ["x", "x"]},
            r"item_id \(='x'\) has two different texts, in row 2 'b' and before 'a'; give each text its own id",
        ),
        ({"query": ["q"], "item": ["a"], "score": [0.0]}, "no pair has a score above 0"),
        ({"query": ["q"], "item": ["a"], "score": [float("nan")]}, "score"),
        ({"query": [], "item": []}, "there are no rows"),
    ],
    ids=str,
)
def test_bad_pairs_are_one_line_with_the_file(tmp_path, columns, message):
    path = write(tmp_path, "p.parquet", **columns)
    with pytest.raises(ValueError, match=message) as found:
        read_text_pairs(path)
    assert str(found.value).startswith(str(path))
    assert "\n" not in str(found.value)


def test_another_encoding_is_named(tmp_path):
    path = tmp_path / "p.csv"
    path.write_bytes("query,item\ncafé,thé\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"encoding utf-8 \(see encoding\)"):
        read_text_pairs(path)
    assert read_text_pairs(path, encoding="latin-1").queries == ["café"]


def test_pairs_and_items_have_ids_both_or_none(tmp_path):
    path = write(tmp_path, "p.parquet", query=["q"], item=["a"])
    items = write(tmp_path, "i.parquet", item=["a"], item_id=[1])
    with pytest.raises(ValueError, match="must both have a column 'item_id'"):
        read_text_pairs(path, items)
