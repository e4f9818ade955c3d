import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from poeem.data.file_format import FileFormat
from poeem.data.tables import read_table


def test_text_columns_stay_text_and_quotes_work(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('item,title,year\n007,"Comma, and\nnewline",1999\n08,NA,2000\n')
    table = read_table(path, text_columns=("item", "title", "not there"))
    assert table.to_pydict() == {
        "item": ["007", "08"],
        "title": ["Comma, and\nnewline", "NA"],
        "year": [1999, 2000],
    }


def test_tab_separated_and_parquet_in_a_folder_that_looks_like_a_partition(tmp_path):
    (tmp_path / "a.tsv").write_text("x\ty\n1\t2\n")
    assert read_table(tmp_path / "a.tsv").to_pydict() == {"x": [1], "y": [2]}
    folder = tmp_path / "day=1"
    folder.mkdir()
    pq.write_table(pa.table({"x": [1]}), folder / "a.parquet")
    assert read_table(folder / "a.parquet").column_names == ["x"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "the file is empty"),
        ("a.parquet", b"", "the file is empty"),
        ("a.parquet", b"PAR1 no", "cannot be read as Parquet"),
        ("a.json", b"{}", "must end in .parquet, .pq, .* or .ndjson, so that"),
        ("a.jsonl", b'{"user": 1}\n{"user": \n', "cannot be read as JSON Lines"),
        ("a.csv", b"user,item\n1,2\n3\n", "cannot be read as CSV .*row 2: Expected 2 columns, got 1: 3; .*"),
        ("a.csv", b"user,item\n3\n1,2\n", "row 1: Expected 2 columns, got 1: 3; "),
        ("a.csv", b"user,item", "the file is empty"),
        ("a.csv", b"user,item,user\n1,2,3\n", "column user is there more than once"),
        ("a.csv", b"user,item\n\xff,2\n", r"cannot be read as CSV .* the encoding utf-8 \(see encoding\)"),
        ("a.csv", b'user,item\n1,2\n"3\n4"\n', "row 2: Expected 2 columns, got 1: .3 4.;"),
        ("a.csv.gz", b"user,item\n1,2\n", "cannot be read as CSV .*inflate"),
    ],
)
def test_files_that_cannot_be_read_are_named(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        read_table(tmp_path / name, text_columns=("user", "item"))
    assert str(caught.value).startswith(str(tmp_path / name))


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(ValueError, match=r"b\.csv: no such file"):
        read_table(tmp_path / "b.csv")
    (tmp_path / "c.csv").mkdir()
    with pytest.raises(ValueError, match=r"c\.csv: is a folder without files to read; names must end in \.parquet"):
        read_table(tmp_path / "c.csv")


def test_only_the_wanted_columns_are_read_so_that_others_cannot_fail(tmp_path):
    # Whole numbers in the first block, a fraction far below: inference from the first block would refuse the file.
    lines = ["1,2,3\n"] * 300_000 + ["1,2,4.5\n"]
    (tmp_path / "a.csv").write_text("user,item,rating\n" + "".join(lines))
    wanted = {"required": ("item",), "optional": ("user", "timestamp"), "text_columns": ("user", "item")}
    assert read_table(tmp_path / "a.csv", **wanted).column_names == ["user", "item"]
    assert read_table(tmp_path / "a.csv")["rating"][-1].as_py() == 4.5
    pq.write_table(pa.table({"user": [1], "rating": [2], "item": [3]}), tmp_path / "a.parquet")
    assert read_table(tmp_path / "a.parquet", **wanted).column_names == ["user", "item"]


def test_missing_column_is_named_with_those_found(tmp_path):
    (tmp_path / "a.csv").write_text("userId,item\n1,2\n")
    with pytest.raises(ValueError, match=r"a\.csv: column 'user' is missing \(found: 'userId', 'item'\); rename"):
        read_table(tmp_path / "a.csv", required=("user", "item"))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("delimiter", list(",;\t|"))
def test_the_delimiter_is_detected(tmp_path, delimiter, end):
    rows = [["user", "item", "title"], ["1", "2", '"a, b; c | d\te"'], ["3", "4", "plain"]]
    (tmp_path / "a.csv").write_bytes((end.join(delimiter.join(row) for row in rows) + end).encode())
    assert read_table(tmp_path / "a.csv").to_pydict() == {
        "user": [1, 3],
        "item": [2, 4],
        "title": ["a, b; c | d\te", "plain"],
    }


def test_unquoted_commas_in_a_last_field_do_not_mislead(tmp_path):
    (tmp_path / "a.csv").write_text("user;title\n1;a, b, c, d\n2;plain\n")
    assert read_table(tmp_path / "a.csv").column_names == ["user", "title"]


def test_delimiter_header_and_encoding_by_option(tmp_path):
    (tmp_path / "a.data").write_bytes("1 caf\xe9\n2 th\xe9\n".encode("latin-1"))
    format = FileFormat(delimiter="space", header=False, encoding="latin-1")
    assert read_table(tmp_path / "a.data", format=format).to_pydict() == {"1": [1, 2], "2": ["caf\xe9", "th\xe9"]}
    (tmp_path / "b.csv").write_bytes("\ufeffa;b\n1;2\n".encode("utf-16-le"))
    assert read_table(tmp_path / "b.csv", format=FileFormat(encoding="utf-16")).to_pydict() == {"a": [1], "b": [2]}
    (tmp_path / "c.csv").write_text("1,2\n3\n")
    with pytest.raises(ValueError, match=r"row 2: Expected 2 columns"):
        read_table(tmp_path / "c.csv", format=FileFormat(header=False), text_columns=("1", "2"))


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson.gz"])
def test_json_lines(tmp_path, name):
    lines = "".join(json.dumps({"user": n, "item": f"i{n}", "more": {"x": [n]}}) + "\n" for n in range(5))
    content = gzip.compress(lines.encode()) if name.endswith(".gz") else lines.encode()
    (tmp_path / name).write_bytes(content)
    table = read_table(tmp_path / name, required=("user",), optional=("item",))
    assert table.to_pydict() == {"user": list(range(5)), "item": [f"i{n}" for n in range(5)]}


@pytest.mark.parametrize("place", ["", "*", "**/part-*.parquet"])
def test_parts_in_the_order_of_their_names_with_hive_partitions(tmp_path, place):
    for day in (2, 1):
        folder = tmp_path / "all" / f"day={day}"
        folder.mkdir(parents=True)
        for part in (1, 0):
            pq.write_table(pa.table({"x": [10 * day + part]}), folder / f"part-{part}.parquet")
        (folder / "_SUCCESS.parquet").write_bytes(b"")
    (tmp_path / "all" / "notes.md").write_text("no data")
    expected = {"x": [10, 11, 20, 21], "day": [1, 1, 2, 2]}
    if place == "*":
        with pytest.raises(ValueError, match="no file has such a name"):
            read_table(tmp_path / "all" / place)
        place = "*/*"
    assert read_table(tmp_path / "all" / place).to_pydict() == expected


def test_parts_of_text_and_of_several_kinds(tmp_path):
    (tmp_path / "1.csv").write_text("x,y\n1,2\n")
    (tmp_path / "2.csv").write_text("x,y\n3,4.5\n")
    assert read_table(tmp_path).to_pydict() == {"x": [1, 3], "y": [2, 4.5]}
    (tmp_path / "3.jsonl").write_text('{"x": 5}\n')
    with pytest.raises(ValueError, match=r"holds parts of several kinds \(CSV, JSON\)"):
        read_table(tmp_path)
    assert read_table(tmp_path / "*.jsonl").to_pydict() == {"x": [5]}
    (tmp_path / "2.csv").write_text("x,y\n3\n")
    with pytest.raises(ValueError, match=r"2\.csv: cannot be read as CSV"):
        read_table(tmp_path / "*.csv")
