"""A client's life by ./pulse client: added, checked, renamed, disabled, and purged until nothing of it can be found.

The tests of this module run in order and share one client.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests
from psycopg import sql

from pulse import environ
from sandbox.demo import password_hash
from stack.context import existing_stack
from stack.secret_file import load_secrets
from tests.conftest import ROOT
from tests.support.airflow_api import AirflowApi, wait_for
from tests.support.stack import database, wait_replica
from tests.support.superset_api import SupersetSession


@dataclass
class Marked:
    """A client all of whose texts hold a mark that is nowhere else."""

    mark: str
    sandbox: str
    folder: Path
    password: str = field(default_factory=lambda: secrets.token_urlsafe(16))

    @property
    def slug(self) -> str:
        return f"a{self.mark}"

    @property
    def new(self) -> str:
        return f"b{self.mark}"

    @property
    def email(self) -> str:
        return f"ceo@{self.mark}.example"

    def file(self, **changes: Any) -> str:
        spec: dict[str, Any] = {
            "name": f"Company {self.mark}",
            "schedule_minutes": 1440,
            "users": [{"email": self.email, "name": f"Chief {self.mark}", "scrypt": password_hash(self.password)}],
            "integrations": [
                {
                    "type": "github",
                    "base_url": f"{self.sandbox}/github",
                    "organization": "acme",
                    "repositories": ["acme/billing"],
                    "connection": "github__acme",
                    "workflow_runs": False,
                },
                {"type": "jira", "base_url": f"{self.sandbox}/jira/acme", "active": False},
            ],
            **changes,
        }
        path = self.folder / "client.json"
        path.write_text(json.dumps(spec))
        return str(path)


@pytest.fixture(scope="module")
def client(stack: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Marked]:
    made = Marked(f"mk{secrets.token_hex(5)}", stack["addresses"]["sandbox"], tmp_path_factory.mktemp("client"))
    yield made
    for slug in (made.slug, made.new):
        pulse("disable", slug)


def pulse(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ROOT / "pulse"), "client", *arguments], capture_output=True, text=True, timeout=180, check=False
    )


def when_nothing_runs(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command that refuses while sync_clients runs, as it does every few minutes."""

    def done() -> subprocess.CompletedProcess[str] | None:
        found = pulse(*arguments)
        return None if "is under way: nothing was changed" in found.stderr else found

    return wait_for("no run of sync_clients", done, 240, every=5)


def quiet(airflow: AirflowApi, *dags: str) -> None:
    """Wait until nothing runs."""
    for dag in dags:
        wait_for(
            f"{dag} to end",
            lambda dag=dag: all(  # type: ignore[misc]
                run["state"] not in ("running", "queued")
                for run in (airflow.get(f"dags/{dag}/dagRuns", limit=20, order_by="-run_after")["dag_runs"])
            ),
            240,
            every=1,
        )


def client_id(stack: dict[str, Any], slug: str) -> int | None:
    with database(stack, "pulse_admin") as conn:
        row = conn.execute("select id from core.clients where slug = %s", [slug]).fetchone()
    return int(row[0]) if row else None


def test_nothing_is_added_while_a_source_cannot_be_read(client: Marked, airflow: AirflowApi) -> None:
    refused = pulse("add", client.slug, client.file(time_zone="Mars", schedule_minutes=0))
    assert refused.returncode == 1
    assert "time_zone: 'Mars' is not an IANA time zone" in refused.stderr
    assert "schedule_minutes: must be a whole number" in refused.stderr
    refused = pulse("add", client.slug, client.file())
    assert refused.returncode == 1
    assert f"the Connection jira__{client.slug} does not exist" in refused.stdout
    assert airflow.call("GET", f"variables/pulse_client_{client.slug}").status_code == 404


def test_a_client_is_added_like_by_hand(stack: dict[str, Any], client: Marked, airflow: AirflowApi) -> None:
    airflow.set_connection(f"jira__{client.slug}", login="pulse@acme.example", password="jira_sandbox_acme")
    added = pulse("add", client.slug, client.file())
    assert added.returncode == 0, added.stderr
    assert "repositories are selected" in added.stdout
    wait_for("its DAG", lambda: f"pulse__{client.slug}" in airflow.active_dags(), 120)
    run = wait_for("its first run", lambda: airflow.latest_run(f"pulse__{client.slug}"), 60)
    assert airflow.wait_run(f"pulse__{client.slug}", run["dag_run_id"], 420) == "success"
    assert client.slug in pulse("list").stdout
    assert pulse("check", client.slug).returncode == 0
    assert "there is a client" in pulse("add", client.slug, client.file()).stderr


def test_a_renamed_client_keeps_rows_logins_and_connections(
    stack: dict[str, Any], client: Marked, airflow: AirflowApi
) -> None:
    session = SupersetSession(stack["addresses"]["superset"], client.email, client.password)
    assert session.call("GET", "superset/dashboard/executive-overview/").status_code == 200
    number = client_id(stack, client.slug)
    quiet(airflow, "sync_clients", f"pulse__{client.slug}")
    renamed = when_nothing_runs("rename", client.slug, client.new)
    assert renamed.returncode == 0, renamed.stderr
    quiet(airflow, "sync_clients")
    assert client_id(stack, client.slug) is None
    assert client_id(stack, client.new) == number
    with database(stack, "pulse_admin") as conn:
        rows = conn.execute("select connection_id from core.integrations where client_id = %s order by 1", [number])
        assert [row[0] for row in rows] == ["github__acme", f"jira__{client.new}"]
        assert conn.execute("select active from core.clients where id = %s", [number]).fetchone() == (True,)
    wait_for("the new DAG", lambda: f"pulse__{client.new}" in airflow.active_dags(), 60)
    wait_for("the old DAG to go", lambda: f"pulse__{client.slug}" not in airflow.active_dags(), 60)
    assert session.call("GET", "api/v1/me/").status_code == 200, "the session goes on"
    assert pulse("check", client.new).returncode == 0, "the token is in the Connection of the new name"
    assert "there is no Variable" in pulse("rename", client.slug, "c" + client.mark).stderr
    assert "choose another slug" in pulse("rename", client.new, "secretlab").stderr


def test_a_person_is_erased_and_a_run_does_not_bring_the_name_back(
    stack: dict[str, Any], client: Marked, airflow: AirflowApi, tmp_path: Path
) -> None:
    number = client_id(stack, client.new)
    authors = (
        "select author_login, count(*) from core.pull_requests where client_id = %s and not author_is_bot"
        " group by 1 order by 2 desc, 1"
    )
    with database(stack, "pulse_owner") as conn:
        before = conn.execute(authors, [number]).fetchall()
    login = before[0][0]
    assert "say who it is" in pulse("erase-person", client.new).stderr
    dry = pulse("erase-person", client.new, f"--login={login}", f"--was={client.slug}")
    assert dry.returncode == 0, dry.stderr
    assert "Nothing was changed" in dry.stdout
    assert "pulse: raw.github_pull_requests" in dry.stdout
    quiet(airflow, "sync_clients", f"pulse__{client.new}")
    file = tmp_path / "erased.json"
    done = when_nothing_runs(
        "erase-person", client.new, f"--login={login}", f"--was={client.slug}", "--yes", f"--report={file}"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Nothing is left" in done.stdout
    report = json.loads(file.read_text())
    assert report["left"] == {}
    assert login not in file.read_text()
    run = airflow.trigger(f"pulse__{client.new}", recompute=True)
    assert airflow.wait_run(f"pulse__{client.new}", run, 420) == "success"
    with database(stack, "pulse_owner") as conn:
        after = conn.execute(authors, [number]).fetchall()
    assert [count for _, count in after] == [count for _, count in before]
    assert login not in dict(after)


def test_an_active_client_is_not_purged(client: Marked) -> None:
    refused = pulse("purge", client.new, "--yes")
    assert refused.returncode == 1
    assert f"./pulse client disable {client.new} first" in refused.stderr


def test_a_purged_client_is_nowhere(stack: dict[str, Any], client: Marked, airflow: AirflowApi, tmp_path: Path) -> None:
    number = client_id(stack, client.new)
    assert pulse("disable", client.new).returncode == 0
    quiet(airflow, "sync_clients", f"pulse__{client.new}")
    dry = pulse("purge", client.new, "--was", client.slug)
    assert dry.returncode == 0, dry.stderr
    assert "Nothing was removed" in dry.stdout
    for place in (
        "pulse: core.users",
        "airflow: variable",
        "airflow: connection",
        "superset: ab_user",
        "file airflow/",
    ):
        assert place in dry.stdout, dry.stdout
    assert client_id(stack, client.new) == number

    file = tmp_path / "report.json"
    search = [f"--was={client.slug}", *(f"--search={text}" for text in (client.mark, f"{client.mark}.example"))]
    purged = when_nothing_runs("purge", client.new, "--yes", *search, f"--report={file}")
    assert purged.returncode == 0, purged.stdout + purged.stderr
    assert "Nothing is left" in purged.stdout
    assert "write-ahead log and the backups" in purged.stdout

    report = json.loads(file.read_text())
    signature = report.pop("signature")
    secret = load_secrets(environ.STATE.get())["PULSE_ROLE_SECRET"].encode()
    assert signature == hmac.new(secret, json.dumps(report, sort_keys=True).encode(), hashlib.sha256).hexdigest()
    assert report["left"] == {}
    assert report["removed"]["pulse: core.users"] == 1

    assert traces_of(client.mark) == [], "an independent search, also for parts of words"
    with database(stack, "pulse_admin") as conn:
        assert conn.execute("select from pg_roles where rolname = %s", [f"pulse_client_{number}"]).fetchone() is None
    wait_replica(stack)
    with database(stack, "pulse_staff", replica=True) as conn:
        assert conn.execute("select from core.changes where client_id = %s limit 1", [number]).fetchone() is None
    with pytest.raises(requests.HTTPError):
        SupersetSession(stack["addresses"]["superset"], client.email, client.password)
    assert airflow.call("GET", "connections/github__acme").status_code == 200, "another client's Connection stays"
    assert client_id(stack, client.new) is None


def traces_of(mark: str) -> list[str]:
    """Every table and file in which the mark stands, in any form. Written apart from what is tested."""
    made = existing_stack()
    assert made is not None
    found = []
    for server, name in (
        (made.cluster.primary, "pulse"),
        (made.cluster.meta, "airflow"),
        (made.cluster.meta, "superset"),
    ):
        with server.connect(database=name) as conn:
            found += [f"{name}.{table}" for table in _tables_with(conn, mark)]
    for path in made.state.rglob("*"):
        parts = path.relative_to(made.state).parts
        if parts[0] in ("postgres", "venv", "test", "backups") or not path.is_file():
            continue
        if mark in str(path) or mark.encode() in path.read_bytes():
            found.append(str(path))
    return found


def _tables_with(conn: psycopg.Connection[Any], mark: str) -> Iterator[str]:
    rows = conn.execute(
        "select schemaname, tablename from pg_tables where schemaname not in ('pg_catalog', 'information_schema')"
    ).fetchall()
    for schema, table in rows:
        name = sql.Identifier(schema, table)
        query = sql.SQL("select count(*) from {} t where position(%s in t::text) > 0 or position(%s in t::text) > 0")
        hexed = mark.encode().hex()
        row = conn.execute(query.format(name), [mark, hexed]).fetchone()
        if row and row[0]:
            yield f"{schema}.{table}"
