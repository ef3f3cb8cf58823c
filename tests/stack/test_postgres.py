"""The embedded servers: made once, found again, repaired after a crash, run by whoever may run them."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from pulse.tenancy import RoleSecrets, ensure_client_role, role_password, scram_verifier, verifier_matches
from stack.ports import StackPorts
from stack.postgres import config as postgres_config
from stack.postgres import roles as postgres_roles
from stack.postgres.account import Account, PostgresError
from stack.postgres.cluster import SLOT, Cluster
from tests.support.database import wait_replayed
from tests.support.servers import free_port, running, stop

SECRET = "secret-of-these-tests"


@pytest.fixture
def state() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="pulse-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def new_cluster(state: Path, secret: str = SECRET, readers: str = "secret of the readers") -> Cluster:
    return Cluster(
        state, RoleSecrets(secret, readers), StackPorts(free_port(), free_port(), free_port()), durable=False
    )


@contextlib.contextmanager
def primary_of(cluster: Cluster) -> Iterator[None]:
    cluster.prepare(cluster.primary)
    with running(cluster.primary, cluster.state / "primary.log"):
        postgres_roles.bootstrap_primary(cluster)
        yield


def count(cluster: Cluster, *, replica: bool = False) -> int:
    server = cluster.replica if replica else cluster.primary
    with server.connect() as connection:
        row = connection.execute("select count(*) from kept").fetchone()
    assert row is not None
    return int(row[0])


def keep_a_row(cluster: Cluster) -> None:
    with cluster.primary.connect() as connection:
        connection.execute("create table if not exists kept (a integer)")
        connection.execute("insert into kept values (1)")


def test_a_second_start_finds_the_data_as_it_was(state: Path) -> None:
    first = new_cluster(state)
    assert first.prepare(first.primary) is True
    with primary_of(first):
        keep_a_row(first)
    again = new_cluster(state)
    assert again.prepare(again.primary) is False
    with primary_of(again):
        assert count(again) == 1


def test_an_interrupted_initdb_is_done_again(state: Path) -> None:
    cluster = new_cluster(state)
    half = cluster.home / "primary.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    assert cluster.prepare(cluster.primary) is True
    assert not half.exists()
    with primary_of(cluster):
        keep_a_row(cluster)


def test_foreign_files_are_not_deleted(state: Path) -> None:
    cluster = new_cluster(state)
    cluster.primary.data.mkdir()
    cluster.account.own(cluster.primary.data)
    (cluster.primary.data / "thesis.txt").write_text("mine")
    with pytest.raises(PostgresError, match="holds files but no PostgreSQL data"):
        cluster.prepare(cluster.primary)
    assert (cluster.primary.data / "thesis.txt").read_text() == "mine"


def test_the_replica_is_built_once_and_follows(state: Path) -> None:
    cluster = new_cluster(state)
    half = cluster.home / "replica.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    with primary_of(cluster):
        assert cluster.prepare_replica() == "there is no replica yet"
        assert cluster.prepare_replica() is None
        with running(cluster.replica, state / "replica.log"):
            keep_a_row(cluster)
            wait_until_replayed(cluster)
            assert count(cluster, replica=True) == 1
            assert cluster.replication_problem() is None
            assert cluster.prepare_replica() is None
            with cluster.replica.connect() as replica, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                replica.execute("insert into kept values (2)")


def wait_until_replayed(cluster: Cluster) -> None:
    with cluster.primary.connect() as primary, cluster.replica.connect() as replica:
        wait_replayed(primary, replica, 20)


def test_a_replica_whose_slot_is_gone_is_rebuilt(state: Path) -> None:
    cluster = new_cluster(state)
    with primary_of(cluster):
        cluster.prepare_replica()
        with cluster.primary.connect() as primary:
            primary.execute("select pg_drop_replication_slot(%s)", [SLOT])
        keep_a_row(cluster)
        assert cluster.prepare_replica() == "its replication slot is gone"
        with running(cluster.replica, state / "replica.log"):
            assert count(cluster, replica=True) == 1
            with cluster.primary.connect() as primary:
                primary.execute("select pg_drop_replication_slot(slot_name) from pg_replication_slots where not active")


def test_a_replica_of_another_primary_is_rebuilt(state: Path) -> None:
    cluster = new_cluster(state)
    with primary_of(cluster):
        cluster.prepare_replica()
    shutil.rmtree(cluster.primary.data)
    with primary_of(cluster):
        assert cluster.prepare_replica() == "it belongs to another primary"


def test_a_running_replica_is_not_rebuilt_under_its_feet(state: Path) -> None:
    cluster = new_cluster(state)
    with primary_of(cluster):
        cluster.prepare_replica()
        with running(cluster.replica, state / "replica.log"):
            (cluster.replica.data / "standby.signal").unlink()
            with pytest.raises(PostgresError, match="stop it first"):
                cluster.prepare_replica()


def test_a_killed_server_starts_again(state: Path) -> None:
    cluster = new_cluster(state)
    with primary_of(cluster):
        keep_a_row(cluster)
        pid = cluster.primary.pid()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
    assert cluster.primary.pid() is None
    with primary_of(cluster):
        assert count(cluster) == 1


def test_a_lost_secret_is_named(state: Path) -> None:
    with primary_of(new_cluster(state)):
        pass
    other = new_cluster(state, "another secret")
    other.prepare(other.primary)
    with (
        pytest.raises(PostgresError, match="made with another PULSE_ROLE_SECRET"),
        running(other.primary, state / "primary.log"),
    ):
        pass


def test_an_end_at_the_start_is_named(state: Path) -> None:
    cluster = new_cluster(state)
    cluster.prepare(cluster.primary)
    (cluster.primary.data / "postgresql.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(PostgresError, match="ended with exit code"), running(cluster.primary, state / "primary.log"):
        pass


def test_nothing_is_deleted_while_a_server_runs(state: Path) -> None:
    cluster = new_cluster(state)
    with primary_of(cluster):
        with pytest.raises(PostgresError, match="is running"):
            cluster.remove()
        stop(cluster.primary)
        assert cluster.primary.pid() is None
        cluster.remove()
    assert not cluster.home.exists()


def test_meta_databases_are_closed_to_each_other(state: Path) -> None:
    cluster = new_cluster(state)
    cluster.prepare(cluster.meta)
    with running(cluster.meta, state / "meta.log"):
        postgres_roles.bootstrap_meta(cluster)
        postgres_roles.bootstrap_meta(cluster)
        with cluster.meta.connect("airflow", "airflow") as airflow:
            airflow.execute("create table mine (a integer)")
        for role, database in (("airflow", "superset"), ("superset", "airflow"), ("airflow", "postgres")):
            with pytest.raises(psycopg.OperationalError, match="pg_hba"):
                cluster.meta.connect(role, database)


def test_a_new_secret_reaches_every_role(state: Path) -> None:
    cluster = new_cluster(state)
    with primary_of(cluster):
        postgres_roles.migrate(cluster)
        postgres_roles.secure_roles(cluster)
        with cluster.primary.connect() as superuser:
            superuser.execute("alter role pulse_etl password 'guessed'")
            postgres_roles.secure_roles(cluster)
        with cluster.primary.connect("pulse_etl", "pulse") as etl:
            assert etl.execute("select session_user").fetchone() == ("pulse_etl",)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the servers as another account")
def test_root_may_keep_the_state_where_nobody_else_looks(state: Path) -> None:
    """As in a clone under /root: neither the data nor the binaries can stay there."""
    state.chmod(0o700)
    cluster = new_cluster(state)
    try:
        with primary_of(cluster):
            keep_a_row(cluster)
            assert (state / "postgres").is_symlink()
            assert cluster.home.parent == Path("/var/lib")
        again = new_cluster(state)
        assert again.home == cluster.home
        with primary_of(again):
            assert count(again) == 1
    finally:
        cluster.remove()
    assert not cluster.home.exists()
    assert not (state / "postgres").is_symlink()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the servers as another account")
def test_binaries_out_of_reach_are_copied(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from stack.postgres import cluster as postgres

    package = postgres.find_binaries().parent.parent
    hidden = state / "venv"
    shutil.copytree(package / "pginstall18", hidden / package.name / "pginstall18")
    shutil.copytree(package.with_suffix(".libs"), hidden / package.with_suffix(".libs").name)
    hidden.chmod(0o700)
    monkeypatch.setattr(postgres, "find_binaries", lambda: hidden / package.name / "pginstall18" / "bin")
    cluster = new_cluster(state)
    assert cluster.binaries.is_relative_to(cluster.home)
    with primary_of(cluster):
        keep_a_row(cluster)
    assert new_cluster(state).binaries == cluster.binaries


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be given away to another account")
def test_root_never_runs_the_servers(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Account.choose(state).uid != 0
    monkeypatch.setenv("PULSE_POSTGRES_USER", "no_such_account")
    with pytest.raises(PostgresError, match="PULSE_POSTGRES_USER"):
        Account.choose(state)
    monkeypatch.setenv("PULSE_POSTGRES_USER", "root")
    with pytest.raises(PostgresError, match="cannot run as root"):
        Account.choose(state)


def archive(state: Path, name: str, content: bytes, keep_mb: int = 100) -> subprocess.CompletedProcess[str]:
    folder = state / "archive"
    folder.mkdir(exist_ok=True)
    (state / "segment").write_bytes(content)
    command = ["sh", str(postgres_config.ARCHIVE_SCRIPT), str(state / "segment"), name, str(folder), str(keep_mb)]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def archived(state: Path, name: str = "000000010000000000000001") -> bytes:
    return gzip.decompress((state / "archive" / f"{name}.gz").read_bytes())


def test_the_archive_is_bounded_and_says_what_it_drops(state: Path) -> None:
    content = os.urandom(900 << 10)
    said = [archive(state, f"00000001000000000000000{n}", content, keep_mb=3) for n in range(5)]
    assert [done.returncode for done in said] == [0] * 5
    left = sorted(path.name[23] for path in (state / "archive").iterdir())
    assert left[-1] == "4"
    assert 1 <= len(left) <= 3
    assert "removed the oldest: 000000010000000000000000" in "".join(done.stderr for done in said)


def test_an_archived_segment_is_never_overwritten(state: Path) -> None:
    assert archive(state, "000000010000000000000001", b"first").returncode == 0
    assert archive(state, "000000010000000000000001", b"first").returncode == 0
    assert archive(state, "000000010000000000000001", b"other").returncode == 1
    assert archived(state) == b"first"


def test_a_crash_while_archiving_does_not_stop_it_for_good(state: Path) -> None:
    (state / "archive").mkdir()
    (state / "archive" / "000000010000000000000001.gz.part").write_bytes(b"fi")
    assert archive(state, "000000010000000000000001", b"first").returncode == 0
    assert archived(state) == b"first"


def test_verifiers_are_postgresqls_own() -> None:
    """RFC 7677's example: user `user`, password `pencil`."""
    import base64

    verifier = scram_verifier("pencil", base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="))
    assert verifier == (
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
        "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
    )
    assert verifier_matches(verifier, "pencil")
    assert not verifier_matches(verifier, "pencils")
    assert not verifier_matches(None, "pencil")
    with pytest.raises(ValueError, match="the secret from which database passwords are derived is empty"):
        role_password("", "pulse_etl")


def test_who_can_read_can_derive_no_password_that_writes() -> None:
    secrets, again = RoleSecrets("one", "readers"), RoleSecrets("another", "readers")
    for role in ("pulse_client_7", "pulse_staff", "pulse_auth", "pulse_nobody"):
        assert secrets.password(role) == again.password(role) == role_password("readers", role)
    for role in ("postgres", "pulse_owner", "pulse_etl", "pulse_admin", "pulse_replication", "airflow", "superset"):
        assert secrets.password(role) != again.password(role)
        assert secrets.password(role) != role_password("readers", role)
    assert "readers" not in repr(secrets)


def test_an_installation_with_one_secret_gets_two(state: Path) -> None:
    """After the update the clients' logins have other passwords; the owner's stays."""
    cluster = new_cluster(state, SECRET, SECRET)
    with primary_of(cluster):
        postgres_roles.migrate(cluster)
        postgres_roles.secure_roles(cluster)
        with psycopg.connect(cluster.primary.url("pulse_owner")) as owner:
            owner.execute("insert into core.clients (slug, name, spec_hash) values ('acme', 'Acme', '')")
        with psycopg.connect(cluster.primary.url("pulse_admin")) as admin:
            ensure_client_role(admin, 1, active=True, secret=SECRET)
        cluster.secrets = RoleSecrets(SECRET, "secret of the readers")
        cluster.primary = dataclasses.replace(cluster.primary, secrets=cluster.secrets)
        postgres_roles.secure_roles(cluster)
        with cluster.primary.connect() as superuser:
            rows = superuser.execute("select rolname, rolpassword from pg_authid where rolpassword is not null")
            stored = dict(rows.fetchall())
    for role in ("pulse_client_1", "pulse_staff", "pulse_auth"):
        assert verifier_matches(stored[role], role_password("secret of the readers", role))
        assert not verifier_matches(stored[role], role_password(SECRET, role))
    for role in ("postgres", "pulse_owner", "pulse_etl", "pulse_admin"):
        assert verifier_matches(stored[role], role_password(SECRET, role))
