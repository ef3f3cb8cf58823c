"""What the model does beyond the five numbers: settings, services of a monorepo, teams, working days, what was reported
before, and what keeps a wrong number from being published."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest

from pulse.errors import PublicationStopped
from pulse.warehouse.connect import client_transaction
from pulse.warehouse.transforms import run_stage
from tests.support.database import TestDatabase
from tests.support.world import World, at, run, steady

# ----------------------------------------------------------------------------------------------------- services and teams


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


# ------------------------------------------------------------------------------------------------------------ time counted


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


# ---------------------------------------------------------------------------------------------- tiers, and what was reported


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


def test_a_tier_alone_that_changes_is_a_restatement(db: TestDatabase) -> None:
    world = World(db, minimum_sample=1, benchmark_year=2024)
    steady(world, days=70)
    world.compute(at("2026-04-20 12:00"))
    world.compute(at("2026-04-21 12:00"))
    assert restated_tiers(world) == restated_tiers(world, "rolling_30d") == [], (
        "a passing day takes tiers of old windows"
    )
    before = world.rows("select tier, tier_year from core.dora_metrics where grain = 'month' and tier is not null")
    assert before
    world.db.set_setting(world.client_id, "dora.benchmark_year", 2025)
    world.compute(at("2026-04-21 13:00"))
    told = restated_tiers(world)
    assert {row[0] for row in told} >= {"client", "service"}
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
    ) == world.rows("select metric_type from core.metric_catalogue order by 1")


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


# ------------------------------------------------------------------------------------------------------------------ quality


def test_numbers_are_not_published_if_most_facts_vanish_at_once(world: World) -> None:
    steady(world, days=50)
    world.compute()
    said = world.rows("select * from core.dora_metrics order by id")
    run(world, "update core.github_pull_requests set deleted_at = now()")
    with pytest.raises(PublicationStopped, match=r"facts_lost \(changes\).*quality\.facts_lost"):
        world.compute()
    assert world.rows("select * from core.dora_metrics order by id") == said
    assert world.rows("select detail, numerator, denominator from report.quality_checks where status = 'fail'") == [
        ("changes", 51, 51)
    ]
    world.db.set_setting(world.client_id, "quality.facts_lost", "warn")
    world.compute()
    assert world.rows("select count(*) from core.changes") == [(0,)]
    assert world.rows("select distinct severity from report.quality_checks where check_name = 'facts_lost'") == [
        ("warn",)
    ]


def test_impossible_orders_and_unknown_commits_are_reported(world: World) -> None:
    repository = steady(world, days=1)
    today = at("2026-02-10 12:00")
    world.change(repository, "odd", at("2026-02-05 09:00"), ready_at=at("2026-02-06 09:00"))
    world.deploy(repository, "nobody-knows", at("2026-02-05 10:00"))
    world.compute(today)
    found = dict(
        world.rows(
            "select check_name, value from report.quality_checks where check_name in"
            " ('impossible_orders', 'deployments_without_commit', 'reconciliation')"
        )
    )
    assert found["impossible_orders"] == 1
    assert found["deployments_without_commit"] == pytest.approx(1 / 3)
    assert found["reconciliation"] == 0


def test_records_of_unstored_projects_are_reported(world: World) -> None:
    """A project counts, but not a board, whose sprints have checkpoints of their own."""
    steady(world, days=1)
    for scope, stream in (("1", "issues"), ("77", "sprints"), ("78", "issues")):
        world.insert(
            "core.etl_checkpoints",
            integration_id=world.jira,
            scope_key=scope,
            stream=stream,
            watermark_at=at("2026-02-05 09:00"),
        )
    world.compute(at("2026-02-10 12:00"))
    orphans = "select status, value, examples from core.quality_results where check_name = 'orphans'"
    assert world.rows(orphans) == [("fail", 1, ["jira 78"])]


def test_every_column_of_a_report_is_described(world: World) -> None:
    missing = (
        world.db.connect("pulse_owner")
        .execute(
            "select c.relname, a.attname from pg_class c join pg_attribute a on a.attrelid = c.oid"
            " where c.relnamespace = 'report'::regnamespace and c.relkind = 'v' and a.attnum > 0"
            " and (col_description(c.oid, a.attnum) is null or obj_description(c.oid, 'pg_class') is null)"
        )
        .fetchall()
    )
    assert missing == []


def test_an_increment_scans_no_large_table(world: World) -> None:
    """200 of the client's 20,000 pull requests changed: the stage reads by index, whatever else is there."""
    repository = steady(world, days=1)
    with world.db.cluster.primary.connect(database=world.db.name) as superuser:
        superuser.execute("set session_replication_role = replica")
        superuser.execute(
            "insert into core.github_commits"
            " (client_id, integration_id, repository_id, sha, position, is_first_parent, committed_at)"
            " select %s, %s, %s, 'bulk' || n, 10 + n, true, timestamptz '2024-06-01' + n * interval '50 minutes'"
            " from generate_series(1, 20000) n",
            [world.client_id, world.github, repository],
        )
        superuser.execute(
            "insert into core.github_pull_requests (client_id, integration_id, id, repository_id, number, title, url, state,"
            " base_branch, head_branch, created_at, updated_at, first_authored_at, merged_at, merge_commit_sha)"
            " select %s, %s, n, %s, n, 'Bulk', 'u' || n, 'merged', 'main', 'x', t, t, t - interval '1 hour', t, 'bulk' || n"
            " from (select n, timestamptz '2024-06-01' + n * interval '50 minutes' as t from generate_series(1, 20000) n) x",
            [world.client_id, world.github, repository],
        )
        superuser.execute(
            "insert into core.github_deployments (client_id, integration_id, id, repository_id, environment, sha, state,"
            " created_at, first_success_at) select %s, %s, n, %s, 'production', 'bulk' || n, 'success', t, t"
            " from (select n, timestamptz '2024-06-01' + n * interval '50 minutes' as t from generate_series(5, 20000, 5) n) x",
            [world.client_id, world.github, repository],
        )
        superuser.execute("analyze")
    now = at("2026-04-27 12:00")
    world.compute(now, full=True)
    assert world.rows("select count(*) > 19000 from core.deployment_changes") == [(True,)]
    run(
        world,
        "update core.github_pull_requests set first_authored_at = first_authored_at - interval '1 hour'"
        " where id > 19800 and id <= 20000",
    )
    before = scanned(world)
    world.compute(now)
    large = {table: rows - before.get(table, 0) for table, rows in scanned(world).items()}
    assert {table: rows for table, rows in large.items() if rows > 5000 and table in LARGE} == {}


LARGE = {"pull_requests", "commits", "changes", "deployment_changes", "dora_metrics"}


def scanned(world: World) -> dict[str, int]:
    """Rows read by sequential scans, by table, since the server started."""
    with client_transaction(world.conn, world.client_id):
        world.conn.execute("select pg_stat_force_next_flush()")
    with world.db.cluster.primary.connect(database=world.db.name) as superuser:
        return dict(
            superuser.execute(
                "select relname, seq_tup_read from pg_stat_user_tables where schemaname = 'core'"
            ).fetchall()
        )


def test_clients_are_computed_in_parallel(db: TestDatabase) -> None:
    """While one client's stage is open, another client's can finish; a second run of the same client waits."""
    worlds = [World(db, slug, minimum_sample=1) for slug in ("one", "two")]
    for world in worlds:
        steady(world)
    waiting = worlds[0]
    with client_transaction(waiting.conn, waiting.client_id):
        waiting.conn.execute("select pg_advisory_xact_lock(hashtext('pulse.transforms'), %s)", [waiting.client_id])
        assert worlds[1].compute() > 0
        other = db.connect("pulse_etl")
        other.execute("set lock_timeout = '200ms'")
        other.commit()
        with pytest.raises(psycopg.errors.LockNotAvailable):
            run_stage(other, waiting.client_id, "dora")
    assert waiting.compute() > 0


def test_a_reader_never_sees_missing_numbers(world: World) -> None:
    """Nothing of a stage is visible before all of it is, so a stage that fails late leaves what was published."""
    steady(world)
    world.compute()
    said = world.rows("select count(*), sum(sample_size) from core.dora_metrics")
    run(world, "update core.github_pull_requests set first_authored_at = first_authored_at - interval '1 hour'")
    with world.conn.transaction(force_rollback=True):
        run_stage(world.conn, world.client_id, "dora")
    assert world.rows("select count(*), sum(sample_size) from core.dora_metrics") == said
    assert world.compute() > 0, "what had moved still waits in the queue"
