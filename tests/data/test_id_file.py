from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from poeem.data.id_file import read_id_file


def test_text_is_an_id_a_line_of_the_wanted_type(tmp_path):
    (tmp_path / "i.txt").write_text("7\n 007\r\n-3\n")
    assert read_id_file(tmp_path / "i.txt", string_ids=True)["id"].to_pylist() == ["7", "007", "-3"]
    assert read_id_file(tmp_path / "i.txt", string_ids=False)["id"].to_pylist() == [7, 7, -3]


def test_text_may_begin_with_a_mark_and_only_a_line_feed_ends_a_line(tmp_path):
    (tmp_path / "i.txt").write_bytes("\ufeff7\r\n8".encode())
    assert read_id_file(tmp_path / "i.txt", string_ids=False)["id"].to_pylist() == [7, 8]
    (tmp_path / "i.txt").write_bytes("a\u2028b\nc\x0bd\n".encode())
    assert read_id_file(tmp_path / "i.txt", string_ids=True)["id"].to_pylist() == ["a\u2028b", "c\x0bd"]


def test_tables_keep_the_columns_beside_the_ids(tmp_path):
    pq.write_table(pa.table({"title": ["a", "b"], "id": pa.array([5, 6], pa.int32())}), tmp_path / "i.parquet")
    table = read_id_file(tmp_path / "i.parquet", string_ids=False)
    assert table.to_pydict() == {"id": [5, 6], "title": ["a", "b"]}
    assert table.column_names[0] == "id"
    (tmp_path / "i.csv").write_text("title,id\nlamp,012\n")
    assert read_id_file(tmp_path / "i.csv", string_ids=True).to_pydict() == {"id": ["012"], "title": ["lamp"]}
    assert read_id_file(tmp_path / "i.csv", string_ids=False)["id"].to_pylist() == [12]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("i.txt", b"1\n\n2\n", "row 2: id is missing"),
        ("i.txt", b"1\nx\n", r"row 2: id \(='x'\) must be an integer"),
        ("i.txt", b"1.5\n", r"row 1: id \(='1.5'\) must be an integer"),
        ("i.txt", b"1_000\n", r"row 1: id \(='1_000'\) must be an integer"),
        ("i.txt", b"9" * 5000 + b"\n", "must be an integer"),
        ("i.txt", b"99999999999999999999\n", "does not fit a signed 64-bit integer"),
        ("i.txt", b"", "holds no ids"),
        ("i.txt", b"\xff\n", "not UTF-8 text"),
        ("i.csv", b"item\n1\n", "column 'id' is missing"),
        ("i.json", b"[1]", r"the name must end in .txt"),
        ("i.parquet", b"x", "cannot be read as Parquet"),
        (None, b"", "no such file"),
    ],
)
def test_what_holds_no_ids_is_refused(tmp_path, name, content, message):
    if name:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_id_file(tmp_path / (name or "i.txt"), string_ids=False)
