"""``poeem diff``: compare the items of two versions of an index."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from poeem.cli.options import Json
from poeem.cli.output import print_json, print_table


def diff(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="Folder of the older run or bundle.", show_default=False)],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="Folder of the newer one.", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.parquet", help="Write all ids that differ, each with its difference.", show_default=False
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Compare the items of two versions of an index: added, removed, and changed in code or list."""
    import pyarrow.parquet as pq

    from poeem.bundle import open_bundle
    from poeem.bundle.diff import diff_bundles
    from poeem.bundle.whole_file import whole_file

    difference = diff_bundles(open_bundle(old), open_bundle(new))
    if out is not None:
        with whole_file(out) as beside:
            pq.write_table(difference.table(), beside)
    summary = difference.summary()
    if json:
        print_json(summary)
        return
    rows = [[name, f"{summary[name]:,}", _some(summary["examples"].get(name, ()))] for name in ("added", "removed")]
    rows += [
        ["kept", f"{summary['kept']:,}", ""],
        ["changed", f"{summary['changed']:,}", _some(summary["examples"]["changed"])],
        ["  code", f"{summary['code_changed']:,}", ""],
        ["  list", f"{summary['list_changed']:,}", ""],
    ]
    print_table(
        f"{old} ({summary['old']['rows']:,} items) to {new} ({summary['new']['rows']:,})", ["", "", "ids"], rows
    )
    if difference.same_fingerprint:
        print("Both are from one training: a delta can be exported (poeem export NEW --delta OLD --out FILE.parquet).")
    else:
        fingerprints = [bundle.fingerprint[:12] for bundle in (difference.old, difference.new)]
        print(
            f"They are from two trainings (fingerprints {', '.join(fingerprints)}): "
            "the codes have different meanings and must not be mixed; export the new version whole."
        )


def _some(ids: list[object]) -> str:
    return ", ".join(map(str, ids[:5])) + (", ..." if len(ids) > 5 else "")
