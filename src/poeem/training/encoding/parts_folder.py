"""PartsFolder: encoded parts on disk. An encoding that was killed resumes from them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from poeem.bundle.parquet_file import check_checksums
from poeem.bundle.regular_file import read_file
from poeem.bundle.whole_file import write_text
from poeem.engines.faiss.coded_parts import FACTS_FILE, UNFINISHED_FILE
from poeem.training.encoding.source import Part

# In the metadata of a part's schema.
STAMP = b"poeem"


class PartsFolder:
    """The folder of an encoding.

    While it is filled, ``_unfinished.json`` says of which index and which input; at the end ``_poeem.json`` takes its
    place. Every part carries the same facts and its rows in its metadata, and is moved into place complete.

    Args:
        path: the folder; empty or absent, or left by an interrupted encoding.
        facts: of the whole: spec, fingerprint, numbers of rows and parts, ``source`` (the identity of the input).
    """

    def __init__(self, path: Path, facts: dict[str, Any]) -> None:
        self.path, self.facts = path, facts
        self._facts_sha256 = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def begin(self, parts: list[Part]) -> list[Part]:
        """Make the folder, or check what an interrupted encoding left in it.

        Args:
            parts: all parts.
        Returns:
            the parts that are still to be encoded.
        Raises:
            ValueError: the folder holds something else, an encoding of another index or input, or a damaged part.
        """
        check_free(self.path)
        file = self.path / UNFINISHED_FILE
        if not file.is_file():
            self.path.mkdir(parents=True, exist_ok=True)
            write_text(file, json.dumps(self.facts, indent=2))
            return parts
        try:
            before = json.loads(read_file(file))
        except ValueError:
            before = None
        again = f"delete the folder {str(self.path)!r} to encode from the beginning, or choose another one"
        if not isinstance(before, dict):
            raise ValueError(f"{file}: is damaged; {again}")
        for name, fact in self.facts.items():
            if before.get(name) != json.loads(json.dumps(fact)):
                what = "the items have changed" if name == "source" else f"{name} was {before.get(name)!r:.40}"
                raise ValueError(f"{self.path} holds the beginning of another encoding ({what}); {again}")
        return [part for part in parts if not self._is_done(part, again)]

    def stamp(self, part: Part) -> dict[bytes, bytes]:
        """Return the metadata of a part."""
        return {STAMP: json.dumps({"facts_sha256": self._facts_sha256, **asdict(part)}).encode()}

    def place(self, part: Part) -> Path:
        """Return the file of a part."""
        return self.path / part.name

    def finish(self) -> dict[str, Any]:
        """Mark the folder as complete, and return its facts."""
        write_text(self.path / FACTS_FILE, json.dumps(self.facts, indent=2))
        (self.path / UNFINISHED_FILE).unlink()
        return self.facts

    def delete(self) -> None:
        """Delete the parts, and the folder if it is empty then."""
        for file in (*self.path.glob("part-*.parquet"), *self.path.glob(".part-*"), self.path / UNFINISHED_FILE):
            file.unlink(missing_ok=True)
        if not any(self.path.iterdir()):
            self.path.rmdir()

    def delete_if_without_parts(self) -> None:
        """Delete the folder unless it holds a part, which a later call need not encode again."""
        if self.path.is_dir() and not any(self.path.glob("part-*.parquet")):
            self.delete()

    def _is_done(self, part: Part, again: str) -> bool:
        file = self.place(part)
        if not file.exists():
            return False
        try:
            metadata = check_checksums(file)
        except ValueError as error:
            raise ValueError(f"{file}: {error}; delete this file and repeat the command, or {again}") from None
        if (metadata or {}).get(STAMP) != self.stamp(part)[STAMP]:
            raise ValueError(f"{file}: is a part of another encoding; {again}")
        return True


def check_free(path: Path) -> None:
    """Raise a ValueError if ``path`` is neither absent, nor an empty folder, nor that of an interrupted encoding."""
    if path.exists() and not (path.is_dir() and (not any(path.iterdir()) or (path / UNFINISHED_FILE).is_file())):
        raise ValueError(f"out (={str(path)!r}) is there already; choose another folder")
