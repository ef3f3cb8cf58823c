"""Tiers, and what was reported before: what is a restatement, and what is not."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from tests.support.database import TestDatabase
from tests.support.world import World, at, run, steady


@pytest.mark.parametrize(("year", "tier"), [(2023, "elite"), (2024, "elite"), (2025, None)])
def test_tiers_name_the_year_of_their_table(db: TestDatabase, year: int, tier: str | None) -> None:
    world = World(db, minimum_sample=1, benchmark_year=year)
    steady(world, days=30)
    world.compute(at("2026-03-03 12:00"))
    rows = world.rows(
        "select tier, tier_year, peer_share, peer_year from report.kpi_current where metric_type = 'lead_time_for_changes'"
    )
    assert rows == [(tier, year if tier else None, 0.244, 2025)]


def restated_tiers(world: World, grain: str = "month") -> list[tuple[object, ...]]:
    return world.rows(
        "select scope_type, old_tier, new_tier, old_value = new_value, old_text, new_text, reason, cause"
        f" from report.restatements where metric_type = 'lead_time_for_changes' and grain = '{grain}'"
        " and old_tier is distinct from new_tier order by scope_type, restated_at"
    )


NUMBERS = "select metric_type, grain, scope_type, scope_id, calculation_date, metric_value, tier from {} order by 1, 2, 3, 4, 5"


def reported(world: World, when: datetime) -> list[tuple[Any, ...]]:
    """Every number with its tier, as it was shown then."""
    return world.rows(NUMBERS.format("report.metrics_as_reported where valid_from <= %s and valid_to > %s"), when, when)


def test_a_tier_alone_that_changes_is_a_restatement(db: TestDatabase) -> None:
    world = World(db, minimum_sample=1, benchmark_year=2024)
    steady(world, days=70)
    world.compute(at("2026-04-20 12:00"))
    world.compute(at("2026-04-21 12:00"))
    assert restated_tiers(world) == restated_tiers(world, "rolling_30d") == [], (
        "a passing day takes tiers of old windows"
    )
    said = world.rows(NUMBERS.format("core.dora_metrics"))
    assert any(tier for *_, tier in said)
    ((then,),) = world.rows("select max(published_at) from core.dora_metrics")
    world.db.set_setting(world.client_id, "dora.benchmark_year", 2025)
    world.compute(at("2026-04-21 13:00"))
    told = restated_tiers(world)
    assert {row[0] for row in told} >= {"client", "service"}
    assert reported(world, then) == said
    for _, old, new, is_same, old_text, new_text, reason, cause in told:
        assert (old, new, is_same, reason) == ("elite", None, True, "definition")
        assert (str(old_text).partition(" (")[2], str(new_text).partition(" (")[2]) == ("Elite)", "no tier)")
        assert str(cause).startswith("definition ")
    assert world.rows("select max(restated) > 0 from report.publications") == [(True,)]
    shown = world.rows("select correction from report.corrections where what like 'Lead time for changes, %%'")
    assert shown
    assert all("(Elite) → " in text and text.endswith("(no tier)") for (text,) in shown)


def test_a_tier_that_follows_its_services_is_a_restatement_of_the_data(db: TestDatabase) -> None:
    """An earlier run found another median service for a month; the number of the whole stays."""
    world = World(db, minimum_sample=1, benchmark_year=2024)
    steady(world, days=70)
    world.compute(at("2026-04-21 12:00"))
    run(
        world,
        "update core.dora_metrics set tier = 'low' where grain = 'month' and scope_type = 'client' and tier is not null",
    )
    world.compute(at("2026-04-21 13:00"), full=True)
    assert ("client", "low", "elite", True) in [row[:4] for row in restated_tiers(world)]


def test_what_was_reported_can_be_read_after_the_data_has_changed(world: World) -> None:
    steady(world)
    world.compute(at("2026-03-20 12:00"))
    query = (
        "select metric_type, grain, scope_type, scope_id, calculation_date, metric_value, sample_size, null_reason"
        " from core.dora_metrics order by 1, 2, 3, 4, 5"
    )
    said = world.rows(query)
    ((then,),) = world.rows("select max(published_at) from core.dora_metrics")
    assert world.rows("select reason, restated from report.publications") == [("first", 0)]

    run(
        world,
        "update core.github_pull_requests set first_authored_at = first_authored_at - interval '5 hours'"
        " where title = 'Change shop-4'",
    )
    world.compute(at("2026-03-20 13:00"))
    assert world.rows(query) != said
    as_reported = query.replace(
        "core.dora_metrics", "report.metrics_as_reported where valid_from <= %s and valid_to > %s"
    )
    assert world.rows(as_reported, then, then) == said

    cause = world.rows(
        "select distinct metric_type, reason, cause, evidence -> 0 -> 'facts' ->> 0 from report.restatements"
        " where grain = 'day' and scope_type = 'client'"
    )
    ((change,),) = world.rows("select change_id from report.evidence_changes where title = 'Change shop-4'")
    assert ("lead_time_for_changes", "data", "deployed changes: 1 changed", change) in cause
    assert {metric for metric, *_ in cause} <= {"lead_time_for_changes", "lead_time_coding"}


def test_a_new_definition_is_a_new_version_and_restates(world: World) -> None:
    steady(world)
    world.compute(at("2026-03-20 12:00"))
    world.db.set_setting(world.client_id, "dora.start_event", "opened")
    run(world, "update core.github_pull_requests set ready_at = merged_at - interval '1 hour'")
    world.compute(at("2026-03-20 13:00"))
    assert world.rows("select distinct reason from report.restatements") == [("definition",)]
    assert world.rows("select reason from report.publications order by publication_id desc limit 1") == [
        ("definition",)
    ]
    assert world.rows("select count(distinct definition_version) from core.dora_metrics") == [(1,)]
    assert world.rows("select count(*) from core.dora_definitions") == [(2,)]
    assert world.metric("lead_time_for_changes", "month", at("2026-02-03 00:00"))["metric_value"] == 2.0


def test_a_metric_without_numbers_gets_its_whole_history(world: World) -> None:
    """A new version of Pulse may bring a metric. Its past must not wait until a fact of each period moves."""
    steady(world)
    world.compute()
    numbers = (
        "select metric_type, grain, scope_type, scope_id, calculation_date, metric_value, sample_size"
        " from core.dora_metrics order by 1, 2, 3, 4, 5"
    )
    before = world.rows(numbers)
    run(world, "delete from core.dora_metrics where metric_type = 'lead_time_for_changes'")
    world.compute()
    assert world.rows(numbers) == before
    assert world.rows("select count(*) from core.dora_restatements") == [(0,)]


def test_a_passing_day_is_not_a_restatement(world: World) -> None:
    steady(world)
    world.compute(at("2026-03-20 12:00"))
    world.compute(at("2026-03-23 12:00"))
    assert world.rows("select reason, restated from report.publications order by publication_id") == [
        ("first", 0),
        ("calendar", 0),
    ]
    assert world.rows("select count(*) from report.restatements") == [(0,)]
    assert world.rows(
        "select metric_type from report.kpi_current where period_end = '2026-03-24' order by 1"
    ) == world.rows("select metric_type from core.metric_catalogue where family <> 'work' order by 1")


@pytest.mark.parametrize("day", [28, 29, 31])
def test_a_service_gets_its_tier_as_soon_as_it_has_the_history(world: World, day: int) -> None:
    """Its 28 days pass within a month of whose numbers nothing else changes."""
    shop = world.repository("shop")
    for start in range(1, 21):  # the first is the baseline, so history begins on the second
        world.change(shop, f"shop-{start}", at(f"2026-03-{start:02} 09:00"))
        world.deploy(shop, f"shop-{start}", at(f"2026-03-{start:02} 10:00"))
    world.compute(at("2026-03-26 12:00"))
    world.compute(at(f"2026-03-{day} 12:00"))
    month = world.metric("lead_time_for_changes", "month", at("2026-03-15 00:00"))
    assert (month["tier"] is not None) == (day >= 29), month
    assert world.compute(at(f"2026-03-{day} 12:00"), full=True) == 0, "a full run finds the same"


def test_numbers_without_a_stored_state_stay_if_they_are_right(world: World) -> None:
    """As after an upgrade from a version that stored no state: everything is recomputed, and what is right stays."""
    steady(world)
    now = at("2026-03-20 12:00")
    world.compute(now)
    said = world.rows("select * from core.dora_metrics order by id")
    run(world, "delete from core.dora_state")
    world.compute(now)
    assert world.rows("select * from core.dora_metrics order by id") == said
