"""Files beside ScaNN's own: facts about the index, the users' ids, rotation and query adapter."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from poeem.bundle.arrays_file import write_arrays_file
from poeem.bundle.bundle import Bundle
from poeem.bundle.ids import ids_to_arrow
from poeem.engines.export_facts import ExportFacts

FACTS_FILE, ARRAYS_FILE, IDS_FILE = "poeem.json", "poeem.safetensors", "ids.parquet"
_ARRAYS = ("rotation", "query_adapter")


def write_facts(bundle: Bundle, folder: Path, facts: ExportFacts) -> None:
    """Write facts, ids in row order, rotation and query adapter into a folder."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    (folder / FACTS_FILE).write_text(json.dumps(asdict(facts), indent=2) + "\n", encoding="utf-8")
    pq.write_table(pa.table({"id": ids_to_arrow(bundle.ids)}), folder / IDS_FILE)
    arrays = {name: bundle.arrays[name] for name in _ARRAYS if name in bundle.arrays}
    write_arrays_file(arrays, folder / ARRAYS_FILE, metadata={"fingerprint": facts.fingerprint})


def read_facts(folder: Path) -> tuple[ExportFacts, np.ndarray, dict[str, np.ndarray]]:
    """Read the files that `write_facts` wrote.

    Returns:
        facts; ids, int64 or object of str, ``(n,)``; and the arrays by name.
    Raises:
        ValueError: a file is missing or damaged, or the files are of different trainings.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq
    from safetensors import SafetensorError, safe_open

    try:
        facts = ExportFacts(**json.loads((folder / FACTS_FILE).read_text(encoding="utf-8")))
        ids = pq.read_table(folder / IDS_FILE)["id"].to_numpy()
        with safe_open(folder / ARRAYS_FILE, framework="numpy") as opened:
            fingerprint = (opened.metadata() or {}).get("fingerprint")
            arrays = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except (OSError, ValueError, TypeError, KeyError, pa.ArrowException, SafetensorError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{str(folder)!r} is no whole export for ScaNN ({reason}); export the bundle again") from None
    if fingerprint != facts.fingerprint:
        raise ValueError(f"{str(folder)!r} mixes files of two trainings; export the bundle again")
    return facts, ids, arrays
