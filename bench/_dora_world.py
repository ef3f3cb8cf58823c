"""The world of `./pulse bench dora`, made by set-based SQL inside PostgreSQL: the clients' history, and what a day adds."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from psycopg import sql

from pulse.tenancy import ensure_client_role
from pulse.warehouse.connect import client_transaction
from tests.support.database import Connection, TestDatabase

FOLDER = Path(__file__).parent
REPOSITORIES, YEARS = 10, 3
GROWN = (
    "github_pull_requests",
    "github_commits",
    "github_pull_request_reviews",
    "github_deployments",
    "jira_issues",
    "jira_issue_changes",
    "jira_issue_links",
)


@dataclass(frozen=True)
class World:
    """How much there is, and until when: midnight (UTC) of the day that the benchmark runs."""

    clients: int
    per_repository: int
    until: datetime

    @classmethod
    def of(cls, clients: int, changes: int) -> World:
        """About so many changes in all."""
        midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return cls(clients, max(changes // (clients * REPOSITORIES), 20), midnight)

    @property
    def changes(self) -> int:
        return self.clients * REPOSITORIES * self.per_repository

    def place(self, conn: Connection, client_id: int = 0, more: int = 0) -> None:
        """Make the temporary table place: the whole history of all clients, or `more` changes of today of one."""
        begin = self.until if more else self.until - timedelta(days=365 * YEARS)
        settings: dict[str, object] = {
            "clients": self.clients,
            "client": client_id,
            "low": self.per_repository if more else 0,
            "high": self.per_repository + more,
            "from": begin.timestamp(),
            "until": datetime.now(UTC).timestamp() if more else self.until.timestamp(),
        }
        for name, value in settings.items():
            conn.execute("select set_config(%s, %s, false)", [f"bench.{name}", str(value)])
        conn.execute((FOLDER / "_dora_place.sql").read_text())


def statements() -> list[str]:
    """The statements of _dora_world.sql, in the order that foreign keys ask for."""
    return [part for part in (FOLDER / "_dora_world.sql").read_text().split(";\n") if part.strip()]


def generate(db: TestDatabase, world: World) -> float:
    """Insert everything, without triggers and foreign keys and two statements at a time; the seconds it took."""
    started = time.monotonic()
    with _superuser(db) as conn:
        world.place(conn)
        conn.execute((FOLDER / "_dora_clients.sql").read_text())
    with ThreadPoolExecutor(2) as pool:
        for _ in pool.map(lambda statement: _insert(db, world, statement), statements()):
            pass
    settle(db)
    return time.monotonic() - started


def _superuser(db: TestDatabase) -> Connection:
    conn = db.cluster.primary.connect(database=db.name)
    conn.execute("set session_replication_role = replica")
    conn.execute("set work_mem = '256MB'")
    return conn


def _insert(db: TestDatabase, world: World, statement: str) -> None:
    with _superuser(db) as conn:
        world.place(conn)
        conn.execute(statement.encode())


def add_commits(db: TestDatabase, clients: list[int]) -> int:
    """Three commits a pull request of these clients (of all they would fill the disk), for report.evidence_commits; rows."""
    with _superuser(db) as conn:
        return conn.execute(
            "insert into core.github_pull_request_commits (client_id, integration_id, pull_request_id, sha, position,"
            " authored_at, committed_at, headline)"
            " select client_id, integration_id, id, md5(id::text || n), n, first_authored_at, first_committed_at, title"
            " from core.github_pull_requests cross join generate_series(1, 3) n where client_id = any(%s)"
            " on conflict do nothing",
            [clients],
        ).rowcount


def settle(db: TestDatabase) -> None:
    """What autovacuum and a quiet moment would do: vacuum, statistics, a checkpoint, a replica that has caught up."""
    with db.cluster.primary.connect(database=db.name) as conn:
        conn.execute("set maintenance_work_mem = '512MB'")
        for schema in ("core", "raw"):
            tables = conn.execute("select relname from pg_stat_user_tables where schemaname = %s", [schema]).fetchall()
            for (table,) in tables:
                conn.execute(sql.SQL("vacuum (analyze) {}").format(sql.Identifier(schema, table)))
        conn.execute("checkpoint")
    caught_up(db)


def caught_up(db: TestDatabase) -> None:
    """Wait for the replica, if there is one."""
    if db.cluster.replica is not db.cluster.primary:
        db.wait_replica(3600)


def ensure_roles(db: TestDatabase, clients: list[int]) -> None:
    """The database logins of these clients."""
    with db.connect("pulse_admin") as admin:
        for client_id in clients:
            ensure_client_role(admin, client_id, active=True, secret=db.cluster.secret)
    caught_up(db)


def counts(db: TestDatabase) -> dict[str, int]:
    """Rows of the grown tables, as the statistics have them."""
    with db.cluster.primary.connect(database=db.name) as conn:
        rows = conn.execute(
            "select relname, greatest(reltuples, 0)::bigint from pg_class"
            " where relnamespace = 'core'::regnamespace and relname = any(%s)",
            [list(GROWN)],
        ).fetchall()
    return dict(rows)


def add_today(conn: Connection, world: World, client_id: int) -> dict[str, int]:
    """200 changes merged today, with commits and reviews, 40 deployments and 10 incidents; rows a table.

    `conn` is a new one of pulse_etl: what it makes temporarily goes with it.
    """
    written: dict[str, int] = {}
    with client_transaction(conn, client_id):
        world.place(conn, client_id, more=20)
        for statement in statements():
            rows = conn.execute(statement.encode()).rowcount
            names = re.findall(r"insert into core\.(\w+)", statement)
            written[names[-1]] = rows
    return written


def edit_old(conn: Connection, world: World, client_id: int, count: int = 200) -> int:
    """As pulse_etl: `count` old pull requests, spread over repositories and years, turn out to begin an hour earlier."""
    first = (client_id - 1) * REPOSITORIES
    ids: list[Any] = [
        (first + 1 + n % REPOSITORIES) * 10_000_000 + 1 + n * 7919 % world.per_repository for n in range(count)
    ]
    with client_transaction(conn, client_id):
        return conn.execute(
            "update core.github_pull_requests set first_authored_at = first_authored_at - interval '1 hour'"
            " where client_id = %s and integration_id = %s and id = any(%s)",
            [client_id, 2 * client_id - 1, ids],
        ).rowcount
