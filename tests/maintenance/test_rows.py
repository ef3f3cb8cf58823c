"""Old rows go, each kind by its own setting; the numbers stay, and so does every other client's row."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from pulse import environ
from pulse.health import alerts, backups
from pulse.maintenance import rows
from pulse.maintenance.airflow import trim_logs
from pulse.maintenance.keep import days
from pulse.warehouse.connect import client_transaction
from pulse.warehouse.loader import Page, RawRow, Reject, load_pages
from pulse.warehouse.transforms import run_stage
from tests.support.database import TestDatabase
from tests.support.world import World, at, steady

NOW = at("2026-02-20 12:00")
NUMBERS = (
    "select metric_type, grain, scope_type, scope_id, calculation_date, metric_value, p50, p75, p90, numerator, denominator,"
    " sample_size, null_reason, tier from core.dora_metrics order by 1, 2, 3, 4, 5"
)


def pull(number: int, repository: int) -> RawRow:
    payload = {
        "fullDatabaseId": number,
        "number": number,
        "title": f"Change {number}",
        "headRefName": "work",
        "baseRefName": "main",
        "state": "MERGED",
        "url": f"https://github.com/acme/shop/pull/{number}",
        "author": {"login": "ada"},
        "createdAt": "2026-02-02T09:00:00Z",
        "updatedAt": "2026-02-03T09:00:00Z",
        "mergedAt": f"2026-02-0{number}T09:00:00Z",
        "mergeCommit": {"oid": f"shop-{number}"},
        "commits": [
            {"oid": f"c{number}", "authoredDate": "2026-02-01T09:00:00Z", "committedDate": "2026-02-01T09:00:00Z"}
        ],
        "reviews": [],
        "labels": [],
        "closingIssues": [],
        "firstComments": [],
        "timelineItems": [],
    }
    return RawRow(str(number), str(repository), payload)


class Old:
    """A client with numbers, and old rows of each kind."""

    def __init__(self, db: TestDatabase, slug: str) -> None:
        self.world = World(db, slug, minimum_sample=1)
        self.repository = steady(self.world)
        self.load([pull(number, self.repository) for number in (3, 4, 5)])
        self.world.compute(NOW)
        # A late change restates numbers that had been published.
        self.world.change(self.repository, "late", at("2026-02-05 09:30"), 300)
        self.world.compute(NOW + timedelta(hours=1))
        load_pages(self.world.conn, self.world.client_id, self.world.github, [Page("github_pull_requests", gone=["4"])])
        with client_transaction(self.world.conn, self.world.client_id):
            run = (
                "insert into core.etl_runs (client_id, integration_id, dag_run_id, task_id, state, started_at, finished_at)"
                " values (%s, %s, 'run', 't', %s, now() - %s::interval, now() - %s::interval)"
            )
            for state, age in (
                ("success", "400 days"),
                ("success", "300 days"),
                ("failed", "290 days"),
                ("running", "280 days"),
            ):
                self.world.conn.execute(run, [self.world.client_id, self.world.github, state, age, age])
        bad = [
            Reject("9", str(self.repository), '{"id": 9}', "no key"),
            Reject("8", str(self.repository), "{}", "no id"),
        ]
        load_pages(
            self.world.conn, self.world.client_id, self.world.github, [Page("github_pull_requests", rejects=bad)]
        )

    def load(self, pulls: list[RawRow]) -> None:
        load_pages(self.world.conn, self.world.client_id, self.world.github, [Page("github_pull_requests", pulls)])
        run_stage(self.world.conn, self.world.client_id, "normalise")

    def age(self) -> None:
        """All that has a date of its end is four years older, but for the newest publication."""
        with client_transaction(self.world.conn, self.world.client_id):
            for table, column in (
                ("raw.github_pull_requests", "deleted_at"),
                ("core.dora_metric_history", "valid_to"),
                ("core.dora_metric_history", "valid_from"),
                ("core.dora_restatements", "restated_at"),
                ("core.dora_publications", "published_at"),
            ):
                self.world.conn.execute(f"update {table} set {column} = {column} - interval '4 years'".encode())
            self.world.conn.execute(
                "update raw.rejects set replayed_at = now() - interval '1 year' where record_id = '9'"
            )

    def counts(self) -> dict[str, int]:
        tables = [*(table for table, _, _ in rows.RULES), "raw.github_pull_requests"]
        with client_transaction(self.world.conn, self.world.client_id):
            found = {
                table: self.world.conn.execute(f"select count(*) from {table}".encode()).fetchone() for table in tables
            }
        return {table: row[0] for table, row in found.items() if row}

    def numbers(self) -> list[tuple[Any, ...]]:
        with client_transaction(self.world.conn, self.world.client_id):
            return self.world.conn.execute(NUMBERS).fetchall()


@pytest.fixture
def etl(db: TestDatabase) -> psycopg.Connection[Any]:
    return db.connect("pulse_etl", autocommit=True)


def test_each_kind_goes_by_its_setting_and_the_numbers_stay(
    db: TestDatabase, etl: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    acme, other = Old(db, "acme"), Old(db, "other")
    acme.age()
    other.age()
    assert "raw.github_pull_requests" not in rows.trim_client(etl, acme.world.client_id)
    before, others = other.counts(), other.numbers()
    assert before["raw.github_pull_requests"] == 3, "nothing of the other client"
    assert before["core.dora_metric_history"] > 0
    assert before["core.dora_restatements"] > 0

    # That it is gone has not reached the typed table yet: the record must stay until it has.
    assert acme.counts()["raw.github_pull_requests"] == 3
    run_stage(acme.world.conn, acme.world.client_id, "normalise")
    acme.world.compute(NOW + timedelta(hours=2))
    numbers = acme.numbers()
    gone = rows.trim_client(etl, acme.world.client_id)
    assert gone["raw.github_pull_requests"] == 1
    left = acme.counts()
    assert left == {
        "raw.rejects": 1,
        "core.etl_runs": 3,
        "core.dora_metric_history": left["core.dora_metric_history"],
        "core.dora_restatements": left["core.dora_restatements"],
        "core.dora_publications": left["core.dora_publications"],
        "raw.github_pull_requests": 2,
    }
    assert left["core.dora_publications"] >= 1, "when it was last published, operations_clients shows"
    with client_transaction(acme.world.conn, acme.world.client_id):
        assert acme.world.conn.execute("select record_id from raw.rejects").fetchall() == [("8",)], "open ones stay"
        states = acme.world.conn.execute("select state from core.etl_runs order by 1").fetchall()
        assert states == [("failed",), ("running",), ("success",)], "the newest of each, and what has not ended"
        old = acme.world.conn.execute(
            "select count(*) from core.dora_metric_history where valid_to < now() - interval '3 years'"
        )
        assert old.fetchone() == (0,)
        # Everything is read and computed again, as after an update of Pulse.
        acme.world.conn.execute("delete from core.transform_watermarks")
    run_stage(acme.world.conn, acme.world.client_id, "normalise")
    acme.world.compute(NOW + timedelta(hours=3), full=True)
    assert acme.numbers() == numbers
    assert (other.counts(), other.numbers()) == (before, others)

    for variable in environ.KEEP:
        monkeypatch.setenv(variable.name, "0")
    assert rows.trim_client(etl, other.world.client_id) == {}, "0 keeps everything"


def test_a_run_that_is_killed_leaves_the_rest_to_the_next(
    db: TestDatabase, etl: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    acme = Old(db, "acme")
    acme.age()
    run_stage(acme.world.conn, acme.world.client_id, "normalise")
    acme.world.compute(NOW + timedelta(hours=1))
    numbers = acme.numbers()
    monkeypatch.setattr(rows, "BATCH", 2)
    batches = 0

    @contextmanager
    def killed(conn: psycopg.Connection[Any], client_id: int) -> Iterator[psycopg.Connection[Any]]:
        nonlocal batches
        batches += 1
        with client_transaction(conn, client_id) as open_one:
            yield open_one
            if batches == 4:
                raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(rows, "client_transaction", killed)
        with pytest.raises(KeyboardInterrupt):
            rows.trim_client(etl, acme.world.client_id)
    assert rows.trim_client(etl, acme.world.client_id)
    assert rows.trim_client(etl, acme.world.client_id) == {}
    acme.world.compute(NOW + timedelta(hours=1), full=True)
    assert acme.numbers() == numbers


def test_what_belongs_to_no_number_goes_too(db: TestDatabase) -> None:
    admin = db.connect("pulse_admin", autocommit=True)
    client_id = db.add_client("acme")
    admin.execute(
        "insert into core.users (client_id, email, full_name, password_hash, role)"
        " values (%s, 'ada@acme.example', 'Ada', '', 'executive')",
        [client_id],
    )
    for age in (10, 40):
        admin.execute(
            "insert into core.user_sessions (client_id, user_id, token_hash, expires_at)"
            " select client_id, id, %s, now() - make_interval(days => %s) from core.users",
            [f"hash{age}", age],
        )
        admin.execute(
            "insert into core.alerts (client_id, kind, cause, begun_at, over_at, told_at, over_told_at)"
            " values (%s, 'late', 'x', now() - interval '1 year', now() - make_interval(days => %s), now(), now())",
            [client_id, age * 5],
        )
    admin.execute("insert into core.alerts (client_id, kind, cause) values (%s, 'late', 'still so')", [client_id])
    admin.execute("select audit.note('signed in', 'ada', '', null, 'old', now() - interval '2 years')")
    admin.execute("select audit.note('signed in', 'ada', '', null, 'new', now() - interval '360 days')")
    gone = rows.trim_shared(admin)
    assert gone == {"links": 0, "events of the audit": 1, "alerts": 1, "sessions": 1}
    assert admin.execute("select count(*) from core.alerts").fetchone() == (2,)
    assert rows.trim_shared(admin) == {"links": 0, "events of the audit": 0, "alerts": 0, "sessions": 0}


def test_a_table_with_many_dead_rows_is_vacuumed(db: TestDatabase) -> None:
    client_id = db.add_client("acme")
    etl = db.connect("pulse_etl", autocommit=True)
    if etl.info.server_version < 170000:
        assert rows.tidy_tables(etl) == []
        return
    with client_transaction(etl, client_id):
        etl.execute(
            "insert into core.dora_queue (client_id, fact, integration_id, key)"
            " select %s, 'commit', 1, n::text from generate_series(1, 12000) n",
            [client_id],
        )
        etl.execute("delete from core.dora_queue")
    etl.execute("select pg_stat_force_next_flush()")
    assert rows.tidy_tables(etl) == ["core.dora_queue"] or not _may_vacuum(etl)


def _may_vacuum(etl: psycopg.Connection[Any]) -> bool:
    return etl.execute("select has_table_privilege('core.dora_queue', 'MAINTAIN')").fetchone() == (True,)


def test_a_retention_is_a_week_or_more(monkeypatch: pytest.MonkeyPatch) -> None:
    for text, meaning in (("0", None), ("7", 7), ("", 180)):
        monkeypatch.setenv(environ.KEEP_RUNS.name, text)
        assert days(environ.KEEP_RUNS) == meaning
    for text in ("6", "-1"):
        monkeypatch.setenv(environ.KEEP_RUNS.name, text)
        with pytest.raises(ValueError, match=r"PULSE_KEEP_RUNS_DAYS is -?\d: give at least 7 days, or 0"):
            days(environ.KEEP_RUNS)


def test_old_log_files_go_and_nothing_else(tmp_path: Any) -> None:
    kept, old = [], []
    for name, age in (
        ("dag_id=pulse__acme/run_id=1/task_id=a/attempt=1.log", 40),
        ("dag_id=pulse__acme/run_id=2/task_id=a/attempt=1.log", 2),
        ("dag_processor/2026-01-01/clients/clients_0000.py.log", 40),
        ("other/old.log", 400),
        ("important.txt", 400),
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
        (old if age == 40 else kept).append(path)
        now = path.stat().st_mtime
        os.utime(path, (now - age * 86400, now - age * 86400))
    outside = tmp_path.parent / "outside.log"
    outside.write_text("x")
    os.utime(outside, (0, 0))
    (tmp_path / "dag_id=link").symlink_to(tmp_path.parent)
    assert trim_logs(tmp_path, 30) == 2
    assert all(path.exists() for path in (*kept, outside))
    assert not any(path.exists() for path in old)
    assert trim_logs(tmp_path, None) == 0


def test_a_backup_that_is_too_old_is_told_of_once(db: TestDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_PULSE_REPLICA", db.url("pulse_staff", replica=True))
    admin = db.connect("pulse_admin", autocommit=True)

    def found() -> list[str]:
        db.wait_replica()
        return [problem.cause for problem in backups.problems()]

    assert found() == [], "without clients there is nothing to back up"
    client_id = db.add_client("acme")
    assert found() == [], "the first backup may take its time"
    with db.cluster.primary.connect(database=db.name) as superuser:
        superuser.execute("update core.clients set created_at = now() - interval '3 days' where id = %s", [client_id])
    assert "No backup of primary is known" in found()[0]
    for server, age in (("primary", "1 hour"), ("meta", "3 days")):
        admin.execute("insert into core.backups values (%s, now() - %s::interval)", [server, age])
    assert "The newest backup of meta is of" in found()[0]

    for _ in range(2):
        alerts.note(admin, [], backups.problems())
    assert admin.execute("select kind, over_at is null from core.installation_alerts").fetchall() == [("backup", True)]
    begun = alerts._untold(admin, "told_at is null", "begun_at")
    [text] = alerts._paragraphs("", begun)
    assert text.startswith("the installation: backup\nThe newest backup of meta")
    assert "docs/runbook.md#backup" in text
    admin.execute("update core.backups set taken_at = now()")
    db.wait_replica()
    alerts.note(admin, [], backups.problems())
    assert admin.execute("select count(*) from core.installation_alerts where over_at is null").fetchone() == (0,)
    monkeypatch.setenv(environ.BACKUP_HOURS.name, "0")
    admin.execute("update core.backups set taken_at = now() - interval '1 year'")
    assert found() == []
