"""`python -m benchmarks`: list the subjects, run them, and fill the tables and figures of the docs."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.headlines import headlines
from benchmarks.markdown import ROOT, fill, pages
from benchmarks.plan import Context, Measurement
from benchmarks.read import RESULTS, Results
from benchmarks.readme_table import highlights
from benchmarks.subjects import SUBJECTS
from benchmarks.systems_table import systems
from benchmarks.vectors.tiny import write_tiny

COMMAND = "python -m benchmarks"
EXAMPLES = """examples:
  python -m benchmarks                          list the subjects and their parts
  python -m benchmarks frozen                   measure one subject, then fill its tables and draw its figures
  python -m benchmarks frozen/glove papers      a part, and another subject
  python -m benchmarks all --resume             everything that has not been measured yet (hours on two cores)
  python -m benchmarks tables                   fill all tables from the committed results, no measurement
  python -m benchmarks figures                  draw all figures from the committed results, no measurement
  python -m benchmarks all --smoke              run every script at a tiny size, results into a temporary folder

Earlier results of the named parts are deleted first, those of other seeds and machines too, so that no table mixes
them. With --resume they stay, and only what is missing is measured.
"""


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog=COMMAND,
        description="Run the benchmarks.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", nargs="*", metavar="SUBJECT[/PART]", help="or all, tables, figures")
    parser.add_argument("--resume", action="store_true", help="keep results that are there")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes and one seed; tables and figures stay")
    parser.add_argument("--seeds", default="0,1,2", metavar="N,N")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="DIR")
    parser.add_argument("--dry-run", action="store_true", help="print the commands only")
    args = parser.parse_args(argv)
    if not args.what:
        print(listing())
        return 0
    chosen = {}
    for name in args.what:
        if name in ("tables", "figures"):
            continue
        found = parts_of(name)
        if not found:
            parser.error(f"SUBJECT (={name}) must be all, tables, figures or one of {', '.join(SUBJECTS)}, or a part")
        chosen |= found
    with tempfile.TemporaryDirectory() as scratch:
        if args.smoke:
            context = Context(Path(scratch), (0,), smoke=True)
            write_tiny(context.results / "tiny")
        else:
            context = Context(args.results, tuple(map(int, args.seeds.split(","))))
        for name, measurements in chosen.items():
            print(name, file=sys.stderr)
            for measurement in measurements:
                measure(measurement, context, resume=args.resume, dry_run=args.dry_run)
    if not (args.smoke or args.dry_run):
        subjects = {name.partition("/")[0] for name in chosen}
        if subjects or "tables" in args.what:
            fill_tables(Results(args.results))
        draw_figures(Results(args.results), set(SUBJECTS) if "figures" in args.what else subjects)
    return 0


def listing() -> str:
    """Subjects with their parts, tables and figures."""
    lines = ["Subjects and their parts:", ""]
    for name, subject in SUBJECTS.items():
        lines += [f"  {name:14}{subject.title}", f"  {'':14}parts: {', '.join(subject.parts)}"]
        made = [*subject.tables, *subject.figures]
        lines += [f"  {'':14}makes: {', '.join(made)}"] * bool(made)
    return "\n".join([*lines, "", EXAMPLES.rstrip()])


def parts_of(name: str) -> dict[str, tuple[Measurement, ...]]:
    """The measurements that a name chooses, by ``SUBJECT/PART``; empty for an unknown name."""
    every = {f"{subject}/{part}": tuple(found) for subject, of in SUBJECTS.items() for part, found in of.parts.items()}
    return {key: found for key, found in every.items() if name in ("all", key, key.partition("/")[0])}


def measure(measurement: Measurement, context: Context, *, resume: bool, dry_run: bool) -> None:
    """Delete earlier results, unless ``resume``, and run the commands, each with one thread.

    Raises:
        subprocess.CalledProcessError: a command failed.
    """
    if not (resume or dry_run):
        for path in measurement.outputs(context):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)}
    for command in measurement.commands(context):
        print("  " + shlex.join(command[1:]), file=sys.stderr, flush=True)
        if not dry_run:
            subprocess.run(command, check=True, env=environment, cwd=ROOT)


def all_tables(results: Results) -> dict[str, str]:
    """Every block of the documents by name: the table, and the command that makes it. Without results it is empty."""
    found = {
        "HIGHLIGHTS": (highlights(results), "all"),
        "SYSTEMS": (systems(results), "all"),
        "TABLES": (headlines(results), "all"),
    }
    for subject, of in SUBJECTS.items():
        found |= {name: (build(results), subject) for name, build in of.tables.items()}
    return {name: text and f"{text}\n\nMade by `{COMMAND} {subject}`." for name, (text, subject) in found.items()}


def fill_tables(results: Results) -> None:
    """Replace the blocks of README and docs."""
    tables = all_tables(results)
    for page in pages():
        text = page.read_text(encoding="utf-8")
        if (new := fill(text, tables)) != text:
            page.write_text(new, encoding="utf-8")
            print(f"filled {page.relative_to(ROOT)}", file=sys.stderr)


def draw_figures(results: Results, subjects: set[str]) -> None:
    """Draw the figures of subjects into ``docs/figures``; without matplotlib, one line says how to get it."""
    for subject in subjects:
        for name, draw in SUBJECTS[subject].figures.items():
            try:
                draw(results, ROOT / "docs" / "figures" / name)
            except ModuleNotFoundError as error:
                print(f"no figures: {error}; pip install matplotlib", file=sys.stderr)
                return
            print(f"drew docs/figures/{name}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
