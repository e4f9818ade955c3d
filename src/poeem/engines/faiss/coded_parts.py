"""Load items that were encoded in several places with the same arrays: Parquet files, faiss files, bundles."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from poeem.bundle import Bundle
from poeem.bundle.check import check_codes
from poeem.bundle.ids import ids_to_arrow
from poeem.bundle.items import read_items
from poeem.bundle.regular_file import open_to_read
from poeem.engines.faiss.index_file import read_proof
from poeem.engines.faiss.read import from_faiss
from poeem.engines.report import read_report

# Written by `poeem encode` beside its parts. Readers of data sets skip names that begin with an underscore.
FACTS_FILE, UNFINISHED_FILE = "_poeem.json", "_unfinished.json"

Load = Callable[[], Bundle]


def open_parts(
    bundle: Bundle,
    parts: str | Path | Bundle | Sequence[str | Path | Bundle],
    *,
    check: bool = True,
    strings: bool = False,
) -> list[Load]:
    """Check parts of a catalogue, and return functions that load one part each.

    Args:
        bundle: the bundle whose arrays encoded the items.
        parts: folders of ``poeem encode``, exported faiss files, or bundles; all of the same training.
        check: True compares whole faiss files with the checksums in their reports, False a sample of their blocks.
        strings: whether ids may be strings.
    Returns:
        functions without arguments; each returns a bundle of the same arrays with the rows of one part.
    Raises:
        FileNotFoundError: a part does not exist.
        ValueError: a part is of another training, or its ids are strings.
    """
    given = [parts] if isinstance(parts, str | Path | Bundle) else list(parts)
    if not given:
        raise ValueError("parts are empty; name folders of poeem encode, exported faiss files or bundles")
    found: list[Load] = []
    for part in given:
        if isinstance(part, Bundle):
            _check_same(repr(part), part.fingerprint, bundle)
            _check_integers(repr(part), part.string_ids and not strings)
            found.append(lambda part=part: part)
        elif (Path(part) / FACTS_FILE).is_file():
            found += _encoded(bundle, Path(part), strings)
        elif Path(part).is_file():
            facts = read_proof(Path(part), check=check) or read_report(Path(part))
            _check_same(repr(str(part)), facts["fingerprint"], bundle)
            _check_integers(repr(str(part)), facts["id_type"] == "string")
            found.append(lambda part=part: _of_faiss(bundle, Path(part)))
        else:
            if (Path(part) / UNFINISHED_FILE).is_file():
                raise ValueError(f"the encoding of {str(part)!r} was interrupted; repeat poeem encode to finish it")
            raise FileNotFoundError(
                f"no part at {str(part)!r}: name a folder of poeem encode or an exported faiss file"
            )
    return found


def joined(bundle: Bundle, loads: Sequence[Load]) -> Bundle:
    """Load all parts, and return a bundle of their rows, in their order: codes, lists and ids, without columns.

    Raises:
        ValueError: an id is there twice, or ids are of two types.
    """
    found = [load() for load in loads]
    if len({part.string_ids for part in found}) > 1:
        raise ValueError("parts have integer and string ids; encode all items with ids of one type")
    ids = np.concatenate([part.ids for part in found])
    ids_to_arrow(ids)
    codes = np.concatenate([part.codes for part in found])
    lists = None if bundle.lists is None else np.concatenate([part.lists for part in found if part.lists is not None])
    return _with_rows(bundle, ids, codes, lists)


def _encoded(bundle: Bundle, folder: Path, strings: bool) -> list[Load]:
    try:
        facts = json.loads((folder / FACTS_FILE).read_text(encoding="utf-8"))
        fingerprint, count = facts["fingerprint"], facts.get("parts")
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(f"{str(folder / FACTS_FILE)!r} is damaged; encode the items again") from None
    _check_same(repr(str(folder)), fingerprint, bundle)
    files = sorted(folder.glob("*.parquet"))
    if not files:
        raise FileNotFoundError(f"no Parquet parts in {str(folder)!r}; encode the items again")
    # Folders of earlier versions do not tell their number.
    if count is not None and count != len(files):
        raise ValueError(f"{str(folder)!r} has {len(files)} of {count} parts; encode the items again")
    return [lambda file=file: _of_parquet(bundle, file, strings) for file in files]


def _of_parquet(bundle: Bundle, file: Path, strings: bool) -> Bundle:
    import pyarrow.parquet as pq

    open_to_read(file).close()
    metadata = pq.read_metadata(file)
    id_type = "int64" if str(pq.read_schema(file).field("id").type) == "int64" else "string"
    _check_integers(repr(str(file)), id_type == "string" and not strings)
    items = read_items(file, bundle.spec, metadata.num_rows, id_type)
    check_codes(bundle.spec, items.codes, items.lists)
    return _with_rows(bundle, items.ids.to_numpy(zero_copy_only=False), items.codes, items.lists)


def _of_faiss(bundle: Bundle, file: Path) -> Bundle:
    contents = from_faiss(file, check=False)  # compared by open_parts
    return _with_rows(bundle, contents.ids, contents.codes, contents.lists)


def _with_rows(bundle: Bundle, ids: np.ndarray, codes: np.ndarray, lists: np.ndarray | None) -> Bundle:
    return replace(bundle, ids=ids, codes=codes, lists=lists, columns=None)


def _check_same(part: str, fingerprint: Any, bundle: Bundle) -> None:
    if fingerprint != bundle.fingerprint:
        raise ValueError(
            f"part {part} is of another training (fingerprint {str(fingerprint)[:12]}) than {bundle!r} "
            f"({bundle.fingerprint[:12]}); their codes must not be mixed: encode the items again"
        )


def _check_integers(part: str, strings: bool) -> None:
    if strings:
        raise ValueError(f"part {part} has string ids, and faiss holds integers; encode the items by integer ids")
