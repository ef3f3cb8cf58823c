"""What is a signal and what is chance: the SQL against the reference on random series, and judged by simulation.

The series are written as published weeks, one scope per world; then the model itself computes all of them in one run."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from pulse.warehouse.connect import client_transaction
from pulse.warehouse.models import Writer
from pulse.warehouse.transforms import stage_models
from tests.dora.signals import Week, shifts, verdict
from tests.support.database import TestDatabase

TODAY = date(2026, 3, 4)
MONDAY = date(2026, 3, 2)
UNITS = {
    "deployment_frequency": ("per_day", "deployments"),
    "lead_time_for_changes": ("hours", "delivery"),
    "change_failure_rate": ("ratio", "deployments"),
}
Series = list[Week]
Made = Callable[[random.Random, int], float]


def poisson(rng: random.Random, mean: float) -> int:
    if mean > 50:  # a sum of independent ones
        return poisson(rng, mean / 2) + poisson(rng, mean / 2)
    bound, product, n = math.exp(-mean), rng.random(), 0
    while product > bound:
        product *= rng.random()
        n += 1
    return n


def frequency(rng: random.Random, weeks: int, mean: Made) -> Series:
    return [Week(value=(n := poisson(rng, mean(rng, w))) / 7, events=n) for w in range(weeks)]


def lead_time(rng: random.Random, weeks: int, hours: Made, changes: float) -> Series:
    """Medians of log-normal durations."""
    found = []
    for w in range(weeks):
        n = max(5, poisson(rng, changes))
        values = sorted(rng.lognormvariate(math.log(hours(rng, w)), 1.0) for _ in range(n))
        found.append(Week(value=values[n // 2], events=n, p75=values[3 * n // 4]))
    return found


def failure_rate(rng: random.Random, weeks: int, share: Made, deployments: float) -> Series:
    found = []
    for w in range(weeks):
        n, p = poisson(rng, deployments), share(rng, w)
        found.append(Week(deployments=n, failures=sum(rng.random() < p for _ in range(n))))
    return [week for week in found if week.deployments]


class Signals:
    """The model's rows for many series: one client, one scope per series."""

    def __init__(self, db: TestDatabase) -> None:
        self.conn = db.connect("pulse_etl")
        self.client_id = db.add_client("chance")

    def judge(self, metric: str, worlds: list[Series]) -> dict[int, list[dict[str, Any]]]:
        """The levels of each world, in order. The latest of a series' weeks is the one before this."""
        unit, family = UNITS[metric]
        model = next(m for m in stage_models("dora") if m.name == "metric_signals")
        with client_transaction(self.conn, self.client_id) as conn:
            conn.execute("delete from core.dora_metrics")
            conn.execute("delete from core.dora_scopes")
            conn.execute(
                "create temporary table given on commit drop as select metric_type, scope_id, period_start, metric_value, p75,"
                " numerator, denominator, sample_size from core.dora_metrics limit 0"
            )
            with conn.cursor() as rows, rows.copy("copy given from stdin") as copy:
                for number, weeks in enumerate(worlds):
                    for place, week in enumerate(weeks):
                        start = MONDAY - timedelta(weeks=len(weeks) - place)
                        value = week.failures / week.deployments if unit == "ratio" else week.value
                        copy.write_row(
                            (
                                metric,
                                str(number),
                                start,
                                value,
                                week.p75,
                                week.failures,
                                week.deployments,
                                week.events or week.deployments,
                            )
                        )
            conn.execute(
                "insert into core.dora_metrics (client_id, metric_type, grain, scope_type, scope_id, calculation_date,"
                " period_start, period_end, metric_value, unit, p50, p75, numerator, denominator, sample_size,"
                " definition_version, family)"
                " select %(client)s, metric_type, 'week', 'service', scope_id, period_start + 6, period_start,"
                " period_start + 7, metric_value, %(unit)s, metric_value, p75, numerator, denominator, sample_size, 'test',"
                " %(family)s from given",
                {"client": self.client_id, "unit": unit, "family": family},
            )
            conn.execute(
                "insert into core.dora_scopes (client_id, scope_type, scope_id, family, first_day)"
                " select distinct %s::integer, 'service', scope_id, %s, %s::date from given",
                [self.client_id, family, TODAY],
            )
            conn.execute(
                "create temporary table settings on commit drop as"
                " select %s::date as today, false as working, null::date as computed_through, 0 as week_shift",
                [TODAY],
            )
            Writer(conn, [model], full=True).write(model)
            cursor = conn.execute(
                "select * from core.metric_signals where metric_type = %s order by level_from", [metric]
            )
            names = [column.name for column in cursor.description or ()]
            found: dict[int, list[dict[str, Any]]] = {}
            for row in cursor.fetchall():
                level = dict(zip(names, row, strict=True))
                found.setdefault(int(level["scope_id"]), []).append(level)
        return found


@pytest.fixture
def signals(db: TestDatabase) -> Signals:
    return Signals(db)


def step(before: float, after: float, at: int) -> Made:
    return lambda _rng, week: before if week < at else after


def random_series(rng: random.Random, metric: str) -> Series:
    """Of any length, with up to two shifts."""
    weeks = rng.randint(1, 57)
    level = [1.0] * weeks
    for _ in range(rng.randint(0, 2)):
        at, factor = rng.randrange(weeks), rng.choice([0.2, 0.5, 2.0, 3.0])
        level = [x * (factor if w >= at else 1) for w, x in enumerate(level)]
    per_week = rng.choice([0, 1, 5, 20, 60])
    if metric == "deployment_frequency":
        return frequency(rng, weeks, lambda _r, w: per_week * level[w])
    if metric == "lead_time_for_changes":
        return lead_time(rng, weeks, lambda _r, w: 30 * level[w], per_week)
    return failure_rate(rng, weeks, lambda _r, w: min(1.0, rng.choice([0.05, 0.2]) * level[w]), per_week + 1)


@pytest.mark.parametrize("metric", UNITS)
def test_the_sql_finds_the_same_shifts_as_the_reference(signals: Signals, metric: str) -> None:
    rng = random.Random(metric)
    unit, better = UNITS[metric][0], 1 if metric == "deployment_frequency" else -1
    worlds = [weeks for _ in range(150) if (weeks := random_series(rng, metric))]
    found = signals.judge(metric, worlds)
    shifted = 0
    for number, weeks in enumerate(worlds):
        levels, expected = found[number], shifts(weeks, unit)
        first = MONDAY - timedelta(weeks=len(weeks))
        assert [level["level_from"] for level in levels] == [first] + [
            first + timedelta(weeks=s.first) for s in expected
        ]
        assert [level["rule"] for level in levels[1:]] == [s.rule for s in expected]
        assert [level["shift"] for level in levels[1:]] == ["better" if s.side == better else "worse" for s in expected]
        assert [level["confirmed_on"] for level in levels[1:]] == [
            first + timedelta(weeks=s.found + 1) for s in expected
        ]
        word, history = verdict(weeks, unit)
        word = {"higher": "better" if better > 0 else "worse", "lower": "worse" if better > 0 else "better"}.get(
            word, word
        )
        assert [level["verdict"] for level in levels] == [None] * len(expected) + [word]
        assert levels[-1]["history_weeks"] == history
        assert (levels[0]["centre"] is None) == (not expected and history < 12)
        for level in levels:
            if level["centre"] is not None:
                assert level["lower"] <= level["centre"] + 1e-9
                assert level["centre"] <= level["upper"] + 1e-9
        shifted += bool(expected)
    assert 20 < shifted < 140, "series of both kinds"


# ------------------------------------------------------------------------------------------------------- by simulation

WEEKDAYS = (1.4, 1.6, 1.2, 1.2, 0.8, 0.5, 0.3)


def holiday(rng: random.Random, weeks: int) -> Callable[[int], float]:
    """One or two weeks with a fifth of the usual work: at any time, or the latest ones."""
    length = rng.randint(1, 2)
    first = weeks - length - rng.randint(0, 3) if rng.random() < 0.5 else rng.randrange(weeks)
    return lambda week: 0.2 if first <= week < first + length else 1.0


def stable_frequency(rng: random.Random) -> Series:
    weeks, per_week, kind = rng.randint(12, 57), rng.choice([5, 20, 60]), rng.randrange(3)
    low = holiday(rng, weeks)
    if kind == 0:
        return frequency(rng, weeks, lambda _r, _w: per_week)
    if kind == 1:  # weekdays differ; a week's count is the sum of its days
        days = [[poisson(rng, per_week / 7 * share) for share in WEEKDAYS] for _ in range(weeks)]
        return [Week(value=sum(week) / 7, events=sum(week)) for week in days]
    return frequency(rng, weeks, lambda _r, w: per_week * low(w))


def stable_lead_time(rng: random.Random) -> Series:
    weeks, changes = rng.randint(12, 57), rng.choice([5, 20, 60])
    return lead_time(rng, weeks, lambda _r, _w: 30.0, changes)


def stable_failure_rate(rng: random.Random) -> Series:
    weeks, share = rng.randint(12, 57), rng.choice([0.05, 0.1, 0.2])
    return failure_rate(rng, weeks, lambda _r, _w: share, rng.choice([5, 20, 60]))


def verdicts(found: dict[int, list[dict[str, Any]]]) -> float:
    """The share of tiles that say better or worse."""
    return sum(levels[-1]["verdict"] in ("better", "worse") for levels in found.values()) / len(found)


@pytest.mark.parametrize(
    ("metric", "made"),
    [
        ("deployment_frequency", stable_frequency),
        ("lead_time_for_changes", stable_lead_time),
        ("change_failure_rate", stable_failure_rate),
    ],
)
def test_of_1000_stable_worlds_at_most_two_in_a_hundred_have_a_verdict(
    signals: Signals, metric: str, made: Callable[[random.Random], Series]
) -> None:
    rng = random.Random(f"stable {metric}")
    share = verdicts(signals.judge(metric, [made(rng) for _ in range(1000)]))
    print(f"{metric}: {share:.1%} of stable worlds have a verdict")
    assert share <= 0.02


BEFORE = 26  # weeks of history


def changed(rng: random.Random, metric: str, per_week: int, weeks: int) -> Series:
    """26 stable weeks, then `weeks` with half the frequency, twice the lead time or three times the failure rate."""
    total = BEFORE + weeks
    if metric == "deployment_frequency":
        return frequency(rng, total, step(per_week, per_week / 2, BEFORE))
    if metric == "lead_time_for_changes":
        return lead_time(rng, total, step(30, 60, BEFORE), per_week)
    return failure_rate(rng, total, step(0.1, 0.3, BEFORE), per_week)


@pytest.mark.parametrize("metric", UNITS)
def test_a_real_shift_is_found(signals: Signals, metric: str) -> None:
    rng = random.Random(f"shift {metric}")
    kinds = [(per_week, weeks) for per_week in (5, 20, 60) for weeks in (4, 8)]
    worlds = [changed(rng, metric, *kind) for kind in kinds for _ in range(100)]
    found = signals.judge(metric, worlds)
    power = {}
    for place, kind in enumerate(kinds):
        levels = [found[number][-1] for number in range(place * 100, place * 100 + 100)]
        power[kind] = sum(level["verdict"] == "worse" for level in levels) / 100
    print(metric, power)
    assert power[20, 8] >= 0.8
    assert power[60, 4] >= 0.8
    assert power[60, 8] >= 0.95
    assert power[5, 8] > 0.1
