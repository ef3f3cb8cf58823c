"""PgBouncer before the replica: each client's login has connections of its own, and nothing passes from one to another."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pulse.tenancy import POOLER_ROLE, client_role, role_password
from stack.install.tools import find, libraries
from stack.postgres import roles
from stack.postgres.cluster import Cluster
from stack.postgres.server import Server
from tests.support.database import TEMPLATE, TestDatabase
from tests.support.rows import fill_every_table
from tests.support.servers import free_port

SETTINGS = """\
[databases]
{database} = host={host} port={port} dbname={database}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own_port}
unix_socket_dir =
auth_type = scram-sha-256
auth_user = {pooler}
auth_file = users.txt
auth_query = select name, verifier from pulse_pooler.login($1)
pool_mode = {mode}
default_pool_size = 1
ignore_startup_parameters = extra_float_digits
"""
World = tuple[TestDatabase, tuple[int, int]]


@pytest.fixture(scope="module")
def world(cluster: Cluster) -> Iterator[World]:
    """Two clients with a row in every table, readable on the replica."""
    with TestDatabase.clone(cluster, TEMPLATE) as db:
        ids = (db.add_client("techcorp", "TechCorp"), db.add_client("acme", "Acme"))
        fill_every_table(db, ids)
        # PgBouncer 1.18, which Debian 12 has, asks in the client's database; later ones can ask in `postgres`.
        with db.cluster.primary.connect(database=db.name) as superuser:
            superuser.execute((roles.BOOTSTRAP / "pooler.sql").read_text())
        db.wait_replica()
        yield db, ids


@pytest.fixture(scope="module", params=["session", "transaction"])
def pooled(request: pytest.FixtureRequest, world: World) -> Iterator[int]:
    """The port of a PgBouncer that has one connection for each login."""
    db, _ = world
    replica, account, port = db.cluster.replica, db.cluster.account, free_port()
    program = find("pgbouncer")
    assert program, "PgBouncer is missing: ./pulse test fetches it where apt-get works"
    values = {"database": db.name, "host": replica.host, "port": replica.port, "own_port": port}
    values |= {"pooler": POOLER_ROLE, "mode": request.param}
    # It refuses to run as root, so its folder is one that the servers' account reaches.
    with tempfile.TemporaryDirectory() as name, _let_in(db, replica):
        folder = Path(name)
        (folder / "users.txt").write_text(f'"{POOLER_ROLE}" "{db.cluster.secrets.password(POOLER_ROLE)}"\n')
        (folder / "settings.ini").write_text(SETTINGS.format(**values))
        shutil.copy(program, folder / "pgbouncer")
        for library in libraries():
            shutil.copy(library, folder)
        for path in (folder, *folder.iterdir()):
            account.own(path)
        arguments = account.popen_arguments() | {"cwd": folder}
        arguments["env"]["LD_LIBRARY_PATH"] = name
        with subprocess.Popen(["./pgbouncer", "-q", "settings.ini"], stderr=subprocess.PIPE, **arguments) as process:
            try:
                _wait(port, process)
                yield port
            finally:
                process.terminate()


@contextlib.contextmanager
def _let_in(db: TestDatabase, replica: Server) -> Iterator[None]:
    """Let PgBouncer's login into the test's database, not only into `postgres`."""
    file = replica.data / "pg_hba.conf"
    before = file.read_text()
    with replica.connect() as superuser:
        file.write_text(f"host {db.name} {POOLER_ROLE} 127.0.0.1/32 scram-sha-256\n{before}")
        superuser.execute("select pg_reload_conf()")
        yield
        file.write_text(before)
        superuser.execute("select pg_reload_conf()")


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            psycopg.connect(host="127.0.0.1", port=port, user="nobody", dbname="none", connect_timeout=2).close()
        except psycopg.OperationalError as error:
            if "Connection refused" not in str(error):
                return
        assert process.poll() is None, process.stderr and process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def log_in(world: World, port: int, login: str, password: str | None = None, **options: Any) -> psycopg.Connection[Any]:
    """A connection as Superset makes one, through PgBouncer. Closed by whoever uses it."""
    db, _ = world
    password = password or role_password(db.cluster.secrets.readers, login)
    return psycopg.connect(
        host="127.0.0.1",
        port=port,
        user=login,
        password=password,
        dbname=db.name,
        connect_timeout=5,
        autocommit=True,
        prepare_threshold=None,
        application_name="pulse superset",
        **options,
    )


def test_the_login_of_pgbouncer_reads_verifiers_of_readers_and_nothing_else(world: World) -> None:
    db, (own, _) = world
    replica, primary = db.cluster.replica, db.cluster.primary
    with replica.connect(POOLER_ROLE, "postgres") as pooler:
        for login in (client_role(own), "pulse_staff", "pulse_auth", "pulse_nobody"):
            ((name, verifier),) = pooler.execute("select * from pulse_pooler.login(%s)", [login]).fetchall()
            assert name == login
            assert verifier.startswith("SCRAM-SHA-256$")
        for login in (
            "postgres",
            "pulse_owner",
            "pulse_etl",
            "pulse_admin",
            "pulse_ingest",
            POOLER_ROLE,
            "x' or true --",
        ):
            assert pooler.execute("select * from pulse_pooler.login(%s)", [login]).fetchall() == []
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            pooler.execute("select rolpassword from pg_authid")
    for server, database in (
        (replica, db.name),
        (replica, "pulse_template"),
        (primary, "postgres"),
        (primary, db.name),
    ):
        with pytest.raises(psycopg.OperationalError, match=r"pg_hba\.conf|permission denied"):
            server.connect(POOLER_ROLE, database)
    with pytest.raises(psycopg.Error), db.connect("pulse_staff", replica=True) as staff:
        staff.execute("select * from pulse_pooler.login('pulse_staff')")


def test_each_login_sees_its_own_rows(world: World, pooled: int) -> None:
    _, ids = world
    for _ in range(3):  # by connections that were used before
        for client in ids:
            with log_in(world, pooled, client_role(client)) as connection:
                found = connection.execute(
                    "select session_user, current_user, min(client_id), max(client_id) from core.changes"
                )
                assert found.fetchone() == (client_role(client), client_role(client), client, client)
    with log_in(world, pooled, "pulse_staff") as staff:
        assert {row[0] for row in staff.execute("select client_id from core.changes")} == set(ids)


def test_connections_are_kept_and_never_change_hands(world: World, pooled: int) -> None:
    _, ids = world
    processes: dict[int, set[int]] = {client: set() for client in ids}
    for _ in range(4):
        for client in ids:
            with log_in(world, pooled, client_role(client)) as connection:
                row = connection.execute("select pg_backend_pid()").fetchone()
                assert row is not None
                processes[client].add(row[0])
    first, second = processes.values()
    assert len(first) == len(second) == 1, "they are used again"
    assert not first & second


def test_what_a_session_sets_is_within_its_login(world: World, pooled: int) -> None:
    """Who lifts a limit, or names another client, gets no other rows; the other client's sessions do not notice."""
    _, (own, other) = world
    with log_in(world, pooled, client_role(own)) as hostile:
        hostile.execute(f"set pulse.client_id = '{other}'")
        hostile.execute("set statement_timeout = 0")
        with contextlib.suppress(psycopg.Error):
            hostile.execute("set row_security = off")
        with contextlib.suppress(psycopg.Error):
            assert {row[0] for row in hostile.execute("select client_id from core.changes")} <= {own}
        with pytest.raises(psycopg.Error):
            hostile.execute(f"set session authorization {client_role(other)}")
        with pytest.raises(psycopg.Error):
            hostile.execute(f"set role {client_role(other)}")
    with log_in(world, pooled, client_role(other)) as victim:
        assert {row[0] for row in victim.execute("select client_id from core.changes")} == {other}
        assert victim.execute("show statement_timeout").fetchone() == ("30s",)


def test_wrong_passwords_and_logins_that_write_are_refused(world: World, pooled: int) -> None:
    db, (own, other) = world
    secrets = db.cluster.secrets
    refused = [
        (client_role(own), "wrong"),
        (client_role(own), secrets.password(client_role(other))),
        *((login, secrets.password(login)) for login in ("postgres", "pulse_owner", "pulse_etl", "pulse_admin")),
        ("pulse_client_999999", "wrong"),
    ]
    for login, password in refused:
        with pytest.raises(psycopg.OperationalError):
            log_in(world, pooled, login, password)


def test_a_client_that_is_no_longer_active_does_not_get_in(world: World, pooled: int) -> None:
    db, _ = world
    gone = db.add_client(f"gone{pooled}", "Gone", active=False)
    db.wait_replica()
    with pytest.raises(psycopg.OperationalError):
        log_in(world, pooled, client_role(gone))
