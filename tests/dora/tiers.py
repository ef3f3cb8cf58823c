"""Tiers, as docs/metrics.md defines them."""

from __future__ import annotations

import csv
from collections import Counter
from datetime import date, timedelta
from pathlib import Path

from tests.dora.days import ONE
from tests.dora.model import MetricKey, MetricRow

BENCHMARKS = Path(__file__).parents[2] / "include" / "sql" / "seeds" / "benchmarks.csv"
OF = {
    "deployment_frequency": "deployment_frequency",
    "lead_time_for_changes": "lead_time_for_changes",
    "failed_deployment_recovery_time": "failed_deployment_recovery_time",
    "time_to_restore": "failed_deployment_recovery_time",
}
Bands = dict[str, list[tuple[float, float, str]]]


def bands(year: int) -> Bands:
    """The published tiers of a year: lower bound (included), upper bound (excluded) and label, by metric."""
    found: Bands = {}
    with BENCHMARKS.open(newline="") as file:
        for row in csv.DictReader(file):
            if row["kind"] == "tier" and row["lower_bound"] and int(row["year"]) == year:
                upper = float(row["upper_bound"] or "inf")
                found.setdefault(row["metric_type"], []).append((float(row["lower_bound"]), upper, row["label"]))
    return found


def mark_tiers(
    rows: dict[MetricKey, MetricRow],
    first_days: dict[tuple[str, str], date],
    members: dict[tuple[str, str], set[str]],
    minimum: int,
    today: date,
) -> None:
    """ "A service has the tier of its number in calendar time, from the minimum sample and 28 days of history on, unless more
    than half of its failures are guesses." "Another scope has the tier of its median service (of two, the worse), in months and
    in the windows that end today."

    `first_days`: when a service's events of a metric began, by metric and service. `members`: the services of other scopes.
    """
    published = bands(2024)
    for (metric, _, scope_type, scope_id, _), row in rows.items():
        if scope_type == "service" and metric in OF:
            row.tier = own_tier(row, first_days.get((metric, scope_id)), published[OF[metric]], minimum, today)
    for (metric, grain, scope_type, scope_id, day), row in rows.items():
        is_compared = grain == "month" or (grain.startswith("rolling") and day == today)
        if scope_type == "service" or metric not in OF or not is_compared:
            continue
        of = [
            (s, rows[key]) for s in members[scope_type, scope_id] if (key := (metric, grain, "service", s, day)) in rows
        ]
        judged = [(value_of(r), s, r.tier) for s, r in of if r.tier]
        judged.sort(key=lambda v: (v[0] if metric == "deployment_frequency" else -v[0], v[1]))
        if judged:
            row.tier = judged[(len(judged) + 1) // 2 - 1][2]
            row.tier_spread = dict(Counter(tier for _, _, tier in judged if tier))


def value_of(row: MetricRow) -> float:
    value = row.metric_value if row.calendar_value is None else row.calendar_value
    assert value is not None
    return value


def own_tier(
    row: MetricRow, first: date | None, published: list[tuple[float, float, str]], minimum: int, today: date
) -> str | None:
    is_guess = row.guessed * 2 > row.sample_size
    if row.metric_value is None or row.sample_size < minimum or is_guess or first is None:
        return None
    if min(row.period_end, today + ONE) - first < timedelta(days=28):
        return None
    return next((label for low, high, label in published if low <= value_of(row) < high), None)
