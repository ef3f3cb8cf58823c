"""How exact a tile's number is: each range is checked against the definition of its interval, not against the formula in SQL."""

from __future__ import annotations

import random
from datetime import timedelta
from math import comb, exp, sqrt
from typing import Any

from tests.support.world import World, at

NOW = at("2026-04-21 12:00")
FIRST = at("2026-02-02 08:00")


def fill(world: World) -> None:
    """Two services that release on most days, fail at times and recover; and one that released a few times."""
    chance = random.Random(7)
    for name, share in (("shop", 0.9), ("search", 0.6), ("rare", 0.06)):
        repository = world.repository(name)
        for day in range(76):
            if chance.random() < share:
                merged = FIRST + timedelta(days=day, hours=chance.random() * 6)
                world.change(repository, f"{name}-{day}", merged, 2 + chance.expovariate(0.1))
                done = merged + timedelta(hours=3 + chance.random())
                deployed = world.deploy(repository, f"{name}-{day}", done, url=f"https://{name}.example/{day}")
                if chance.random() < 0.25 and deployed:
                    broke = done + timedelta(minutes=20)
                    text = f"https://{name}.example/{day}"
                    world.incident(broke, broke + timedelta(hours=1 + chance.expovariate(0.3)), name, text)
    world.compute(NOW)


def ranges(world: World) -> dict[tuple[str, str], dict[str, Any]]:
    names = ("metric_type", "scope", "value", "n", "m", "size", "low", "high", "text", "first", "last")
    rows = world.rows(
        "select k.metric_type, coalesce(k.service_name, ''), m.metric_value, m.denominator, m.numerator, m.sample_size,"
        " r.lower_bound, r.upper_bound, k.confidence_text, k.period_start, k.period_end from report.kpi_by_scope k"
        " join core.dora_metrics m on (m.metric_type, m.scope_type, m.scope_id, m.period_end, m.grain)"
        " = (k.metric_type, k.scope_type, k.scope_id, k.period_end, 'rolling_30d')"
        " left join report.metric_confidence r on (r.metric_type, r.scope_type, r.scope_id)"
        " = (k.metric_type, k.scope_type, k.scope_id) where k.sort_order <= 5 and k.scope_type in ('client', 'service')"
    )
    return {(row[0], row[1]): dict(zip(names, row, strict=True)) for row in rows}


def poisson_up_to(count: int, mean: float) -> float:
    term, total = exp(-mean), 0.0
    for k in range(count + 1):
        total += term
        term *= mean / (k + 1)
    return total


def test_each_range_is_the_interval_that_it_is_said_to_be(world: World) -> None:
    fill(world)
    found = ranges(world)
    judged = {"ratio": 0, "per_day": 0, "hours": 0}
    for (metric, scope), row in found.items():
        where = f"{metric} of {scope or 'the company'}: {row}"
        if row["text"] is None:
            assert row["value"] is None or metric.endswith(("changes", "time")), where
            continue
        assert row["text"].startswith("95 % confidence: "), where
        assert row["low"] <= row["value"] <= row["high"], where
        if metric == "deployment_frequency":
            scale = row["value"] / row["size"]
            low, high = row["low"] / scale, row["high"] / scale
            assert abs(1 - poisson_up_to(row["size"] - 1, low) - 0.025) < 0.002, where
            assert abs(poisson_up_to(row["size"], high) - 0.025) < 0.002, where
            judged["per_day"] += 1
        elif row["n"] is not None:
            for bound in (row["low"], row["high"]):
                if 1e-9 < bound < 1:
                    deviation = abs(row["value"] - bound) / sqrt(bound * (1 - bound) / row["n"])
                    assert abs(deviation - 1.96) < 1e-6, where
            judged["ratio"] += 1
        else:
            hours = cases(world, metric, scope, row)
            n, first, last = len(hours), hours.index(row["low"]) + 1, n_last(hours, row["high"])
            covered = sum(comb(n, k) for k in range(first, last)) / 2**n
            assert covered >= 0.95, where
            narrower = sum(comb(n, k) for k in range(first + 2, last - 2)) / 2**n
            assert narrower < 0.95, where
            judged["hours"] += 1
    assert min(judged.values()) >= 2, judged


def cases(world: World, metric: str, scope: str, row: dict[str, Any]) -> list[float]:
    """The evidence of a median, sorted."""
    if metric == "lead_time_for_changes":
        query = "select lead_time_hours from report.evidence_lead_time where in_lead_time and deployed_at::date"
    else:
        query = "select recovery_hours from report.evidence_deployments where counts and failed_change and recovered_on"
    rows = world.rows(
        f"{query} between %s and %s and (%s = '' or service_name = %s) order by 1",
        row["first"],
        row["last"] - timedelta(days=1),
        scope,
        scope,
    )
    assert len(rows) == row["size"]
    return [hours for (hours,) in rows]


def n_last(hours: list[float], value: float) -> int:
    """The rank of a value, counted from below."""
    return len(hours) - hours[::-1].index(value)


def test_too_few_cases_have_no_range_and_no_failure_has_one(world: World) -> None:
    repository = world.repository("shop")
    for day in range(40):
        merged = FIRST + timedelta(days=day + 36)
        if day % 8 == 0:
            world.change(repository, f"shop-{day}", merged)
            world.deploy(repository, f"shop-{day}", merged + timedelta(hours=2))
    world.compute(NOW)
    found = ranges(world)
    lead, failures = found["lead_time_for_changes", ""], found["change_failure_rate", ""]
    assert lead["size"] < 6
    assert lead["text"] is None
    assert (failures["value"], failures["low"]) == (0, 0)
    assert 0.3 < failures["high"] < 0.7, "none of four or five says little"
