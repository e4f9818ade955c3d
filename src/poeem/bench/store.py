"""Store the records of a benchmark. They are written after each step, so a stopped benchmark can resume."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from poeem.bundle.whole_file import write_text

Record = dict[str, Any]
FORMAT = 1


class Store:
    """The files ``bench.json`` and ``bench.csv`` of a folder.

    ``bench.json`` holds ``settings``, ``environments`` and ``records``. A record names its environment (machine,
    versions, command) by number, because a benchmark may resume on another machine. One combination of method, size and
    seed may have several records.

    Args:
        folder: the folder, created with the first record.
        settings: JSON values that all records share.
        environment: environment of new records.
    Raises:
        ValueError: the folder has records of other settings, or another kind of file.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any], environment: Mapping[str, Any]) -> None:
        self.folder = folder
        self.settings = json.loads(json.dumps(dict(settings)))
        self.records: list[Record] = []
        self.environments: list[dict[str, Any]] = []
        if self.json.exists():
            self._read()
        new_environment = json.loads(json.dumps(dict(environment)))
        if new_environment not in self.environments:
            self.environments.append(new_environment)
        self._environment = self.environments.index(new_environment)
        if folder.exists() and not folder.is_dir():
            raise ValueError(f"out (={str(folder)!r}) is a file; name a folder")

    @property
    def json(self) -> Path:
        """Path of ``bench.json``: settings and all records."""
        return self.folder / "bench.json"

    @property
    def csv(self) -> Path:
        """Path of ``bench.csv``: the records, for spreadsheets."""
        return self.folder / "bench.csv"

    def has(self, method: str, bytes_asked: int | None, seed: int | None) -> bool:
        """Return whether records of this method, size and seed exist.

        With seed=None a record of any seed counts (for methods that do not use a seed).
        """
        cell = (method, bytes_asked)
        done = {record["seed"] for record in self.records if (record["method"], record["bytes_asked"]) == cell}
        return seed in done if seed is not None else bool(done)

    def append(self, records: Sequence[Record]) -> None:
        """Add all records of one combination, and write both files. An interruption keeps all of them or none."""
        self.records += [{**record, "environment": self._environment} for record in records]
        self.folder.mkdir(parents=True, exist_ok=True)
        document = {
            "format": FORMAT,
            "settings": self.settings,
            "environments": self.environments,
            "records": self.records,
        }
        write_text(self.json, json.dumps(document, indent=1, allow_nan=False))
        write_text(self.csv, as_csv(self.records))

    def _read(self) -> None:
        try:
            document = json.loads(self.json.read_text(encoding="utf-8"))
            stored, self.records = document["settings"], document["records"]
            self.environments = document["environments"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{self.json} cannot be read ({error!r}); use another folder, or remove it") from None
        for name in (*self.settings, *(name for name in stored if name not in self.settings)):
            if stored.get(name) != self.settings.get(name):
                raise ValueError(
                    f"{name} (={self.settings.get(name)!r}) differs from that of the records in {self.json} "
                    f"(={stored.get(name)!r}); use another folder"
                )


def as_csv(records: Sequence[Record]) -> str:
    """Return the records as CSV text. Columns are in order of first appearance; an interval has two columns.

    >>> as_csv([{"method": "pq", "qps": 10.0}, {"method": "lsh", "seed": 1}])
    'method,qps,seed\\npq,10.0,\\nlsh,,1\\n'
    """
    records = [_flat(record) for record in records]
    names = list(dict.fromkeys(name for record in records for name in record))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()


def _flat(record: Record) -> Record:
    ends = record.get("intervals", {}).items()
    flat = {name: value for name, value in record.items() if name != "intervals"}
    return flat | {f"{name}_{end}": value for name, pair in ends for end, value in zip(("low", "high"), pair)}
