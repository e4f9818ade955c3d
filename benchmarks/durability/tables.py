"""The table of the subject *durability*: what every attack found, beside the value it must reach."""

from __future__ import annotations

from benchmarks.markdown import table
from benchmarks.read import Results

TITLES = {
    "log": "`changes.log`: cuts and flips",
    "mutations": "random damage of checkpoints, configs, metrics, bundles, faiss files, inputs",
    "commands": "bad commands, made from the tables of options",
    "full disk": "commands on a full disk, then repeated",
    "tmpfs": "commands on a file system of 16 MiB that is nearly full, then repeated",
    "other user": "commands of a user without the right to write, or to read",
    "places": "outputs in places that cannot be written",
    "kills": "`kill -9` at random moments of every command that writes, then repeated",
}
_GOOD = ("trials", "refused", "survived", "accepted", "killed")


def attacks(results: Results) -> str:
    """Trials of every attack, and the sum of each count that must be 0."""
    runs = results.runs("attacks")
    if not runs:
        return ""
    lines = []
    for name, title in TITLES.items():
        rows = [run["rows"][name] for run in runs if run["rows"].get(name, {}).get("trials")]
        if rows:
            found = {key: sum(row[key] for row in rows) for key in rows[0] if key not in _GOOD}
            shown = ", ".join(f"{key}: {count}" for key, count in found.items())
            # A command that ended before it was killed is no kill.
            trials = sum(row.get("killed", row["trials"]) for row in rows)
            lines.append((title, f"{trials:,}", shown, "0"))
    return table("Attacks on a small run and its files", ("attack", "trials", "found", "must"), lines)
