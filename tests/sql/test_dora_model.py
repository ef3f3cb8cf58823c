"""What keeps a wrong number from being published, and readers and clients from waiting for one another."""

from __future__ import annotations

import psycopg
import pytest

from pulse.errors import PublicationStopped
from pulse.warehouse.connect import client_transaction
from pulse.warehouse.transforms import run_stage
from tests.support.database import TestDatabase
from tests.support.world import World, at, run, steady


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
