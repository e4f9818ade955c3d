"""``poeem plan``: memory, disk, build time, machines and cost of a deployment."""

from __future__ import annotations

import dataclasses
from typing import Any

from poeem.cli.command import options_of
from poeem.cli.options import Json
from poeem.cli.output import print_json, print_table
from poeem.option import named
from poeem.plan.needs import Assumptions, Needs


@options_of(Needs, Assumptions)
def plan(given: dict[str, Any], *, json: Json = False) -> None:
    """Predict memory, disk, build time, machines and cost from figures measured per row and per query."""
    from poeem.plan.model import make_plan
    from poeem.plan.text import assumption_table, plan_table, title

    needs, assumed = named((Needs, Assumptions), **given)
    plans = [make_plan(rows, needs, assumed) for rows in needs.counts()]
    if json:
        facts = {"needs": dataclasses.asdict(needs), "assumptions": dataclasses.asdict(assumed)}
        print_json({**facts, "plans": [dataclasses.asdict(one) for one in plans]})
        return
    print_table(title(needs), *plan_table(plans))
    print()
    print_table("Assumed", *assumption_table(assumed))
    print("\nMeasured per row and per query: docs, Plan a deployment. Recall is not planned: poeem explain --target.")
