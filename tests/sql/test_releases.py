"""What counts as a release: redeployments, rollbacks, regions, trials, failures and their recovery."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.support.database import TestDatabase
from tests.support.world import World, at, run, steady

FEBRUARY = at("2026-02-03 00:00")
MARCH = at("2026-03-31 12:00")


def number(world: World, metric: str, grain: str = "month") -> Any:
    found = world.metric(metric, grain, FEBRUARY)
    return found["numerator"], found["denominator"], found["sample_size"]


def frequency(world: World) -> Any:
    return number(world, "deployment_frequency")[0]


@pytest.mark.parametrize(("hours", "releases"), [(1, 1), (23, 1), (25, 2)])
def test_one_version_in_several_regions_is_one_release(world: World, hours: int, releases: int) -> None:
    shop = steady(world, days=1)
    world.change(shop, "new", at("2026-02-05 09:00"))
    began = at("2026-02-05 10:00")
    first = world.deploy(shop, "new", began)
    second = world.deploy(shop, "new", began + timedelta(hours=hours), "production-eu")
    world.deploy(shop, "new", began + timedelta(hours=hours, minutes=5), "staging")
    world.compute(MARCH)
    assert frequency(world) == 2 + releases
    led = dict(world.rows("select deployment_id, release_id from report.evidence_deployments"))
    assert led[first] == first
    assert led[second] == (first if releases == 1 else second)


def test_a_release_failed_where_any_of_its_deployments_did(world: World) -> None:
    shop = steady(world, days=1)
    world.change(shop, "new", at("2026-02-05 09:00"))
    first = world.deploy(shop, "new", at("2026-02-05 10:00"))
    world.deploy(shop, "new", at("2026-02-05 12:00"), "production-eu", url="https://ci.example/eu")
    world.incident(at("2026-02-05 13:00"), at("2026-02-05 15:00"), description="See https://ci.example/eu")
    world.compute(MARCH)
    assert number(world, "change_failure_rate") == (1, 3, 3)
    failed = "select deployment_id, recovery_hours from report.evidence_deployments where counts and failed_change"
    assert world.rows(failed) == [(first, 3.0)]
    assert world.metric("failed_deployment_recovery_time", "month", FEBRUARY)["metric_value"] == 3


def test_redeployments_count_only_where_the_client_says_so(db: TestDatabase) -> None:
    for n, counted in enumerate((False, True)):
        world = World(db, f"client{n}", minimum_sample=1, count_redeployments=counted)
        shop = steady(world, days=2)
        world.deploy(shop, "shop-1", at("2026-02-06 10:00"))
        world.deploy(shop, "shop-1", at("2026-02-07 10:00"))
        world.compute(MARCH)
        assert frequency(world) == (5 if counted else 3)
        assert number(world, "change_failure_rate")[1] == (5 if counted else 3)
        assert world.metric("redeployments", "month", FEBRUARY)["metric_value"] == 2


def test_failed_attempts_are_a_metric_of_their_own(world: World) -> None:
    shop = steady(world, days=3)
    world.deploy(shop, "shop-2", at("2026-02-06 10:00"), failed=True)
    world.compute(MARCH)
    assert number(world, "change_failure_rate") == (0, 4, 4)
    assert number(world, "deployment_rework_rate") == (0, 4, 4)
    assert number(world, "deployment_success_rate") == (4, 5, 5)


def test_a_failure_recovers_once(world: World) -> None:
    """Two incidents of one release are one failure; it has recovered when the last one is resolved."""
    steady(world, days=2)
    for hour in (11, 12):
        world.incident(at(f"2026-02-03 {hour}:00"), at(f"2026-02-03 {hour + 3}:00"))
    world.compute(MARCH)
    assert number(world, "change_failure_rate")[0] == 1
    recovery = world.metric("failed_deployment_recovery_time", "month", FEBRUARY)
    assert (recovery["sample_size"], recovery["metric_value"]) == (1, 5)
    assert world.metric("time_to_restore", "month", FEBRUARY)["sample_size"] == 2
    run(world, "update core.jira_issues set status_category = 'new', resolution_at = null")
    run(world, "delete from core.jira_issue_changes")
    world.compute(MARCH)
    assert world.metric("failed_deployment_recovery_time", "month", FEBRUARY)["sample_size"] == 0
    assert number(world, "change_failure_rate")[0] == 1


def test_what_was_rolled_back_recovered_with_the_rollback(world: World) -> None:
    """The ticket is closed days later; the users were well when the rollback had finished."""
    shop = steady(world, days=2)
    world.deploy(shop, "shop-0", at("2026-02-03 12:00"))
    world.incident(at("2026-02-03 11:00"), at("2026-02-09 11:00"))
    world.compute(MARCH)
    recovery = world.metric("failed_deployment_recovery_time", "month", FEBRUARY)
    assert (recovery["sample_size"], recovery["metric_value"]) == (1, 2)
    assert number(world, "change_failure_rate") == (1, 3, 3)


def test_an_incident_after_a_rollback_is_of_the_release_not_of_the_rollback(world: World) -> None:
    shop = steady(world, days=2)
    world.deploy(shop, "shop-0", at("2026-02-03 11:00"))
    world.incident(at("2026-02-03 11:30"), at("2026-02-03 12:00"))
    world.compute(MARCH)
    assert world.rows("select sha from report.evidence_deployments where failed_change") == [("shop-1",)]


def test_guesses_are_counted_and_can_be_left_out(db: TestDatabase) -> None:
    for n, (confidence, failures, guessed) in enumerate(((0.4, 1, 1), (0.5, 0, 0))):
        world = World(db, f"client{n}", minimum_sample=1, minimum_confidence=confidence)
        steady(world, days=2)
        world.incident(at("2026-02-03 11:00"), at("2026-02-03 12:00"))
        world.compute(MARCH)
        rate = world.metric("change_failure_rate", "month", FEBRUARY)
        assert (rate["numerator"], rate["guessed"]) == (failures, guessed)


def test_a_trial_claims_no_history(world: World) -> None:
    """One deployment a year before the others, of a team that then needs eleven hours."""
    shop = world.repository()
    began = at("2025-02-02 09:00")
    world.change(shop, "trial", began)
    trial = world.deploy(shop, "trial", began + timedelta(hours=1))
    for week in range(50):
        world.change(shop, f"old{week}", began + timedelta(weeks=week + 1))
    for day in range(12):
        when = at("2026-02-02 09:00") + timedelta(days=day)
        world.change(shop, f"new{day}", when)
        world.deploy(shop, f"new{day}", when + timedelta(hours=1))
    world.compute(MARCH)
    lead = world.metric("lead_time_for_changes", "month", FEBRUARY)
    assert (lead["metric_value"], lead["sample_size"]) == (11, 11)
    flags = "select deployment_id, is_trial, is_baseline from report.evidence_deployments order by finished_at limit 2"
    assert world.rows(flags)[0] == (trial, True, False)
    assert world.rows(flags)[1][1:] == (False, True)


@pytest.mark.parametrize("pauses", [[91] * 8, [200, 60, 60, 60, 60, 60, 60], [40, 1, 1, 1], [25, *[1] * 10]])
def test_a_service_that_ships_seldom_keeps_its_lead_times(world: World, pauses: list[int]) -> None:
    """Every quarter; after one long pause; with too little to tell; and after a pause of under 30 days."""
    shop = world.repository()
    when = at("2024-02-02 09:00")
    world.change(shop, "first", when)
    world.deploy(shop, "first", when + timedelta(hours=1))
    for n, days in enumerate(pauses):
        world.change(shop, f"c{n}", when + timedelta(days=days / 2))
        when += timedelta(days=days)
        world.deploy(shop, f"c{n}", when)
    world.compute(MARCH)
    assert world.rows("select count(*) from report.evidence_deployments where is_trial") == [(0,)]
    assert world.rows("select count(*) from report.evidence_lead_time") == [(len(pauses),)]


def test_a_shared_address_names_no_deployment(world: World) -> None:
    shop = steady(world, days=0)
    for day in (2, 3):
        world.change(shop, f"n{day}", at(f"2026-02-0{day} 09:00"))
        world.deploy(shop, f"n{day}", at(f"2026-02-0{day} 10:00"), url="https://shop.example/")
    world.change(shop, "own", at("2026-02-04 09:00"))
    own = world.deploy(shop, "own", at("2026-02-04 10:00"), url="https://ci.example/run/9")
    world.change(shop, "last", at("2026-02-05 09:00"))
    last = world.deploy(shop, "last", at("2026-02-05 10:00"))
    for said in ("https://shop.example/ is down", "since https://ci.example/run/9"):
        world.incident(at("2026-02-05 12:00"), at("2026-02-05 13:00"), description=said)
    world.compute(MARCH)
    assert world.rows("select caused_by_deployment_id, method from report.evidence_incidents order by key") == [
        (last, "time_window"),
        (own, "explicit"),
    ]


@pytest.mark.parametrize("said", ["20260204", "12345678", "20260204093000", "202602040930"])
def test_dates_and_numbers_of_eight_digits_are_no_commits(world: World, said: str) -> None:
    shop = steady(world, days=0)
    world.change(shop, said.ljust(40, "a"), at("2026-02-02 09:00"))
    world.deploy(shop, said.ljust(40, "a"), at("2026-02-02 10:00"))
    world.change(shop, "b" * 40, at("2026-02-03 09:00"))
    last = world.deploy(shop, "b" * 40, at("2026-02-03 10:00"))
    world.incident(at("2026-02-04 12:00"), at("2026-02-04 13:00"), description=f"Failed since {said}.")
    world.compute(MARCH)
    assert world.rows("select caused_by_deployment_id, method from report.evidence_incidents") == [
        (last, "time_window")
    ]


@pytest.mark.parametrize("component", ["api-gateway", "API-Gateway", "Team: api-gateway", "service/api-gateway"])
def test_of_api_and_api_gateway_an_incident_names_the_longer(world: World, component: str) -> None:
    for name in ("api", "api-gateway", "gateway"):
        steady(world, name, days=1)
    world.incident(at("2026-02-03 11:00"), at("2026-02-03 12:00"), component=component)
    world.compute(MARCH)
    assert world.rows("select service_name from report.evidence_incidents") == [("api-gateway",)]


def test_of_api_and_api_gateway_a_team_has_the_longer(db: TestDatabase) -> None:
    teams = [
        {"name": "Core", "services": ["api"]},
        {"name": "Edge", "services": ["api-gateway"]},
        {"name": "All", "services": ["."]},
    ]
    world = World(db, minimum_sample=1, teams=teams)
    for name in ("api", "api-gateway", "rapid"):
        steady(world, name, days=1)
    world.compute(MARCH)
    counts = "select scope_id, numerator from core.dora_metrics where scope_type = 'team' and grain = 'month'"
    assert dict(world.rows(f"{counts} and metric_type = 'deployment_frequency' and numerator > 0")) == {
        "Core": 2,
        "Edge": 2,
        "All": 6,
    }


def test_the_tier_of_a_company_is_that_of_its_median_service(world: World) -> None:
    for name, hours in (("fast", 1), ("middle", 48), ("slow", 500)):
        shop = world.repository(name)
        for day in range(40):
            when = at("2026-01-10 09:00") + timedelta(days=day)
            world.change(shop, f"{name}{day}", when, lead_hours=hours)
            world.deploy(shop, f"{name}{day}", when + timedelta(hours=1))
    world.compute(at("2026-02-28 12:00"))
    lead = world.metric("lead_time_for_changes", "month", FEBRUARY)
    assert (lead["tier"], lead["tier_spread"]) == ("high", {"elite": 1, "high": 1, "medium": 1})


def test_nothing_has_a_tier_before_28_days(world: World) -> None:
    steady(world, days=20)
    world.compute(at("2026-02-22 12:00"))
    assert world.rows("select count(*) from core.dora_metrics where tier is not null") == [(0,)]


def test_tiers_are_of_calendar_time(db: TestDatabase) -> None:
    """40 hours from Friday to Sunday are 16 hours of working days."""
    calendar = {"days": ["mon", "tue", "wed", "thu", "fri"]}
    world = World(db, minimum_sample=1, working_calendar=calendar)
    shop = world.repository()
    for week in range(8):
        when = at("2026-01-09 08:00") + timedelta(weeks=week)
        world.change(shop, f"w{week}", when, lead_hours=0)
        world.deploy(shop, f"w{week}", when + timedelta(hours=40))
    world.compute(at("2026-03-02 12:00"))
    lead = world.metric("lead_time_for_changes", "month", FEBRUARY)
    assert (lead["metric_value"], lead["calendar_value"], lead["tier"]) == (16, 40, "high")


def test_a_branch_that_was_deployed_before_its_merge_is_delivered_by_that(world: World) -> None:
    """GitHub flow: the last commit of the branch is deployed; then it is merged, and nothing is deployed any more."""
    shop = world.repository()
    for n, merged in enumerate(("2026-02-03 12:00", "2026-02-04 12:00")):
        pull = world.change(shop, f"merge{n}", at(merged), lead_hours=10)
        for place, sha in enumerate((f"first{n}", f"last{n}")):
            world.insert(
                "core.github_pull_request_commits",
                integration_id=world.github,
                pull_request_id=pull,
                sha=sha,
                position=place,
                headline="Work",
            )
        world.deploy(shop, f"first{n}", at(merged) - timedelta(hours=5))
        world.deploy(shop, f"last{n}", at(merged) - timedelta(hours=1))
    world.compute(MARCH)
    lead = world.metric("lead_time_for_changes", "month", FEBRUARY)
    assert (lead["metric_value"], lead["sample_size"]) == (9, 2)
    assert world.rows("select merge_to_deploy_hours from report.evidence_lead_time") == [(None,), (None,)]
