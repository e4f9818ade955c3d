import datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from poeem.data.interactions import Interactions, interactions_from_table
from poeem.data.read_interactions import read_interactions


def as_rows(events: Interactions) -> list[tuple]:
    return [
        (events.user_ids[u], events.item_ids[i], t)
        for u, i, t in zip(events.user, events.item, events.timestamp.tolist())
    ]


def slow_order(rows: list[tuple]) -> list[tuple]:
    """First occurrences, by (user, time, row)."""
    return sorted(dict.fromkeys(rows), key=lambda row: (row[0], row[2]))


@pytest.mark.parametrize("kind", ["int", "text"])
def test_order_and_duplicates_against_a_loop(kind):
    random = np.random.default_rng(0)
    convert = int if kind == "int" else "u{:03d}".format
    rows = [
        (convert(u), convert(i), int(t))
        for u, i, t in zip(random.integers(0, 20, 500), random.integers(0, 8, 500), random.integers(0, 9, 500))
    ]
    user, item, time = zip(*rows)
    events = Interactions.from_columns(user=user, item=item, timestamp=time)
    assert len(events) == len(set(rows)) < 500
    assert as_rows(events) == slow_order(rows)
    assert events.user_ids.tolist() == sorted(set(user))
    assert events.item_ids.tolist() == sorted(set(item))
    assert events.user_ids.dtype == (np.int64 if kind == "int" else object)
    assert events.offsets.tolist() == [0, *np.cumsum(np.bincount(events.user)).tolist()]
    assert (events.n_users, events.n_items) == (20, 8)


def test_without_times_the_file_is_the_order():
    events = Interactions.from_columns(user=[2, 1, 2, 2, 2], item=["c", "a", "b", "c", "a"])
    assert as_rows(events) == [(1, "a", 1), (2, "c", 0), (2, "b", 2), (2, "a", 4)]


def test_csv_ids_stay_text_and_parquet_gives_the_same(tmp_path):
    text = {"user": ["007", "7", "007"], "item": ["1", "01", "2"], "timestamp": [3, 1, 2]}
    lines = "".join(f"{u},{i},{t}\n" for u, i, t in zip(*text.values()))
    (tmp_path / "a.csv").write_text("user,item,timestamp\n" + lines)
    pq.write_table(pa.table(text), tmp_path / "a.parquet")
    rows = as_rows(read_interactions(tmp_path / "a.csv"))
    assert rows == [("007", "2", 2), ("007", "1", 3), ("7", "01", 1)]
    assert as_rows(read_interactions(str(tmp_path / "a.parquet"))) == rows


def test_pandas_file_with_categories_and_datetimes(tmp_path):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(
        {
            "user": pd.Categorical(["b", "a", "b"]),
            "item": [5, 6, 7],
            "timestamp": [datetime.datetime(2020, 1, d) for d in (3, 2, 1)],
        }
    )
    frame.to_parquet(tmp_path / "a.parquet")
    events = read_interactions(tmp_path / "a.parquet")
    assert [row[:2] for row in as_rows(events)] == [("a", 6), ("b", 7), ("b", 5)]
    assert events.timestamp.dtype == np.int64


def test_titles_in_the_events_file_first_known_one_counts(tmp_path):
    (tmp_path / "a.csv").write_text("user,item,title\n1,b,\n1,a,Alpha\n2,b,Beta\n2,a,Other\n3,c,\n")
    events = read_interactions(tmp_path / "a.csv")
    assert events.item_table.to_pydict() == {"title": ["Alpha", "Beta", ""]}


def test_item_file_is_joined_in_the_order_of_the_items(tmp_path):
    (tmp_path / "a.csv").write_text("user,item\n1,10\n1,9\n2,8\n")
    pq.write_table(pa.table({"title": ["x", "nine", "ten"], "item": [7, 9, 10], "price": [1, 2, 3]}), tmp_path / "i.pq")
    events = read_interactions(tmp_path / "a.csv", items=tmp_path / "i.pq")
    assert events.item_ids.tolist() == ["10", "8", "9"]
    assert events.item_table.to_pydict() == {"title": ["ten", None, "nine"], "price": [3, None, 2]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("item,title\n9,a\n9,b\n", "item '9' occurs more than once"),
        ("item,title\n99,a\n", "none of the 2 items .* look like '10', here like '99'"),
        ("item,title\n", "there are no rows; leave the item file out"),
        ("name,title\n9,a\n", r"no item column was recognised \(columns: 'name', 'title'\); name it with item_column"),
    ],
)
def test_item_files_that_do_not_fit(tmp_path, content, message):
    (tmp_path / "a.csv").write_text("user,item\n1,10\n1,9\n")
    (tmp_path / "i.csv").write_text(content)
    with pytest.raises(ValueError, match=message) as caught:
        read_interactions(tmp_path / "a.csv", items=tmp_path / "i.csv")
    assert str(caught.value).startswith(str(tmp_path / "i.csv"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "who,item\n1,2\n",
            r"no user column was recognised \(columns: 'who', 'item'\); name it with user_column='NAME'",
        ),
        ("a,b\n1,2\n", "no user and no item column was recognised .* user_column='NAME' and item_column='NAME'"),
        ("userId,user_id,item\n1,1,2\n", "columns 'userId' and 'user_id' may both be the user; name one with user_col"),
        ("17,5,3\n18,5,2\n", r"no user .* The first line looks like data: .* give header \(=False\)"),
        ("user,item\n", "there are no rows; at least one event is needed"),
        ("user,item\n1,2\n,3\n", "row 2: user is missing"),
        ("user,item,timestamp\n1,2,3\n1,3,x\n", r"row 2: timestamp \(='x'\) cannot be read as time"),
    ],
)
def test_bad_files_are_named_with_the_fix(tmp_path, content, message):
    path = tmp_path / "a.csv"
    path.write_text(content)
    with pytest.raises(ValueError, match=message) as caught:
        read_interactions(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_sliced_and_chunked_tables():
    table = pa.concat_tables([pa.table({"user": [9, 1], "item": ["z", "a"]}), pa.table({"user": [1], "item": ["b"]})])
    assert as_rows(interactions_from_table(table.slice(1))) == [(1, "a", 0), (1, "b", 1)]
