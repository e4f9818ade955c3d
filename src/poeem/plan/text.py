"""A plan as tables: a column for every number of items, and the assumptions."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from poeem.plan.model import Plan
from poeem.plan.needs import Assumptions, Needs


def plan_table(plans: Sequence[Plan]) -> tuple[list[str], list[list[str]]]:
    """Return the columns and rows of a table with one column for each plan."""
    rows = [
        ["inverted lists", *(f"{plan.nlist:,}" for plan in plans)],
        ["codes scanned per query", *(f"{plan.scanned:,.0f}" for plan in plans)],
        ["core ms per query", *(_short(plan.search_ms) for plan in plans)],
        ["memory of one copy, GB", *(_short(plan.memory_gb) for plan in plans)],
        ["disk: index and parts, GB", *(_short(plan.disk_gb) for plan in plans)],
        ["machines of one copy", *(f"{plan.shards:,}" for plan in plans)],
        ["copies", *(f"{plan.copies:,}" for plan in plans)],
        ["machines", *(f"{plan.machines:,}" for plan in plans)],
        ["threads per query and machine", *(f"{plan.threads:,}" for plan in plans)],
        ["p99, ms", *(_short(plan.p99_ms) for plan in plans)],
        ["to encode, core hours", *(_short(plan.encode_core_hours) for plan in plans)],
        ["to build on all machines, hours", *(_short(plan.build_hours) for plan in plans)],
        ["cost a month", *(f"{plan.cost_a_month:,.0f}" for plan in plans)],
    ]
    return ["", *(f"{plan.rows:,} rows" for plan in plans)], rows


def assumption_table(assumed: Assumptions) -> tuple[list[str], list[list[str]]]:
    """Return the columns and rows of a table of the assumptions, with the options that change them."""
    rows = [
        [f"--{field.name.replace('_', '-')}", _shown(assumed, field), field.metadata["help"]]
        for field in dataclasses.fields(assumed)
    ]
    return ["option", "value", "meaning"], rows


def title(needs: Needs) -> str:
    """Return a line with the needs."""
    return (
        f"Plan: codes of {needs.bytes} bytes, vectors of {needs.dim} dimensions, {needs.qps:,.0f} queries/s, 99 % of "
        f"them within {needs.p99_ms:g} ms"
    )


def _shown(assumed: Assumptions, field: dataclasses.Field) -> str:
    value = getattr(assumed, field.name)
    return field.metadata["shown"] if value is None else f"{value:g}"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
