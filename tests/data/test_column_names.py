import pytest

from poeem.data.column_names import describe_columns, match_columns
from poeem.data.file_format import FileFormat


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["user_id", "item_id", "ts", "rating"], ["user_id", "item_id", "ts", "rating"]),
        (["userId", "movieId", "rating", "timestamp"], ["userId", "movieId", "timestamp", "rating"]),
        (["user_id:token", "item_id:token", "timestamp:float"], ["user_id:token", "item_id:token", "timestamp:float"]),
        (["t_dat", "customer_id", "article_id", "price"], ["customer_id", "article_id", "t_dat"]),
        (["reviewerID", "asin", "overall", "unixReviewTime"], ["reviewerID", "asin", "unixReviewTime", "overall"]),
        # Our own name comes before others.
        (["user_id", "user", "item", "date", "Time Stamp", "title"], ["user", "item", "Time Stamp", "title"]),
        (["session_id", "user_id", "item"], ["user_id", "item"]),
    ],
)
def test_the_usual_names(names, expected):
    assert sorted(match_columns(names, FileFormat()).values()) == sorted(expected)


def test_named_columns_are_taken_and_not_taken_twice():
    format = FileFormat(user_column="item_id", item_column="user_id")
    assert match_columns(["user_id", "item_id"], format) == {"user": "item_id", "item": "user_id"}
    with pytest.raises(ValueError, match=r"time_column \(='when'\) is not in the file \(columns: 'user', 'item'\)"):
        match_columns(["user", "item"], FileFormat(time_column="when"))


def test_the_line_about_columns():
    def line(names, **options):
        format = FileFormat(**options)
        return describe_columns(match_columns(names, format), format)

    assert line(["user", "item", "timestamp", "title"]) is None
    assert line(["user", "item"]) is None
    assert line(["uid", "item", "ts"]) == "columns: user='uid', item='item', timestamp='ts'"
    assert "'stars' is not used: every row is a positive event" in str(line(["user", "item", "ts", "stars"]))
    assert line(["user", "item", "ts", "stars"], min_rating=4) == (
        "columns: user='user', item='item', timestamp='ts', rating='stars'"
    )
