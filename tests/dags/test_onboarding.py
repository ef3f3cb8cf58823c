"""The form adds a client: checked like a Variable, sources asked, settings proposed; if anything is wrong, nothing is written.

The DAG runs as Airflow runs it (`dag.test`), in a process of its own with its own metadata database.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pulse.clients.spec import parse_spec
from stack.paths import AIRFLOW_VENV
from tests.conftest import ROOT, SandboxServer

Run = Callable[..., dict[str, Any]]
PROGRAM = """
import json, sys
from pathlib import Path
from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.dagbag import BundleDagBag, sync_bag_to_db
from airflow.models.variable import Variable
from airflow.utils.db import initdb
from airflow.utils.session import create_session

initdb()
DagBundlesManager().sync_bundles_to_db()
folder = Path(sys.argv[1])
load = lambda: BundleDagBag(folder, bundle_path=folder, bundle_name="dags-folder")
sync_bag_to_db(load(), "dags-folder", None)
for line in sys.stdin:
    run = load().dags["onboard_client"].test(run_conf=json.loads(line))
    with create_session() as session:
        values = {one.key: one.get_val() for one in session.query(Variable).all()}
    states = {ti.task_id: str(ti.state) for ti in run.get_task_instances()}
    print("RESULT " + json.dumps({"states": states, "variables": values}), flush=True)
"""


@pytest.fixture(scope="module")
def onboard(tmp_path_factory: pytest.TempPathFactory, sandbox_server: SandboxServer) -> Iterator[Run]:
    """Run the DAG with a form; returns the states of its tasks, the Variables, and the log."""
    home = tmp_path_factory.mktemp("airflow")
    sandbox_server.reset()
    url = sandbox_server.url
    env = {
        **{name: os.environ[name] for name in ("HOME", "PATH", "LANG", "PULSE_PRIVATE_URLS") if name in os.environ},
        "PYTHONPATH": str(ROOT / "plugins"),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW_CONN_GITHUB__GLOBEX": json.dumps({"conn_type": "pulse_github", "password": "ghp_sandbox_acme"}),
        "AIRFLOW_CONN_SHARED_JIRA": json.dumps(
            {"conn_type": "pulse_jira", "login": "pulse@acme.example", "password": "jira_sandbox_acme"}
        ),
        "AIRFLOW_CONN_WRONG": json.dumps({"conn_type": "pulse_github", "password": "ghp_nobody"}),
    }
    program = home / "run.py"
    program.write_text(PROGRAM)
    process = subprocess.Popen(
        [str(AIRFLOW_VENV / "bin" / "python"), str(program), str(ROOT / "dags")],
        env=env,
        cwd=home,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdin is not None
    assert process.stdout is not None

    def run(**form: Any) -> dict[str, Any]:
        whole = {
            "slug": "globex",
            "name": "Globex",
            "time_zone": "Europe/Lisbon",
            "executives": ["ceo@globex.example"],
            "github_organization": "acme",
            "github_base_url": f"{url}/github",
            "jira_base_url": f"{url}/jira/acme",
            "jira_connection": "shared_jira",
            **form,
        }
        process.stdin.write(json.dumps(whole) + "\n")
        process.stdin.flush()
        log = ""
        for line in process.stdout:
            if line.startswith("RESULT "):
                return {**json.loads(line.removeprefix("RESULT ")), "log": log}
            log += line
        raise AssertionError(log[-5000:])

    yield run
    process.stdin.close()
    process.wait(30)


def failure(result: dict[str, Any]) -> str:
    """The message of the task that failed: the last of the log that is about a client."""
    found = [line for line in result["log"].splitlines() if "client " in line and "AirflowFailException" in line]
    assert found, result["log"][-3000:]
    return found[-1]


def test_every_fault_of_the_form_is_said_at_once(onboard: Run) -> None:
    result = onboard(
        slug="globex",
        time_zone="Europe/Lisbonn",
        primary_color="#12345",
        executives=["ceo@globex.example", "nobody"],
        github_organization="a b",
        github_connection="pulse_admin",
        settings={"dora.minimum_sample": 0},
        executives_note="ghp_abcdefghij",
    )
    assert result["states"]["validate_form"] == "failed"
    assert result["variables"] == {}
    said = failure(result)
    for part in (
        "time_zone: 'Europe/Lisbonn' is not an IANA time zone: did you mean 'Europe/Lisbon'?",
        "primary_color: must match pattern",
        'Given: "#12345"',
        '(example: "#2456C8")',
        "executives: must match pattern",
        'Given: "nobody"',
        "github_organization: must match pattern",
        "github_connection: 'pulse_admin' is a Connection that Pulse itself uses",
        'settings["dora.minimum_sample"]: must be a whole number from 1 to 1000',
        "Given: 0",
        "executives_note: holds a token",
        "Correct it in the form and trigger onboard_client again.",
    ):
        assert part in said, (part, said)
    assert "ghp_abcdefghij" not in said


def test_a_source_that_cannot_be_read_stops_it_with_every_reason(onboard: Run) -> None:
    result = onboard(github_connection="wrong", jira_connection="nowhere")
    assert result["states"]["ask_sources"] == "failed"
    assert result["variables"] == {}
    said = failure(result)
    assert "the token was refused (HTTP 401" in said
    assert "the Connection nowhere does not exist or has no password" in said


def test_a_missing_right_stops_it_unless_the_form_says_otherwise(onboard: Run, sandbox_server: SandboxServer) -> None:
    def forbid() -> None:
        body = {"message": "Resource not accessible by personal access token"}
        sandbox_server.add_fault(path_regex="actions/runs", count=100, status=403, body=body)

    forbid()
    result = onboard()
    assert result["states"]["ask_sources"] == "failed"
    assert "actions: read is missing" in failure(result)
    assert result["variables"] == {}
    result = onboard(slug="umbrella", github_connection="github__globex", despite_missing=True)
    assert set(result["variables"]) == {"pulse_client_umbrella"}
    sandbox_server.reset()


def test_a_good_form_writes_the_variable_and_starts_the_sync(onboard: Run, sandbox_server: SandboxServer) -> None:
    sandbox_server.add_fault(
        path_regex="graphql",
        body_regex=r"query Check\(.*deployments",
        count=100,
        changes=[{"path": ["data", "node", "deployments"], "value": {"totalCount": 0, "nodes": []}}],
    )
    result = onboard(primary_color="#0B6E4F", settings={"dora.minimum_sample": 3}, github_repositories=["bill*"])
    sandbox_server.reset()
    assert set(result["states"].values()) == {"success"}, result["states"]
    text = result["variables"]["pulse_client_globex"]
    spec = parse_spec("globex", text)
    assert json.loads(text)["settings"] == {"dora.minimum_sample": 3, "dora.deployment_source": "workflow_runs"}
    assert [user.email for user in spec.users] == ["ceo@globex.example"]
    assert [one.connection for one in spec.integrations] == ["", "shared_jira"]
    assert "No deployments were found in 30 days" in result["log"]
    assert "ghp_sandbox_acme" not in result["log"]
    again = onboard(time_zone="Mars")
    assert again["states"]["validate_form"] == "failed"
    assert "slug: there is a Variable pulse_client_globex already" in failure(again)
    assert "'Mars' is not an IANA time zone" in failure(again), "all at once"
    assert again["variables"]["pulse_client_globex"] == text


def test_the_form_has_sections_choices_and_descriptions(tmp_path: Path) -> None:
    from airflow.dag_processing.dagbag import DagBag

    from pulse.orchestration.onboarding import FIELDS

    params = DagBag(dag_folder=str(ROOT / "dags")).dags["onboard_client"].params
    assert set(params) == set(FIELDS)
    for name in params:
        schema = params.get_param(name).schema
        assert schema["title"], name
        assert schema["section"], name
        assert schema["description_md"], name
        assert schema["type"], name
    assert "workflow_runs" in params.get_param("deployment_source").schema["enum"]
