import pyarrow as pa
import pyarrow.parquet as pq
import pytest

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
        ("a.json", b"{}", "must end in .parquet, .pq, .csv or .tsv"),
        ("a.csv", b"user,item\n1,2\n3\n", "cannot be read as CSV: .*row 2: Expected 2 columns, got 1: 3; .*"),
        ("a.csv", b"user,item\n3\n1,2\n", "row 1: Expected 2 columns, got 1: 3; "),
        ("a.csv", b"user,item", "the file is empty"),
        ("a.csv", b"user,item,user\n1,2,3\n", "column user is there more than once"),
        ("a.csv", b"user,item\n\xff,2\n", "cannot be read as CSV"),
        ("a.csv", b'user,item\n1,2\n"3\n4"\n', "row 2: Expected 2 columns, got 1: .3 4.;"),
        ("a.csv.gz", b"user,item\n1,2\n", "cannot be read as CSV: .*inflate"),
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
    with pytest.raises(ValueError, match=r"c\.csv: is a folder"):
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
