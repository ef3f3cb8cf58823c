"""From deployments to the tile: a verdict comes only from a signal in the weeks, whichever way the numbers were computed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from tests.support.world import World, at

MONDAY = at("2026-01-05 00:00")
TILE = "select verdict, verdict_text, shifted_on from report.kpi_current where metric_type = 'deployment_frequency'"
LEVELS = (
    "select metric_type, scope_type, level_from, level_until, centre, lower, upper, shift, rule, confirmed_on, verdict,"
    " history_weeks from report.metric_signals order by 1, 2, 3"
)


def weeks_of(world: World, repository: int, first: int, weeks: int, per_day: int) -> datetime:
    """So many deployments of new commits on each working day; the Monday after the last week."""
    for week in range(first, first + weeks):
        for day in range(5):
            for number in range(per_day):
                when = MONDAY + timedelta(weeks=week, days=day, hours=9 + number)
                sha = world.commit(repository, f"{week}-{day}-{number}", when)
                world.deploy(repository, sha, when + timedelta(minutes=30))
    return MONDAY + timedelta(weeks=first + weeks)


def tile(world: World) -> tuple[Any, ...]:
    (found,) = world.rows(TILE)
    return found


def test_a_verdict_comes_only_from_a_signal(world: World) -> None:
    repository = world.repository()
    world.compute(weeks_of(world, repository, 0, 9, 4))
    assert tile(world) == ("not_enough_history", "not enough history for a verdict: 9 of 12 weeks", None)

    # A low week, such as a holiday's, is no verdict; nor is the week that has just begun.
    weeks_of(world, repository, 9, 5, 4)
    world.compute(weeks_of(world, repository, 14, 1, 1) + timedelta(hours=12))
    verdict, text, _ = tile(world)
    assert verdict == "usual"
    assert text.startswith("within its usual range (")
    assert " to " in text

    now = weeks_of(world, repository, 15, 1, 4)
    world.compute(now)
    assert tile(world)[0] == "usual"
    for week in range(16, 24):
        now = weeks_of(world, repository, week, 1, 2)
        world.compute(now)
        if tile(world)[0] != "usual":
            break
    verdict, text, shifted_on = tile(world)
    assert verdict == "worse"
    assert shifted_on == (MONDAY + timedelta(weeks=16)).date()
    assert text.startswith("worse since 27 Apr 2026; before: ")
    levels = world.rows(LEVELS)
    assert {row[1] for row in levels if row[0] == "deployment_frequency"} == {"client", "service"}

    # The chart draws the limits of each level, and where the new one begins.
    series = world.rows(
        "select period_at, display_value, lower, centre, upper, shifted_on from report.metric_series"
        " where metric_type = 'deployment_frequency' and grain = 'week' and scope_type = 'client' and not is_partial"
        " order by period_at"
    )
    assert [row[5] for row in series if row[5]] == [shifted_on]
    old = [row for row in series if row[0].date() < shifted_on]
    assert len({row[2:5] for row in old}) == 1
    assert all(row[2] is not None and row[2] <= row[3] <= row[4] for row in old)
    assert sum(not row[2] <= row[1] <= row[4] for row in old) <= 1, "the holiday alone may lie outside"

    assert world.compute(now) == 0, "nothing moved, nothing is written"
    world.compute(now, full=True)
    assert world.rows(LEVELS) == levels, "computed anew, it is the same"

    # Twelve weeks later the new level is the usual one.
    now = weeks_of(world, repository, week + 1, 27 - week, 2)
    world.compute(now)
    assert tile(world)[0] == "usual"
    levels = world.rows(LEVELS)
    world.compute(now, full=True)
    assert world.rows(LEVELS) == levels


def test_a_shift_backwards_in_the_data_takes_the_verdict_back(world: World) -> None:
    """Deployments that arrive late make the weeks what they were."""
    repository = world.repository()
    weeks_of(world, repository, 0, 14, 4)
    now = weeks_of(world, repository, 14, 6, 1)
    world.compute(now)
    assert tile(world)[0] == "worse"
    for week in range(14, 20):
        for day in range(5):
            for number in range(3):
                when = MONDAY + timedelta(weeks=week, days=day, hours=15 + number)
                world.deploy(repository, world.commit(repository, f"late-{week}-{day}-{number}", when), when)
    world.compute(now)
    assert tile(world)[0] == "usual"
    assert len([row for row in world.rows(LEVELS) if row[:2] == ("deployment_frequency", "client")]) == 1


def test_a_ratio_of_few_cases_is_shown_as_its_cases(world: World) -> None:
    repository = world.repository()
    shown = "select display_text, verdict from report.kpi_current where metric_type = 'change_failure_rate'"
    world.compute(weeks_of(world, repository, 0, 1, 1))
    assert world.rows(shown) == [("0 of 5", "not_enough_history")]
    world.compute(weeks_of(world, repository, 1, 3, 1))
    assert world.rows(shown) == [("0.0 %", "not_enough_history")], "twenty cases are enough for a share"
