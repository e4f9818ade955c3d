import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from poeem.data.file_format import FileFormat
from poeem.data.interactions import Interactions
from poeem.data.read_interactions import read_interactions


def as_rows(events: Interactions) -> list[tuple]:
    return [
        (events.user_ids[u], events.item_ids[i], t)
        for u, i, t in zip(events.user, events.item, events.timestamp.tolist())
    ]


ROWS = [("07", "b", 1), ("07", "a", 2), ("9", "a", 5)]


def write(path, text: str) -> str:
    path.write_text(text)
    return str(path)


def test_one_table_in_many_forms(tmp_path):
    lines = []
    forms = {
        "semicolons.csv": "user_id;item_id;ts\n07;a;2\n9;a;5\n07;b;1\n",
        "tabs.csv": "userId\tmovieId\ttimestamp\n07\ta\t2\n9\ta\t5\n07\tb\t1\n",
        "a.jsonl": '{"uid": "07", "sku": "a", "time": 2}\n{"uid": "9", "sku": "a", "time": 5}\n'
        '{"uid": "07", "sku": "b", "time": 1}\n',
    }
    for name, text in forms.items():
        assert as_rows(read_interactions(write(tmp_path / name, text), log=lines.append)) == ROWS
    assert lines == [
        "columns: user='user_id', item='item_id', timestamp='ts'",
        "columns: user='userId', item='movieId', timestamp='timestamp'",
        "columns: user='uid', item='sku', timestamp='time'",
    ]
    numbered = FileFormat(header=False, user_column="1", item_column="2", time_column="4")
    path = write(tmp_path / "none.csv", "07;a;x;2\n9;a;y;5\n07;b;z;1\n")
    assert as_rows(read_interactions(path, format=numbered)) == ROWS
    parts = tmp_path / "parts"
    parts.mkdir()
    for number, (user, item, time) in enumerate(reversed(ROWS)):
        pq.write_table(pa.table({"user": [user], "item": [item], "ts": [time]}), parts / f"part-{number}.parquet")
    lines.clear()
    assert as_rows(read_interactions(parts, log=lines.append)) == ROWS
    assert as_rows(read_interactions(parts / "part-*.parquet", log=lines.append)) == ROWS
    assert lines == ["columns: user='user', item='item', timestamp='ts'"] * 2


def test_a_part_of_the_path_is_not_a_column_unless_it_is_needed(tmp_path):
    for user in (3, 1):
        (tmp_path / f"user={user}").mkdir()
        pq.write_table(pa.table({"item": ["a"], "ts": [user]}), tmp_path / f"user={user}" / "p.parquet")
    assert as_rows(read_interactions(tmp_path)) == [(1, "a", 1), (3, "a", 3)]


def test_low_ratings_count_unless_an_option_says_otherwise(tmp_path):
    path = write(tmp_path / "a.csv", "user,item,timestamp,stars,title\n1,b,1,2,B\n1,a,2, 4.5,A\n2,c,3,1,C\n2,a,4,4,A\n")
    lines = []
    assert len(read_interactions(path, log=lines.append)) == 4
    events = read_interactions(path, format=FileFormat(min_rating=4), log=lines.append)
    assert as_rows(events) == [("1", "a", 2), ("2", "a", 4)]
    # As if the file did not have the others.
    assert events.item_ids.tolist() == ["a"]
    assert events.item_table.to_pydict() == {"title": ["A"]}
    assert len(lines) == 2
    assert "'stars' is not used" in lines[0]
    assert "rating='stars'" in lines[1]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("user,item\n1,2\n", {"min_rating": 3}, r"min_rating \(=3\) needs a column of ratings"),
        ("user,item,rating\n1,2,3\n1,4,2.5\n", {"min_rating": 4}, r"leaves no row; the highest rating is 3$"),
        ("user,item,rating\n1,2,3\n1,4,good\n", {"min_rating": 4}, r"row 2: rating \(='good'\) is not a number"),
        ("user,item,rating\n1,2,3\n1,4,\n", {"min_rating": 4}, r"row 2: rating \(=''\) is not a number"),
        ("user,item,rating\n1,2,3\n1,4,nan\n", {"min_rating": 4}, r"row 2: rating \(=nan\) is not a finite"),
        # Rows are counted before low ratings are dropped.
        ("user,item,rating\n1,2,3\n,4,5\n", {"min_rating": 4}, "row 2: user is missing"),
        ("user,item\n1,2\n", {"time_column": "when"}, r"time_column \(='when'\) is not in the file"),
        ("user;item\n1;2\n", {"delimiter": ","}, r"no user and no item .* \(columns: 'user;item'\)"),
    ],
)
def test_mistakes(tmp_path, text, options, message):
    path = write(tmp_path / "a.csv", text)
    with pytest.raises(ValueError, match=message) as caught:
        read_interactions(path, format=FileFormat(**options))
    assert str(caught.value).startswith(path)


def test_names_in_the_item_file_are_recognised_too(tmp_path):
    events = write(tmp_path / "a.csv", "user_id;film\n1;10\n1;9\n")
    items = write(tmp_path / "i.csv", "movieId,movie_title,year\n9,Nine,1999\n10,Ten,2000\n")
    loaded = read_interactions(events, items, FileFormat(item_column="film", delimiter=None))
    assert loaded.item_table.to_pydict() == {"title": ["Ten", "Nine"], "year": [2000, 1999]}


def test_a_time_column_that_cannot_be_read_can_be_left_out(tmp_path):
    path = write(tmp_path / "a.csv", "user,item,date\n1,b,12/31/2020\n1,a,11/30/2020\n")
    with pytest.raises(ValueError, match=r"'12/31/2020'\) cannot be read as time; .* give time_column='none'"):
        read_interactions(path)
    lines = []
    events = read_interactions(path, format=FileFormat(time_column="none", rating_column="none"), log=lines.append)
    assert as_rows(events) == [("1", "b", 0), ("1", "a", 1)]
    assert lines == []
    named = write(tmp_path / "b.csv", "user,item,none\n1,b,2\n1,a,1\n")
    assert as_rows(read_interactions(named, format=FileFormat(time_column="none"))) == [("1", "a", 1), ("1", "b", 2)]
    with pytest.raises(ValueError, match="no user column was recognised"):
        read_interactions(path, format=FileFormat(user_column="none"))
