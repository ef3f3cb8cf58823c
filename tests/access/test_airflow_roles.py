"""What the data team may do in Airflow, over HTTP against a real api-server, with each of the two auth managers."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from pulse.maintenance import airflow as airflows
from stack.paths import AIRFLOW_VENV
from tests.conftest import ROOT
from tests.support.servers import free_port

PASSWORDS = {"admin": "admin-password-of-the-test", "data_team": "data-team-password-of-the-test"}
METRICS_TOKEN = "metrics-token-of-the-test"
WEBHOOK_SECRET = "webhook-secret-of-the-test"
# The first is the one that a test asks for alone: pytest orders by place, and a server takes half a minute to start.
MANAGERS = {"fab": "pulse.access.fab.FabAccess", "simple": "pulse.access.simple.SimpleAccess"}
# What the data team may change, and reading routes that are a POST or that anybody may call.
ALLOWED = {
    ("POST", "/api/v2/dags/{dag_id}/dagRuns"),
    ("POST", "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/clear"),
    ("POST", "/api/v2/dags/{dag_id}/clearDagRuns"),
    ("POST", "/api/v2/dags/{dag_id}/clearTaskInstances"),
    ("POST", "/api/v2/dags/{dag_id}/dagRuns/list"),
    ("POST", "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/list"),
    ("POST", "/api/v2/dags/{dag_id}/favorite"),
    ("POST", "/api/v2/dags/{dag_id}/unfavorite"),
}
# Nothing of these may be read either.
UNREADABLE = re.compile(r"/api/v2/(variables|connections|config|eventLogs)(/|$)")


DAG = """
from datetime import datetime, timedelta
from airflow.sdk import dag, task

@dag(schedule=timedelta(days=1), start_date=datetime(2024, 1, 1), catchup=False)
def one():
    @task
    def step():
        return 1
    step()

one()
"""


@dataclass
class Server:
    """An api-server, and the tokens of its two accounts."""

    url: str
    manager: str
    tokens: dict[str, str]
    home: Path

    def call(self, who: str, method: str, path: str, **kwargs: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.tokens[who]}"}
        return requests.request(method, f"{self.url}{path}", headers=headers, timeout=60, **kwargs)


@pytest.fixture(scope="module")
def metadata(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Airflow's database with the DAGs, and with the tables of both managers: FAB has some of its own."""
    home = tmp_path_factory.mktemp("metadata")
    env = environment(home, MANAGERS["fab"], 0)
    run([str(AIRFLOW_VENV / "bin" / "airflow"), "db", "migrate"], env)
    run([str(AIRFLOW_VENV / "bin" / "airflow"), "dags", "reserialize"], env)
    return home / "airflow.db"


@pytest.fixture(scope="module", params=MANAGERS)
def server(
    request: pytest.FixtureRequest, metadata: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    home = tmp_path_factory.mktemp(request.param)
    port = free_port()
    env = environment(home, MANAGERS[request.param], port)
    shutil.copy(metadata, home / "airflow.db")
    if request.param == "fab":
        run([str(AIRFLOW_VENV / "bin" / "python"), "-m", "pulse.access.fab"], env)
    with (home / "server.log").open("w") as log:
        process = subprocess.Popen(
            [
                str(AIRFLOW_VENV / "bin" / "airflow"),
                "api-server",
                "--host",
                "127.0.0.1",
                "--port",
                str(port),
                "--proxy-headers",
            ],
            env=env,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(url, process, home / "server.log")
        yield Server(url, request.param, {who: token(url, who) for who in PASSWORDS}, home)
    finally:
        os.killpg(process.pid, 15)
        process.wait(30)


def environment(home: Path, manager: str, port: int) -> dict[str, str]:
    (home / "dags").mkdir()
    (home / "dags" / "one.py").write_text(DAG)
    (home / "dags" / "onboard.py").write_text(DAG.replace("one()", "onboard_client()"))
    (home / "passwords.json").write_text(json.dumps(PASSWORDS))
    return {
        **{name: os.environ[name] for name in ("HOME", "PATH", "LANG") if name in os.environ},
        "PYTHONPATH": str(ROOT / "plugins"),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW_CONFIG": str(ROOT / "deploy" / "airflow.cfg"),
        "AIRFLOW__CORE__AUTH_MANAGER": manager,
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": f"sqlite+aiosqlite:///{home}/airflow.db",
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__API__SECRET_KEY": "secret-key-of-the-test",
        "AIRFLOW__API_AUTH__JWT_SECRET": "jwt-secret-of-the-test-that-is-long-enough-for-sha512-signatures-of-tokens",
        "AIRFLOW__FAB__CONFIG_FILE": str(ROOT / "deploy" / "webserver_config.py"),
        "AIRFLOW_CONN_PULSE_REPLICA": "postgresql://nobody@127.0.0.1:1/none",
        "PULSE_METRICS_TOKEN": METRICS_TOKEN,
        "PULSE_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "PULSE_AIRFLOW_ADMIN_PASSWORD": PASSWORDS["admin"],
        "PULSE_AIRFLOW_DATA_TEAM_PASSWORD": PASSWORDS["data_team"],
    }


def run(command: list[str], env: dict[str, str]) -> None:
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 180
    while True:
        try:
            requests.get(f"{url}/api/v2/version", timeout=5).raise_for_status()
            return
        except requests.RequestException:
            assert process.poll() is None, log.read_text()[-4000:]
            assert time.monotonic() < deadline, log.read_text()[-4000:]
            time.sleep(0.5)


def sign_in(url: str, who: str, password: str, path: str = "/auth/token") -> requests.Response:
    return requests.post(f"{url}{path}", json={"username": who, "password": password}, timeout=30)


def token(url: str, who: str) -> str:
    answer = sign_in(url, who, PASSWORDS[who])
    assert answer.status_code == 201, answer.text
    return str(answer.json()["access_token"])


def routes(server: Server) -> list[tuple[str, str]]:
    """Every route that the API describes of itself."""
    paths = requests.get(f"{server.url}/openapi.json", timeout=60).json()["paths"]
    return sorted((method.upper(), path) for path, methods in paths.items() for method in methods)


def filled(server: Server, path: str) -> str:
    """The path with names of things that exist."""
    known = {"dag_id": "one", "task_id": "step", "file_token": file_token(server)}
    return re.sub(r"\{(\w+)(:path)?\}", lambda match: known.get(match[1], "1"), path)


def file_token(server: Server) -> str:
    return str(server.call("admin", "GET", "/api/v2/dags/one").json()["file_token"])


def body_of(path: str) -> dict[str, Any]:
    """A body that Airflow understands where it needs that in order to know which right to ask for."""
    last = path.rpartition("/")[2]
    if last in ("variables", "connections", "pools"):
        return {"actions": [{"action": "delete", "entities": ["x"]}]}
    if last in ("dagRuns", "taskInstances"):
        task = {"task_id": "step"} if last == "taskInstances" else {}
        return {"actions": [{"action": "delete", "entities": [{"dag_id": "one", "dag_run_id": "x", **task}]}]}
    if last == "clearDagRuns":
        return {"dag_runs": [{"dag_run_id": "x", "dag_id": "one"}]}
    return {"connection_id": "x", "conn_type": "http"} if "connections" in path else {"dag_id": "one"}


def test_the_data_team_changes_nothing_but_by_triggering_and_clearing(server: Server) -> None:
    """Of all routes that the server has. A route that is new must be looked at, because it is not refused."""
    days = {"from_date": "2024-01-01T00:00:00Z", "to_date": "2024-01-02T00:00:00Z"}
    backfill = server.call("admin", "POST", "/api/v2/backfills", json={"dag_id": "one", **days})
    assert backfill.status_code == 200, backfill.text
    assert backfill.json()["id"] == 1
    passed = set()
    for method, path in routes(server):
        if method == "GET" or not path.startswith("/api/v2/") or path.startswith("/api/v2/auth"):
            continue
        answer = server.call("data_team", method, filled(server, path), json=body_of(path))
        if answer.status_code != 403:
            passed.add((method, path, answer.status_code))
    unexpected = {(m, p, s) for m, p, s in passed if (m, p) not in ALLOWED}
    assert unexpected == set()
    assert {(method, path) for method, path, _ in passed} == ALLOWED


def test_the_admin_is_refused_nowhere(server: Server) -> None:
    refused = set()
    for method, path in routes(server):
        if method in ("POST", "PATCH", "PUT") and path.startswith("/api/v2/"):
            answer = server.call("admin", method, filled(server, path), json={"actions": []})
            if answer.status_code == 403 and "test" not in path:  # testing a Connection is off in Airflow itself
                refused.add((method, path))
    assert refused == set()


def test_the_data_team_reads_no_secret(server: Server) -> None:
    readable = []
    for method, path in routes(server):
        if method == "GET" and path.startswith("/api/v2/") and not path.startswith("/api/v2/auth"):
            answer = server.call("data_team", method, filled(server, path))
            if UNREADABLE.match(path):
                assert answer.status_code in (403, 422), path  # 422: the test of a Connection wants its key first
            elif answer.status_code == 200:
                readable.append(path)
    assert {"/api/v2/dags", "/api/v2/dags/{dag_id}", "/api/v2/dags/{dag_id}/dagRuns"} <= set(readable)
    assert server.call("data_team", "GET", "/api/v2/dags").json()["total_entries"] == 1


def test_the_data_team_triggers_and_clears(server: Server) -> None:
    made = server.call("data_team", "POST", "/api/v2/dags/one/dagRuns", json={"logical_date": None})
    assert made.status_code == 200, made.text
    run_id = made.json()["dag_run_id"]
    cleared = server.call("data_team", "POST", f"/api/v2/dags/one/dagRuns/{run_id}/clear", json={"dry_run": False})
    assert cleared.status_code == 200, cleared.text
    tasks = server.call("data_team", "POST", "/api/v2/dags/one/clearTaskInstances", json={"dag_run_id": run_id})
    assert tasks.status_code == 200, tasks.text
    for state in ("success", "failed"):
        path = f"/api/v2/dags/one/dagRuns/{run_id}"
        assert server.call("data_team", "PATCH", path, json={"state": state}).status_code == 403
        assert (
            server.call("data_team", "PATCH", f"{path}/taskInstances/step", json={"new_state": state}).status_code
            == 403
        )
    assert server.call("data_team", "PATCH", "/api/v2/dags/one", json={"is_paused": True}).status_code == 403
    assert server.call("data_team", "DELETE", f"/api/v2/dags/one/dagRuns/{run_id}").status_code == 403


def test_for_the_data_team_there_is_no_dag_that_adds_clients(server: Server) -> None:
    """It writes Variables, which only an admin may, and its form holds what the data team does not see."""
    path = "/api/v2/dags/onboard_client"
    body: dict[str, Any] = {"logical_date": None, "conf": {"slug": "mine"}}
    run_id = server.call("admin", "POST", f"{path}/dagRuns", json=body).json()["dag_run_id"]
    run = {"dag_id": "onboard_client", "dag_run_id": run_id}
    for method, route, sent in (
        ("GET", path, None),
        ("GET", f"{path}/dagRuns/{run_id}", None),
        ("GET", f"{path}/dagRuns/{run_id}/taskInstances/step/logs/1", None),
        ("POST", f"{path}/dagRuns", body),
        ("POST", f"{path}/dagRuns/{run_id}/clear", {"dry_run": False}),
        ("POST", f"{path}/clearTaskInstances", {"dag_run_id": run_id}),
        ("POST", f"{path}/clearDagRuns", {"dag_runs": [run]}),
        ("POST", "/api/v2/dags/~/clearDagRuns", {"dag_runs": [run]}),
    ):
        assert server.call("data_team", method, route, json=sent).status_code == 403, (method, route)
        assert server.call("admin", method, route, json=sent).status_code != 403, (method, route)
    for route in ("/api/v2/dags", "/api/v2/dags/~/dagRuns", "/ui/dags"):
        assert "onboard_client" not in server.call("data_team", "GET", route).text, route
        assert "onboard_client" in server.call("admin", "GET", route).text, route
    listed = server.call("data_team", "POST", "/api/v2/dags/~/dagRuns/list", json={}).text
    assert "onboard_client" not in listed


def test_answers_are_shown_in_no_foreign_frame_and_the_cookie_is_closed(server: Server) -> None:
    for path in ("/", "/auth/login", "/api/v2/version", "/api/v2/dags", "/nothing"):
        headers = requests.get(f"{server.url}{path}", timeout=30, allow_redirects=False).headers
        assert headers["X-Frame-Options"] == "SAMEORIGIN", path
        assert "frame-ancestors 'self'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
    cookie = sign_in(server.url, "data_team", PASSWORDS["data_team"]).headers["Set-Cookie"]
    assert cookie.startswith("_token=")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie
    behind = requests.post(
        f"{server.url}/auth/token",
        json={"username": "data_team", "password": PASSWORDS["data_team"]},
        headers={"X-Forwarded-Proto": "https"},
        timeout=30,
    )
    assert "Secure" in behind.headers["Set-Cookie"]


@pytest.mark.parametrize("path", ["/auth/token", "/auth/token/cli"])
def test_guessing_slows_down_for_the_one_who_guesses(server: Server, path: str) -> None:
    who = f"Guessed-{path.count('/')}"
    answers = [sign_in(server.url, name, "wrong", path).status_code for name in (who, who.lower(), f" {who}") * 3]
    assert set(answers[:5]) <= {400, 401}
    assert answers[6:] == [429] * 3
    assert int(sign_in(server.url, who, "wrong", path).headers["Retry-After"]) >= 1
    assert sign_in(server.url, "data_team", PASSWORDS["data_team"], path).status_code == 201


def by_form(url: str, who: str, password: str) -> requests.Response:
    """Sign in by FAB's page."""
    with requests.Session() as session:
        page = session.get(f"{url}/auth/login/", timeout=30).text
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
        assert token is not None, page[:2000]
        fields = {"csrf_token": token[1], "username": who, "password": password}
        return session.post(f"{url}/auth/login/", data=fields, timeout=30, allow_redirects=False)


# The simple auth manager's page calls /auth/token instead.
@pytest.mark.parametrize("server", ["fab"], indirect=True)
def test_a_form_counts_only_what_failed(server: Server) -> None:
    for _ in range(8):
        answer = by_form(server.url, "data_team", PASSWORDS["data_team"])
        assert answer.status_code == 302
        assert any(part.startswith("_token=") for part in answer.headers["Set-Cookie"].split(", "))
        assert "/auth/login" not in answer.headers["Location"]
    answers = [by_form(server.url, "form-guess", "wrong").status_code for _ in range(7)]
    assert answers[:5] == [302] * 5
    assert answers[5:] == [429] * 2


def test_the_app_that_tools_push_to_is_there_and_asks_for_a_key(server: Server) -> None:
    """Airflow mounts it without authentication; a login of Airflow's is no key."""
    assert requests.get(f"{server.url}/pulse/ingest/v1/openapi.json", timeout=30).status_code == 200
    url = f"{server.url}/pulse/ingest/v1/acme/deployments"
    assert requests.post(url, json={"id": 1}, timeout=30).status_code == 401


def test_the_page_clients_is_for_those_who_are_signed_in(server: Server) -> None:
    for path in ("/pulse/clients/", "/pulse/clients/health.json", "/pulse/clients/progress"):
        assert requests.get(f"{server.url}{path}", timeout=30).status_code == 401
        forged = requests.get(f"{server.url}{path}", cookies={"_token": "not-a-token"}, timeout=30)
        assert forged.status_code in (401, 403)
        for who in ("admin", "data_team"):
            # There is no clients' database here: whoever is let in is told so.
            assert server.call(who, "GET", path).status_code == 503
    for path in ("/pulse/clients/docs", "/pulse/clients/openapi.json"):
        assert server.call("admin", "GET", path).status_code == 404
    assert requests.get(f"{server.url}/pulse/clients/live.js", timeout=30).status_code == 401


def test_the_socket_of_the_page_clients_is_for_those_who_are_signed_in(server: Server) -> None:
    address = server.url.replace("http", "ws", 1) + "/pulse/clients/live"
    for headers in ({}, {"Cookie": "_token=not-a-token"}, {"Authorization": "Bearer not-a-token"}):
        with pytest.raises(InvalidStatus, match="403"), connect(address, additional_headers=headers, proxy=None):
            pass
    for who, secret in server.tokens.items():
        for headers in ({"Cookie": f"_token={secret}"}, {"Authorization": f"Bearer {secret}"}):
            with connect(address, additional_headers=headers, proxy=None) as socket:
                socket.ping().wait(10)
            with (
                pytest.raises(InvalidStatus, match="403"),
                connect(address, additional_headers=headers, origin=Origin("http://evil.example"), proxy=None),
            ):
                pytest.fail(f"another site's page hears what moves, as {who}")


def test_metrics_are_for_the_token_and_tell_of_airflow(server: Server) -> None:
    """Airflow mounts the page without authentication; a login of Airflow's is no token."""
    url = f"{server.url}/pulse/metrics/"
    assert requests.get(url, timeout=30).status_code == 401
    assert server.call("admin", "GET", "/pulse/metrics/").status_code == 401
    answer = requests.get(url, headers={"Authorization": f"Bearer {METRICS_TOKEN}"}, timeout=30)
    assert answer.status_code == 200
    # There is no clients' database here, and no scheduler.
    for line in (
        'pulse_database_up{server="meta"} 1.0',
        'pulse_database_up{server="replica"} 0.0',
        'pulse_tasks{state="queued"} 0.0',
        "pulse_queue_seconds 0.0",
        'pulse_process_up{process="scheduler"} 0.0',
    ):
        assert line in answer.text.splitlines()


def test_only_an_admin_makes_keys_for_tools(server: Server) -> None:
    path = "/pulse/ingest/v1/acme/keys"
    for method, more in (("GET", ""), ("POST", ""), ("DELETE", "/1")):
        assert (
            requests.request(method, f"{server.url}{path}{more}", json={"source": "ci"}, timeout=30).status_code == 401
        )
        assert server.call("data_team", method, f"{path}{more}", json={"source": "ci"}).status_code == 403
        # There is no clients' database here, so an admin gets no further.
        assert server.call("admin", method, f"{path}{more}", json={"source": "ci"}).status_code not in (401, 403)


# One auth manager: the route does not ask for a person.
@pytest.mark.parametrize("server", ["simple"], indirect=True)
def test_only_the_maintenance_dag_cleans_airflows_metadata(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    path = "/pulse/maintenance/airflow"
    assert requests.post(f"{server.url}{path}", timeout=30).status_code == 401
    assert server.call("admin", "POST", path).status_code == 401, "a login of Airflow's is no token"
    old, new = datetime.now(UTC) - timedelta(days=400), datetime.now(UTC) - timedelta(days=40)
    with closing(sqlite3.connect(server.home / "airflow.db")) as database:
        database.execute("delete from log")
        for at in (old, new):
            database.execute("insert into log (dttm, event) values (?, 'trigger')", [at.isoformat(" ")])
            database.execute(
                "insert into import_error (timestamp, filename, stacktrace) values (?, 'x.py', 'wrong')",
                [at.isoformat(" ")],
            )
        database.commit()
    monkeypatch.setenv("PULSE_WEBHOOK_SECRET", "another")
    with pytest.raises(airflows.NotPossible, match="answers 401"):
        airflows.ask(f"{server.url}/execution/")
    monkeypatch.setenv("PULSE_WEBHOOK_SECRET", WEBHOOK_SECRET)
    assert len(airflows.ask(f"{server.url}/execution/")) == 2
    with closing(sqlite3.connect(server.home / "airflow.db")) as database:
        assert database.execute("select count(*) from log where event = 'trigger'").fetchone() == (1,), "a year"
        assert database.execute("select count(*) from import_error").fetchone() == (0,), "thirty days"
