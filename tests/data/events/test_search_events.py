"""Search events: numbering, order, catalogue, split by time, inputs and batches."""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from poeem.data.events.batches import EventBatches, _group_starts
from poeem.data.events.inputs import EventInputs, Spans
from poeem.data.events.read_events import read_events
from poeem.data.events.search_events import SearchEvents
from poeem.data.events.split import split_by_time
from poeem.data.vocabulary import Vocabulary

LOG = pa.table(
    {
        "user": ["b", "a", "a", "a", "b", "a"],
        "timestamp": [5, 3, 1, 3, 6, 3],
        "query": ["oat milk", "milk ", None, "bread", "", "milk"],
        "item": [12, 10, 11, 13, 10, 10],
        "event": ["buy", "buy", "click", "buy", "click", "buy"],
    }
)
ITEMS = pa.table({"item": [14, 13, 12, 11, 10], "title": ["Tea", None, "Oat Milk", "Cola", "Milk"]})


def random_log(n: int = 400) -> SearchEvents:
    random = np.random.default_rng(0)
    words = ["milk", "bread", "tea", "oat", "cola"]
    return SearchEvents.from_table(
        pa.table(
            {
                "user": random.integers(0, 9, n),
                "timestamp": random.integers(0, 50, n),
                "query": [" ".join(random.choice(words, random.integers(0, 3))) for _ in range(n)],
                "item": random.integers(0, 30, n),
                "event": random.choice(["buy", "click"], n),
            }
        )
    )


def inputs_of(events: SearchEvents, **spans: int) -> EventInputs:
    lengths = {"recent": 3, "short": 4, "long": 5, "past": 2, **spans}
    return EventInputs(events, Vocabulary.of_texts(events.queries, min_count=1), Spans(**lengths))


def test_events_are_numbered_and_ordered_and_equal_rows_count_once():
    events = SearchEvents.from_table(LOG, ITEMS)
    assert events.item_ids.tolist() == [10, 11, 12, 13, 14]
    assert events.titles == ["Milk", "Cola", "Oat Milk", "", "Tea"]
    rows = [
        (events.user_ids[u], int(t), events.queries[q] if q >= 0 else None, int(events.item_ids[i]), events.kinds[k])
        for u, t, q, i, k in zip(events.user, events.timestamp, events.query, events.item, events.kind)
    ]
    assert rows == [
        ("a", 1, None, 11, "click"),
        ("a", 3, "milk", 10, "buy"),
        ("a", 3, "bread", 13, "buy"),
        ("b", 5, "oat milk", 12, "buy"),
        ("b", 6, None, 10, "click"),
    ]
    assert events.known_before.tolist() == [0, 1, 1, 3, 4]


def test_files_and_their_usual_names(tmp_path):
    pq.write_table(LOG.rename_columns(["user_id", "ts", "query", "product_id", "event"]), tmp_path / "log.parquet")
    pq.write_table(ITEMS.rename_columns(["product_id", "product_title"]), tmp_path / "items.parquet")
    lines = []
    events = read_events(tmp_path / "log.parquet", tmp_path / "items.parquet", log=lines.append)
    assert (len(events), events.n_items) == (5, 5)
    assert lines == ["columns: user='user_id', item='product_id', timestamp='ts'"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop_columns(["query"]), "column 'query' is missing"),
        (lambda t: t.set_column(2, "query", pa.array([None] * 6, pa.string())), "query: no event has a query"),
        (lambda t: t.set_column(2, "query", pa.array(range(6))), "query: values of type int64 are not text"),
        (lambda t: t.slice(0, 0), "there are no rows"),
    ],
)
def test_bad_logs_are_named(tmp_path, change, message):
    pq.write_table(change(LOG), tmp_path / "log.parquet")
    with pytest.raises(ValueError, match=message) as error:
        read_events(tmp_path / "log.parquet")
    assert str(error.value).startswith(str(tmp_path / "log.parquet"))


def test_bad_item_files(tmp_path):
    pq.write_table(LOG, tmp_path / "log.parquet")
    for table, message in (
        (pa.table({"item": [10, 10], "title": ["x", "y"]}), "item 10 occurs more than once"),
        (pa.table({"item": [99], "title": ["x"]}), "none of the events' items is in the item file"),
        (pa.table({"item": [10]}), "column 'title' is missing"),
    ):
        pq.write_table(table, tmp_path / "items.parquet")
        with pytest.raises(ValueError, match=message) as error:
            read_events(tmp_path / "log.parquet", tmp_path / "items.parquet")
        assert str(error.value).startswith(str(tmp_path / "items.parquet"))


def test_the_documented_lines_read_esci(tmp_path, monkeypatch):
    pandas = pytest.importorskip("pandas")
    monkeypatch.chdir(tmp_path)
    esci = {"query": ["oat milk", "oat milk", "tv", "tv", "leche"], "query_id": [7, 7, 8, 8, 9]}
    esci |= {"product_id": ["B1", "B2", "B3", "B1", "B1"], "product_locale": ["us"] * 4 + ["es"]}
    esci |= {"example_id": range(5), "esci_label": ["E", "S", "E", "E", "E"], "split": "train"}
    pandas.DataFrame(esci).to_parquet("shopping_queries_dataset_examples.parquet")
    products = {"product_id": ["B1", "B2", "B3", "B1"], "product_title": ["Oat milk", "Oat drink", "TV", "Leche"]}
    products |= {"product_brand": ["a", "b", None, "d"], "product_locale": ["us"] * 3 + ["es"]}
    pandas.DataFrame(products).to_parquet("shopping_queries_dataset_products.parquet")
    page = (Path(__file__).parents[3] / "docs" / "guides" / "products.md").read_text(encoding="utf-8")
    (lines,) = re.findall(r"```text\n(shown = .*?)```", page, re.DOTALL)
    exec(lines, {"pd": pandas})
    events = read_events("log.parquet", "products.parquet")
    found = zip(events.user_ids[events.user], events.query, events.item_ids[events.item])
    assert [(user, events.queries[query], item) for user, query, item in found] == [
        (7, "oat milk", "B1"),
        (8, "tv", "B3"),
        (8, "tv", "B1"),
    ]
    assert events.titles == ["Oat milk", "Oat drink", "TV"]


def test_the_split_is_by_time_and_has_queries_only():
    events = random_log()
    split = split_by_time(events, validation=0.1, test=0.2)
    times = [events.timestamp[part] for part in (split.train, split.validation, split.test)]
    assert times[0].max() < times[1].min()
    assert times[1].max() < times[2].min()
    assert all((events.query[part] >= 0).all() for part in (split.train, split.validation, split.test))
    assert sum(map(len, times)) == (events.query >= 0).sum()
    assert len(split_by_time(events, most=7).test) == 7
    with pytest.raises(ValueError, match=r"validation \(=0.5\) and test \(=0.5\) must be shares"):
        split_by_time(events, validation=0.5, test=0.5)


def test_inputs_are_what_a_loop_finds():
    events = random_log()
    inputs, rows = inputs_of(events), np.flatnonzero(events.query >= 0)
    found = inputs.of_events(rows)
    vocabulary = inputs.vocabulary
    for place, row in enumerate(rows):
        before = [j for j in range(len(events)) if events.user[j] == events.user[row]]
        before = [j for j in before if events.timestamp[j] < events.timestamp[row]]
        visit = found["visit"][place]
        together = np.concatenate([found[name][visit] for name in ("long", "short", "recent")])
        assert together[together >= 0].tolist() == events.item[before[-12:]].tolist()
        kinds = found["long_kinds"][visit]
        assert kinds[kinds >= 0].tolist() == events.kind[before[-12:]][: max(0, len(before[-12:]) - 7)].tolist()
        asked = [events.query[j] for j in before if events.query[j] >= 0][-2:]
        texts = [" ".join(vocabulary.words[w] for w in words if w >= 0) for words in found["past"][visit]]
        assert [text for text in texts if text] == [events.queries[q] for q in asked]
        words = found["words"][place]
        assert " ".join(vocabulary.words[w] for w in words if w >= 0) == events.queries[events.query[row]]


def test_a_typed_query_reads_the_whole_history():
    events = random_log()
    inputs = inputs_of(events)
    typed = inputs.of_typed("Milk?", user=4)
    assert typed["recent"][0].tolist() == events.items[4][-3:].tolist()
    nobody = inputs.of_typed("milk", user=None)
    assert all((nobody[name] == -1).all() for name in ("recent", "short", "long", "past"))
    assert nobody["words"].tolist() == typed["words"].tolist()


def test_batches_cover_an_epoch_and_depend_on_the_step_alone():
    events = random_log()
    examples = np.flatnonzero(events.query >= 0)
    batches = EventBatches(inputs_of(events), examples, batch_size=64, negatives=10)
    steps = range(batches.steps_per_epoch)
    positives = np.concatenate([batches.batch(step)["positive"].numpy() for step in steps])
    np.testing.assert_array_equal(np.sort(positives[: len(examples)]), np.sort(events.item[examples]))
    again = EventBatches(inputs_of(events), examples, batch_size=64, negatives=10).batch(3)
    assert all((again[name] == value).all() for name, value in batches.batch(3).items())
    halves = [batches.batch(3, rank, 2) for rank in (0, 1)]
    assert np.concatenate([half["positive"] for half in halves]).tolist() == again["positive"].tolist()
    assert len(set(again["negatives"].tolist())) == 10


def test_events_of_one_visit_stay_together_in_a_batch():
    events = random_log()
    examples = np.flatnonzero(events.query >= 0)
    batches = EventBatches(inputs_of(events), examples, batch_size=len(examples))
    batch = batches.batch(0)
    # Every visit of the log is one row of behaviour, and its queries follow one another.
    visits = set(zip(events.user[examples].tolist(), events.timestamp[examples].tolist()))
    assert len(visits) < len(examples)
    assert len(batch["recent"]) == len(batch["past"]) == len(visits)
    assert (batch["visit"].diff() != 0).sum() == len(visits) - 1
    assert (batch["visit"] != batches.batch(1)["visit"]).any()


def test_a_large_basket_is_cut_into_groups():
    assert _group_starts(np.array([0, 0, 0, 0, 0, 5, 6, 6]), 2).tolist() == [0, 2, 4, 5, 6, 8]
    assert _group_starts(np.array([3]), 16).tolist() == [0, 1]


def test_log_q_is_the_share_of_steps_that_an_item_is_a_column():
    events = random_log()
    batches = EventBatches(inputs_of(events), np.flatnonzero(events.query >= 0), batch_size=16, negatives=3)
    present = np.zeros(events.n_items)
    for step in range(3000):
        batch = batches.batch(step)
        present[np.unique(np.concatenate([batch["positive"], batch["negatives"]]))] += 1
    assert np.abs(present / 3000 - np.exp(batches.log_q())).max() < 0.05


def test_sizes_out_of_range():
    events = random_log()
    with pytest.raises(ValueError, match=r"short \(=0\) must be at least 1"):
        Spans(short=0)
    with pytest.raises(ValueError, match="examples is empty"):
        EventBatches(inputs_of(events), np.empty(0, int))
    with pytest.raises(ValueError, match=r"negatives \(=-1\)"):
        EventBatches(inputs_of(events), np.arange(3), negatives=-1)
