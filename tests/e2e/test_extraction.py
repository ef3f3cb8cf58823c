"""Extraction through the real scheduler: a quiet source costs one call, a used-up budget defers, secrets stay secret.

The tests of this module run in order and share one client.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from pulse import environ
from tests.e2e.conftest import DeclaredClient
from tests.support.airflow_api import AirflowApi, wait_for
from tests.support.stack import database

MARK = f"planted{secrets.token_hex(8)}"


@pytest.fixture(scope="module")
def client(stack: dict[str, Any], airflow: AirflowApi) -> Iterator[DeclaredClient]:
    """Reads one repository with a marked token; its other two sources have marked tokens that are refused."""
    slug = f"ext_{secrets.token_hex(3)}"
    sandbox = stack["addresses"]["sandbox"]
    email, password = f"ceo@{slug.replace('_', '-')}.example", f"{MARK}-password"
    spec: dict[str, Any] = {
        "name": "Initech",
        "schedule_minutes": 1440,
        "users": [{"email": email, "name": "Bill", "role": "executive", "password": password}],
        "integrations": [
            {
                "type": "github",
                "base_url": f"{sandbox}/github",
                "organization": "acme",
                "repositories": ["acme/billing"],
                "token": f"ghp_sandbox_acme.{MARK}-github",
            },
            {"type": "jira", "base_url": f"{sandbox}/jira/acme"},
            {
                "type": "http_json",
                "name": "pager",
                "base_url": f"{sandbox}/custom/acme",
                "token": f"{MARK}-pager",
                "auth": {"kind": "query", "name": "api_key"},
                "streams": [
                    {
                        "name": "incidents",
                        "entity": "incidents",
                        "path": "/none/incidents",
                        "records": "incidents",
                        "fields": {"id": "id", "key": "id", "title": "title", "created_at": "created_at"},
                    }
                ],
            },
        ],
    }
    airflow.set_connection(f"jira__{slug}", login=f"{MARK}@acme.example", password=f"{MARK}-jira")
    airflow.set_variable(f"pulse_client_{slug}", spec)
    assert airflow.sync_clients() == "success"
    wait_for("the DAG to be listed", lambda: f"pulse__{slug}" in airflow.active_dags(), 60)
    yield DeclaredClient(slug, email, password, spec)
    airflow.set_variable(f"pulse_client_{slug}", {**spec, "active": False})
    airflow.sync_clients()
    airflow.call("DELETE", f"variables/pulse_client_{slug}")
    airflow.call("DELETE", f"connections/jira__{slug}")


def runs(stack: dict[str, Any], client: DeclaredClient, integration: str) -> list[tuple[Any, ...]]:
    """Task, state, calls, error, and seconds from the end to resume_at, for the integration's runs, newest first."""
    with database(stack, "pulse_staff", replica=True) as conn:
        return conn.execute(
            "select r.task_id, r.state, r.api_calls, r.error, extract(epoch from r.resume_at - r.finished_at)"
            " from core.etl_runs r"
            " join core.clients c on c.id = r.client_id"
            " join core.integrations i on (i.client_id, i.id) = (r.client_id, r.integration_id)"
            " where c.slug = %s and i.name = %s order by r.id desc",
            [client.slug, integration],
        ).fetchall()


def test_a_failed_source_is_red_and_what_could_be_read_is_stored(
    stack: dict[str, Any], airflow: AirflowApi, client: DeclaredClient
) -> None:
    run = wait_for("a first run", lambda: airflow.latest_run(client.dag_id), 60)
    assert airflow.wait_run(client.dag_id, run["dag_run_id"], 420) == "failed"
    assert [row[1] for row in runs(stack, client, "github")] == ["success", "success"]
    for refused in ("jira", "pager"):
        task, state, _, error, _ = runs(stack, client, refused)[0]
        assert state == "failed", task
        assert "refused" in error or "may not" in error
        assert client.slug in error


def test_a_quiet_repository_costs_one_call_and_no_task(
    stack: dict[str, Any], airflow: AirflowApi, client: DeclaredClient
) -> None:
    """The second run finds nothing that moved: discovery costs one call, nothing is mapped."""
    client.spec["integrations"] = client.spec["integrations"][:1]
    client.spec["integrations"][0]["workflow_runs"] = False
    airflow.set_variable(client.variable, client.spec)
    assert airflow.sync_clients() == "success"
    wait_for("the DAG without the removed sources", lambda: "jira.discover_projects" not in tasks(airflow, client), 60)
    run_id = airflow.trigger(client.dag_id)
    assert airflow.wait_run(client.dag_id, run_id) == "success"
    newest = runs(stack, client, "github")[0]
    assert newest[:3] == ("github.discover_repositories", "success", 1)
    assert task_states(airflow, client, run_id)["github.extract_repositories"] == "skipped"


def test_a_run_without_news_publishes_nothing_and_one_with_news_is_an_event(
    stack: dict[str, Any], airflow: AirflowApi, client: DeclaredClient
) -> None:
    def published() -> list[dict[str, Any]]:
        found = airflow.get("assets/events", source_dag_id=client.dag_id, order_by="timestamp")["asset_events"]
        return [event["extra"] for event in found]

    before = published()
    assert before, "the first run wrote rows"
    run_id = airflow.trigger(client.dag_id)
    assert airflow.wait_run(client.dag_id, run_id) == "success"
    states = task_states(airflow, client, run_id)
    assert {task for task, state in states.items() if state != "skipped"} == {"github.discover_repositories"}
    assert published() == before
    with database(stack, "pulse_admin") as admin:
        admin.execute(
            "update core.data_versions set version = version + 1"
            " where client_id = (select id from core.clients where slug = %s)",
            [client.slug],
        )
    run_id = airflow.trigger(client.dag_id)
    assert airflow.wait_run(client.dag_id, run_id) == "success"
    assert task_states(airflow, client, run_id)["publish_dashboards"] == "success"
    *_, event = published()
    assert len(published()) == len(before) + 1
    assert set(event) == {"version", "rows", "computed_through"}
    assert event["version"] > before[-1]["version"]
    assert event["computed_through"]


def test_a_used_up_budget_defers_and_says_when_the_task_resumes(
    stack: dict[str, Any], airflow: AirflowApi, client: DeclaredClient
) -> None:
    fault = {
        "path_regex": "/github/graphql",
        "body_regex": "query RepositoriesNamed.*billing",
        "count": 1,
        "status": 429,
        "headers": {"Retry-After": "63"},
    }
    request = urllib.request.Request(
        f"{stack['addresses']['sandbox']}/_sandbox/faults",
        json.dumps(fault).encode(),
        {"Content-Type": "application/json"},
    )
    urllib.request.urlopen(request, timeout=10).close()
    run_id = airflow.trigger(client.dag_id)
    wait_for("a deferred task", lambda: "deferred" in task_states(airflow, client, run_id).values(), 60)
    _, state, _, error, seconds = runs(stack, client, "github")[0]
    assert state == "deferred"
    assert "rate limit" in error
    assert 55 < seconds <= 64
    assert airflow.wait_run(client.dag_id, run_id, 240) == "success"
    assert runs(stack, client, "github")[0][1] == "success"
    instance = next(
        task
        for task in airflow.get(f"dags/{client.dag_id}/dagRuns/{run_id}/taskInstances")["task_instances"]
        if task["task_id"] == "github.discover_repositories"
    )
    assert instance["try_number"] == 1, "waiting must not use up a retry"


def test_no_planted_secret_is_anywhere(stack: dict[str, Any], client: DeclaredClient) -> None:
    """Logs, DAG files, XComs, tables, write-ahead logs: the whole state folder, as bytes."""
    state = environ.STATE.get()
    done = subprocess.run(
        ["grep", "-rlaF", "--exclude-dir=venv", "--exclude-dir=npm", MARK, str(state)], capture_output=True, text=True
    )
    # The Connection's login is not a secret: Airflow stores it in the clear, and only there.
    found = [path for path in done.stdout.split() if "/meta/" not in path]
    assert found == []
    for ending in ("-github", "-jira", "-pager", "-password"):
        done = subprocess.run(
            ["grep", "-rlaF", "--exclude-dir=venv", "--exclude-dir=npm", MARK + ending, str(state)],
            capture_output=True,
            text=True,
        )
        assert done.stdout == "", f"{MARK}{ending}"
    assert (
        client.slug
        in subprocess.run(
            ["grep", "-rlaF", "--exclude-dir=venv", client.slug, str(state)], capture_output=True, text=True
        ).stdout
    ), "the search finds what is there"


def tasks(airflow: AirflowApi, client: DeclaredClient) -> set[str]:
    return {task["task_id"] for task in airflow.get(f"dags/{client.dag_id}/tasks")["tasks"]}


def task_states(airflow: AirflowApi, client: DeclaredClient, run_id: str) -> dict[str, str]:
    instances = airflow.get(f"dags/{client.dag_id}/dagRuns/{run_id}/taskInstances")["task_instances"]
    return {instance["task_id"]: instance["state"] for instance in instances}
