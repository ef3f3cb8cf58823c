"""A tool tells of a deployment with one call, and a webhook starts a run, through the real API server and scheduler.

The tests of this module run in order and share one client.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from pulse import environ
from pulse.tenancy import client_role
from tests.e2e.conftest import DeclaredClient
from tests.support.airflow_api import AirflowApi, wait_for
from tests.support.stack import client_ids, database, login_of, wait_replica

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def client(stack: dict[str, Any], airflow: AirflowApi) -> Iterator[DeclaredClient]:
    """Is pushed to, and reads one repository."""
    slug = f"push_{secrets.token_hex(3)}"
    sandbox = stack["addresses"]["sandbox"]
    spec: dict[str, Any] = {
        "name": "Hooli",
        "schedule_minutes": 1440,
        "integrations": [
            {"type": "http_json", "name": "ci", "streams": [{"name": "deploys", "entity": "deployments"}]},
            {
                "type": "github",
                "base_url": f"{sandbox}/github",
                "organization": "acme",
                "repositories": ["acme/billing"],
                "token": "ghp_sandbox_acme",
                "workflow_runs": False,
            },
        ],
    }
    airflow.set_variable(f"pulse_client_{slug}", spec)
    assert airflow.sync_clients() == "success"
    wait_for("the DAG to be listed", lambda: f"pulse__{slug}" in airflow.active_dags(), 60)
    yield DeclaredClient(slug, "", "", spec)
    airflow.set_variable(f"pulse_client_{slug}", {**spec, "active": False})
    airflow.sync_clients()
    airflow.call("DELETE", f"variables/pulse_client_{slug}")


@pytest.fixture(scope="module")
def keys(stack: dict[str, Any], airflow: AirflowApi, client: DeclaredClient) -> dict[str, dict[str, Any]]:
    """A key of each source, as an admin makes it over HTTP."""
    made = {}
    for source in ("ci", "github"):
        answer = airflow.session.post(address(stack, client, "keys"), json={"source": source}, timeout=30)
        assert answer.status_code == 201, answer.text
        made[source] = answer.json()
    return made


def address(stack: dict[str, Any], client: DeclaredClient, path: str) -> str:
    return f"{stack['addresses']['airflow']}/pulse/ingest/v1/{client.slug}/{path}"


def deployment(name: str) -> dict[str, Any]:
    ended = datetime.now(UTC) - timedelta(minutes=1)
    times = {"created_at": (ended - timedelta(minutes=4)).isoformat(), "finished_at": ended.isoformat()}
    return {"id": name, "service": "shop", "environment": "production", "result": "success", **times}


def shown(stack: dict[str, Any], client: DeclaredClient) -> int:
    """How many deployments of the service the client's own login sees on the replica."""
    wait_replica(stack)
    with database(stack, client_role(client_ids(stack)[client.slug]), replica=True) as conn:
        row = conn.execute("select count(*) from report.evidence_deployments where service_name = 'shop'").fetchone()
        assert row is not None
        return int(row[0])


def test_one_curl_tells_of_a_deployment_and_the_next_run_shows_it(
    stack: dict[str, Any], airflow: AirflowApi, client: DeclaredClient, keys: dict[str, dict[str, Any]]
) -> None:
    first = wait_for("a first run", lambda: airflow.latest_run(client.dag_id), 60)
    assert airflow.wait_run(client.dag_id, first["dag_run_id"], 420) == "success"
    body = json.dumps(deployment("release-1"))
    url, token = address(stack, client, "deployments"), keys["ci"]["key"]
    command = ["curl", "--fail-with-body", "-sS", "-H", f"Authorization: Bearer {token}", "--json", body, url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout) == {"taken": 1, "skipped": 0, "refused": []}
    run_id = airflow.trigger(client.dag_id)
    assert airflow.wait_run(client.dag_id, run_id, 300) == "success"
    assert shown(stack, client) == 1


def test_a_record_starts_a_run_where_the_setting_says_so(
    stack: dict[str, Any], airflow: AirflowApi, client: DeclaredClient, keys: dict[str, dict[str, Any]]
) -> None:
    client.spec["settings"] = {"ingest.triggers_run": True}
    airflow.set_variable(client.variable, client.spec)
    assert airflow.sync_clients() == "success"
    headers = {"Authorization": f"Bearer {keys['ci']['key']}"}
    url = address(stack, client, "deployments")
    answer = requests.post(url, json=[deployment("release-2"), {"id": "broken"}], headers=headers, timeout=30)
    assert (answer.status_code, answer.json()["taken"], len(answer.json()["refused"])) == (202, 1, 1)
    run_id = wait_for("a run", lambda: ingested(airflow, client), 30)[0]
    assert airflow.wait_run(client.dag_id, run_id, 300) == "success"
    assert shown(stack, client) == 2


def test_a_webhook_of_github_starts_a_run(
    stack: dict[str, Any], airflow: AirflowApi, client: DeclaredClient, keys: dict[str, dict[str, Any]]
) -> None:
    before = ingested(airflow, client)
    body = json.dumps({"action": "created", "repository": {"id": 1}, "deployment": {"id": 5}}).encode()
    signature = hmac.new(keys["github"]["key"].encode(), body, hashlib.sha256).hexdigest()
    headers = {"X-Hub-Signature-256": f"sha256={signature}", "X-GitHub-Event": "deployment", "X-GitHub-Delivery": "1"}
    url = address(stack, client, "webhooks/github/github")
    answer = requests.post(url, data=body, headers=headers, timeout=30)
    assert (answer.status_code, answer.json()) == (202, {"moved": ["deployments"]}), answer.text
    assert requests.post(url, data=body, headers=headers, timeout=30).status_code == 409
    assert requests.post(url, data=body + b" ", headers=headers, timeout=30).status_code == 401
    # At most one run a minute: the one before may be less than a minute old.
    run_id = wait_for("a run", lambda: [run for run in ingested(airflow, client) if run not in before], 90)[0]
    assert airflow.wait_run(client.dag_id, run_id, 300) == "success"


def ingested(airflow: AirflowApi, client: DeclaredClient) -> list[str]:
    """The runs that records or webhooks have started, the newest first."""
    runs = airflow.get(f"dags/{client.dag_id}/dagRuns", order_by="-run_after", limit=20)["dag_runs"]
    return [run["dag_run_id"] for run in runs if run["dag_run_id"].startswith("ingest__")]


def test_nobody_but_an_admin_makes_or_sees_keys(stack: dict[str, Any], client: DeclaredClient) -> None:
    login = login_of(stack, "airflow", "data_team")
    colleague = AirflowApi(stack["addresses"]["airflow"], login["username"], login["password"])
    url = address(stack, client, "keys")
    for session, status in ((colleague.session, 403), (requests.Session(), 401)):
        assert session.get(url, timeout=30).status_code == status
        assert session.post(url, json={"source": "ci"}, timeout=30).status_code == status
        assert session.delete(f"{url}/1", timeout=30).status_code == status
    assert requests.get(url, headers={"Authorization": "Bearer nonsense"}, timeout=30).status_code in (401, 403)


def test_keys_are_made_listed_and_revoked_on_the_command_line(
    stack: dict[str, Any], airflow: AirflowApi, client: DeclaredClient, keys: dict[str, dict[str, Any]]
) -> None:
    def pulse(*arguments: str) -> str:
        done = subprocess.run(
            [str(ROOT / "pulse"), "token", *arguments], capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    text = pulse("make", client.slug, "ci", "--label", "the pipeline")
    token, url = text.split()[0], address(stack, client, "deployments")
    assert url in text
    headers = {"Authorization": f"Bearer {token}"}
    assert requests.post(url, json=deployment("release-3"), headers=headers, timeout=30).status_code == 202
    (row,) = (line for line in pulse("list", client.slug).splitlines() if "the pipeline" in line)
    assert token not in pulse("list", client.slug)
    pulse("revoke", client.slug, row.split()[0])
    assert requests.post(url, json=deployment("release-4"), headers=headers, timeout=30).status_code == 401
    listed = airflow.session.get(address(stack, client, "keys"), timeout=30).json()
    assert [one["revoked_at"] is None for one in listed] == [True, True, False]


def test_the_description_of_the_routes_is_served(stack: dict[str, Any]) -> None:
    answer = requests.get(f"{stack['addresses']['airflow']}/pulse/ingest/v1/openapi.json", timeout=30)
    assert "/v1/{client}/deployments" in answer.json()["paths"]


def test_no_key_is_in_a_log(keys: dict[str, dict[str, Any]]) -> None:
    state = environ.STATE.get()
    for key in keys.values():
        done = subprocess.run(
            ["grep", "-rlaF", "--exclude-dir=venv", key["key"], str(state)], capture_output=True, text=True
        )
        assert done.stdout == ""
