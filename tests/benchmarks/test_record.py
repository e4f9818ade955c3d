from __future__ import annotations

import json

import pytest

from benchmarks.record import Record, picked, script_parser


def arguments(*given):
    parser = script_parser("A script.")
    parser.add_argument("--rows", type=int, default=5)
    return parser.parse_args(list(map(str, given)))


def test_a_record_is_written_after_every_row_and_resumes(tmp_path):
    file = tmp_path / "new" / "a-3.json"
    args = arguments("--json", file, "--seed", 3)
    record = Record(args, picked(args, "rows"))
    record.add("first", {"recall": 0.5})
    written = json.loads(file.read_text())
    assert (written["seed"], written["settings"], written["rows"]) == (3, {"rows": 5}, {"first": {"recall": 0.5}})
    assert written["environment"]["torch"]
    again = Record(args, picked(args, "rows"))
    again.add("second", {"recall": 0.6})
    assert list(json.loads(file.read_text())["rows"]) == ["first", "second"]
    assert [path.name for path in file.parent.iterdir()] == ["a-3.json"]


@pytest.mark.parametrize("other", [("--rows", 6), ("--seed", 4)])
def test_a_record_of_other_settings_is_refused(tmp_path, other):
    file = tmp_path / "a.json"
    args = arguments("--json", file)
    Record(args, picked(args, "rows")).add("first", {})
    changed = arguments("--json", file, *other)
    with pytest.raises(SystemExit, match="holds results of other settings; delete it, or choose another file"):
        Record(changed, picked(changed, "rows"))


def test_without_a_file_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Record(arguments(), {}).add("first", {})
    assert list(tmp_path.iterdir()) == []
