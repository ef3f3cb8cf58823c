"""What a reader is told: only signals, with the parts that go with them; and how far a target is."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.world import World, at

MONDAY = at("2026-01-05 00:00")


def ship(world: World, weeks: range, per_day: dict[int, int]) -> datetime:
    """So many releases of each repository on each working day; the Monday after the last week."""
    chance = random.Random(weeks.start)
    for week in weeks:
        for day in range(5):
            for repository, count in per_day.items():
                for number in range(count):
                    when = MONDAY + timedelta(weeks=week, days=day, hours=8 + number, minutes=chance.randrange(50))
                    sha = world.commit(repository, f"{repository}-{week}-{day}-{number}", when)
                    world.deploy(repository, sha, when + timedelta(minutes=30))
    return MONDAY + timedelta(weeks=weeks.stop)


def sentences(world: World) -> dict[str, tuple[Any, ...]]:
    return {
        row[0]: row[1:]
        for row in world.rows(
            "select metric_type, verdict, sentence, service_name, rows_path from report.metric_sentences"
        )
    }


def test_only_a_signal_is_told_with_what_goes_with_it(world: World) -> None:
    shop, billing = world.repository("shop"), world.repository("billing & more")
    world.compute(ship(world, range(13), {shop: 3, billing: 3}))
    verdict, text, _, _ = sentences(world)["all"]
    assert verdict == "usual"
    assert text.startswith("Nothing moved by more than chance: ")
    assert sentences(world)["deployment_frequency"][1].startswith("Deployment frequency: within its usual range (")

    world.compute(ship(world, range(13, 18), {shop: 3, billing: 0}))
    verdict, text, service, rows = sentences(world)["deployment_frequency"]
    assert verdict == "worse"
    assert text == (
        "Deployment frequency fell from 4.3 per day to 2.1 per day since 6 Apr 2026, by more than chance. Of the"
        " change (\N{MINUS SIGN}2.1 per day), the largest part goes with billing & more (\N{MINUS SIGN}2.1 per day)."
    )
    assert service == "billing & more"
    assert rows == "/pulse/rows/?metric=deployment_frequency&from=2026-03-02&to=2026-05-11", "all services rose or fell"
    told = world.rows(
        "select clause, kind, clause_text, rows_path from report.metric_clauses"
        " where metric_type = 'deployment_frequency' order by clause"
    )
    moved = "Deployment frequency: \N{MINUS SIGN}2.1 per day, by more than chance. The largest parts are:"
    assert told[0] == (0, "sentence", moved, rows)
    ((number, kind, part, way),) = told[1:]
    assert (number, kind, part) == (1, "service", "billing & more (\N{MINUS SIGN}2.1 per day)")
    assert way.startswith(f"{rows}&service=%62%69%6c%6c")
    assert "&" not in way.partition("service=")[2], "a name cannot add a parameter"
    assert part in text, "each part of the sentence is a clause"
    whole = sentences(world)["all"]
    assert whole[0] == "worse"
    assert whole[1].startswith(
        "Worse: deployment frequency fell from 4.3 per day to 2.1 per day since 6 Apr 2026, mostly billing & more."
    )


def test_one_service_alone_goes_without_saying(world: World) -> None:
    shop = world.repository()
    ship(world, range(13), {shop: 4})
    world.compute(ship(world, range(13, 18), {shop: 1}))
    _, text, service, rows = sentences(world)["deployment_frequency"]
    assert text.endswith("since 6 Apr 2026, by more than chance.")
    assert service is None
    (told,) = world.rows("select clause_text from report.metric_clauses where metric_type = 'deployment_frequency'")
    assert told == ("Deployment frequency: \N{MINUS SIGN}2.1 per day, by more than chance.",)
    assert "service" not in rows


@pytest.mark.parametrize(
    ("target", "status", "text"),
    [
        ({"value": 2, "by": "2026-09-30"}, "reached", "Target 2.0 per day by 30 Sep 2026: reached now"),
        ({"value": 5, "by": "2026-04-30"}, "missed", "Target 5.0 per day by 30 Apr 2026: missed"),
        ({"value": 4, "by": "2026-12-31"}, "on_course", "at the pace of the last 13 weeks it is reached"),
        ({"value": 50, "by": "2026-06-30"}, "off_course", "at the pace of the last 13 weeks it would be "),
    ],
)
def test_a_target_says_whether_the_pace_reaches_it(
    world: World, target: dict[str, Any], status: str, text: str
) -> None:
    shop = world.repository()
    world.db.set_setting(world.client_id, "targets.deployment_frequency", target)
    for week in range(18):
        now = ship(world, range(week, week + 1), {shop: 1 + week // 4})
    world.compute(now)
    (found,) = world.rows("select status, target_status_text from report.metric_targets")
    assert found[0] == status
    assert text in found[1]


def test_chance_is_no_pace(world: World) -> None:
    """Weeks that go up and down lead nowhere, however far a line through them is drawn."""
    shop = world.repository()
    world.db.set_setting(world.client_id, "targets.deployment_frequency", {"value": 50, "by": "2030-12-31"})
    for week in range(16):
        now = ship(world, range(week, week + 1), {shop: (2, 4, 3, 5)[week % 4]})
    world.compute(now)
    (found,) = world.rows("select status, expected = metric_value, target_status_text from report.metric_targets")
    assert found[:2] == ("off_course", True)
    assert found[2].endswith("no trend in the last 13 weeks leads there")


def test_a_target_needs_weeks_for_a_pace(world: World) -> None:
    shop = world.repository()
    world.db.set_setting(world.client_id, "targets.deployment_frequency", {"value": 50, "by": "2026-12-31"})
    world.db.set_setting(world.client_id, "targets.change_failure_rate", {"value": 4, "by": "2026-12-31"})
    world.db.set_setting(world.client_id, "targets.lead_time_for_changes", {"value": 4, "by": "2026-12-31"})
    world.compute(ship(world, range(5), {shop: 1}))
    found = dict(world.rows("select metric_type, status from report.metric_targets"))
    assert found == {
        "deployment_frequency": "no_pace",
        "change_failure_rate": "reached",
        "lead_time_for_changes": "no_value",
    }


def test_a_source_that_is_not_read_is_told(world: World) -> None:
    world.compute(ship(world, range(2), {world.repository(): 1}))
    assert "sources" not in sentences(world)
    for hours, state in ((30, "success"), (1, "failed")):
        world.insert(
            "core.etl_runs",
            integration_id=world.github,
            dag_run_id=state,
            task_id="extract",
            state=state,
            finished_at=datetime.now(UTC) - timedelta(hours=hours),
        )
    verdict, text, _, _ = sentences(world)["sources"]
    assert verdict == "failing"
    assert text.startswith("Numbers may be incomplete: github was not read since ")
    statuses = dict(world.rows("select integration, status from report.freshness"))
    assert statuses == {"github": "failing", "jira": "never"}
