"""Services of a monorepo, teams, other branches, and the time that a client counts."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.database import TestDatabase
from tests.support.world import World, at, run, steady


def test_parts_of_a_monorepo_are_services_with_their_own_deployments(db: TestDatabase) -> None:
    world = World(
        db,
        minimum_sample=1,
        services=[
            {"name": "billing", "repository": "mono", "paths": [r"^billing/"]},
            {"name": "web", "repository": "mono", "paths": [r"^web/"]},
        ],
    )
    mono = world.repository("mono")
    for sha, day, paths in (
        ("base", 1, ["billing/a", "web/a", "README"]),
        ("b", 2, ["billing/x"]),
        ("w", 3, ["web/x"]),
        ("both", 4, ["billing/y", "web/y"]),
        ("docs", 5, ["README"]),
    ):
        pull = world.change(mono, sha, at(f"2026-02-0{day} 09:00"))
        for path in paths:
            world.insert("core.github_pull_request_files", integration_id=world.github, pull_request_id=pull, path=path)
    for part in ("billing", "web"):
        world.deploy(mono, "base", at("2026-02-01 10:00"), f"production-{part}")
    world.deploy(mono, "both", at("2026-02-06 10:00"), "production-billing")
    world.deploy(mono, "w", at("2026-02-07 10:00"), "production-web")
    world.compute()
    rows = world.rows(
        "select service_name, title, deployed_at from report.evidence_changes where title <> 'Change base'"
        " order by merged_at, service_name"
    )
    assert rows == [
        ("billing", "Change b", at("2026-02-06 10:00")),
        ("web", "Change w", at("2026-02-07 10:00")),
        ("billing", "Change both", at("2026-02-06 10:00")),
        ("web", "Change both", None),
        ("mono", "Change docs", None),
    ]
    repository = world.rows(
        "select metric_value, sample_size from report.metric_series where scope_type = 'repository'"
        " and metric_type = 'lead_time_for_changes' and grain = 'month'"
    )
    assert [sample for _, sample in repository] == [3]


def test_the_rows_behind_the_lead_time_are_the_deployed_changes(world: World) -> None:
    """The same in both views; what is not deployed, or does not count, is shown too."""
    repository = steady(world)
    world.change(repository, "bot", at("2026-03-02 09:00"), author_is_bot=True)
    world.deploy(repository, "bot", at("2026-03-02 10:00"))
    waits = world.change(repository, "waits", at("2026-03-03 09:00"))
    world.insert(
        "core.github_pull_request_commits", integration_id=world.github, pull_request_id=waits, sha="w1", position=0
    )
    world.compute()
    assert world.rows("select sha, deployment_id from report.evidence_commits") == [("w1", None)]
    names = "select column_name from information_schema.columns where table_name = %s order by 1"
    assert world.rows(names, "evidence_lead_time") == world.rows(names, "evidence_changes")
    columns = ", ".join(name for (name,) in world.rows(names, "evidence_changes"))
    query = f"select {columns} from report.{{}} where deployment_id is not null order by change_id"
    behind = world.rows(query.format("evidence_lead_time"))
    assert behind == world.rows(query.format("evidence_changes"))
    titles = dict(world.rows("select title, in_lead_time from report.evidence_lead_time"))
    assert (titles["Change bot"], "Change waits" in titles) == (False, False)
    month = world.metric("lead_time_for_changes", "month", at("2026-02-03 00:00"))
    counted = "select count(*) from report.evidence_lead_time where in_lead_time and deployed_at between %s and %s"
    assert world.rows(counted, at("2026-02-01 00:00"), at("2026-03-01 00:00")) == [(month["sample_size"],)] != [(0,)]


def test_a_repository_that_is_one_service_has_its_numbers(world: World) -> None:
    steady(world)
    world.compute()
    query = (
        "select metric_type, grain, period_at, metric_value, sample_size from report.metric_series"
        " where scope_type = %s order by 1, 2, 3"
    )
    assert world.rows(query, "repository") == world.rows(query, "service") != []


def test_a_service_has_a_tile_also_for_what_did_not_happen(db: TestDatabase) -> None:
    world = World(db, minimum_sample=1)
    steady(world, days=40)
    world.compute(at("2026-03-13 12:00"))
    tiles = (
        "select metric_type, display_text, null_reason, sample_size from report.kpi_by_scope"
        " where scope_type = '{}' and sort_order <= 5 order by sort_order"
    )
    services = world.rows(tiles.format("service"))
    assert [row[0] for row in services] == [row[0] for row in world.rows(tiles.format("client"))]
    assert len(services) == 5
    assert [row for row in services if row[2]] == [("failed_deployment_recovery_time", "\N{EM DASH}", "no_data", 0)]


def test_a_team_pools_the_events_of_its_services(db: TestDatabase) -> None:
    world = World(db, minimum_sample=1, teams=[{"name": "Payments", "services": ["^billing$", "^pay"]}])
    for name, days in (("billing", 3), ("payout", 5), ("shop", 7)):
        steady(world, name, days)
    world.compute()
    samples = dict(
        world.rows(
            "select scope_type || scope_id, sample_size from core.dora_metrics"
            " where scope_type in ('team', 'client')"
            " and metric_type = 'lead_time_for_changes' and grain = 'month'"
        )
    )
    assert samples["teamPayments"] == 8
    assert max(
        world.rows(
            "select sample_size from core.dora_metrics where scope_type = 'client' and grain = 'month'"
            " and metric_type = 'lead_time_for_changes'"
        )
    ) == (15,)


def test_merges_into_other_branches_count_if_the_client_says_so(db: TestDatabase) -> None:
    world = World(db, minimum_sample=1, production_branches=["^(main|develop)$"])
    repository = world.repository()
    for branch in ("main", "develop", "feature/x"):
        world.change(repository, branch.replace("/", "-"), at("2026-02-02 09:00"), base_branch=branch)
    run(world, "update core.github_pull_requests set merge_commit_sha = 'elsewhere' where base_branch = 'feature/x'")
    world.compute()
    assert world.rows("select count(*) from core.changes") == [(2,)]


def test_only_working_days_count_if_the_client_says_so(db: TestDatabase) -> None:
    """Committed on Friday at noon, deployed on Tuesday at noon, Monday a holiday: 24 hours. February has 19 working days."""
    world = World(
        db, minimum_sample=1, working_calendar={"days": ["mon", "tue", "wed", "thu", "fri"], "holidays": ["2026-02-09"]}
    )
    repository = world.repository()
    world.change(repository, "base", at("2026-01-30 09:00"))
    world.deploy(repository, "base", at("2026-01-30 10:00"))
    world.change(repository, "a", at("2026-02-10 11:00"), first_authored_at=at("2026-02-06 12:00"))
    world.deploy(repository, "a", at("2026-02-10 12:00"))
    world.compute()
    assert world.rows("select lead_time_hours from report.evidence_changes where title = 'Change a'") == [(24.0,)]
    month = world.metric("deployment_frequency", "month", at("2026-02-03 00:00"))
    assert month["metric_value"] == pytest.approx(1 / 19)


def test_the_median_number_of_days_with_a_deployment_per_week(world: World) -> None:
    """From Monday, 2 March 2026: weeks with 3, 1 and 2 days. Two deployments on one day are one day."""
    repository = world.repository()
    for index, day in enumerate((2, 3, 4, 9, 9, 16, 20)):
        world.change(repository, f"c{index}", at(f"2026-03-{day:02} 09:00") + timedelta(minutes=index))
        world.deploy(repository, f"c{index}", at(f"2026-03-{day:02} 10:00") + timedelta(minutes=index))
    world.compute(at("2026-03-23 12:00"))
    row = world.rows(
        "select metric_value, sample_size from core.dora_metrics where metric_type = 'deployment_days_per_week'"
        " and grain = 'rolling_30d' and scope_type = 'client' and calculation_date = '2026-03-23'"
    )
    assert row == [(2.0, 3)]
