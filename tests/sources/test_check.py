"""Before anything is stored, an admin hears whether a token is right, what it may not read, what is there and what fits."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from pulse.sources.base import Credential, Integration
from pulse.sources.check import Report, check_source
from tests.conftest import SandboxServer
from tests.support.custom import DEPLOYS, KEY

PERMISSION = "Resource not accessible by personal access token"
SIGN_IN = "<!doctype html><html><body><form>Sign in <input type=password></form></body></html>"
GITHUB = Credential(None, "ghp_sandbox_acme")
JIRA = Credential("pulse@acme.example", "jira_sandbox_acme")
CUSTOM = Credential(None, KEY)
KINDS = ("github", "jira", "http_json")


pytestmark = pytest.mark.usefixtures("no_pauses")


def declared(kind: str, sandbox: SandboxServer, **config: Any) -> tuple[Integration, Credential]:
    """An integration of the sandbox's acme as a form would describe it, and its right token."""
    path, own, credential = {
        "github": ("github", {"organization": "acme"}, GITHUB),
        "jira": ("jira/acme", {"projects": ["*"]}, JIRA),
        "http_json": ("custom/acme", {"streams": [DEPLOYS]}, CUSTOM),
    }[kind]
    url = f"{sandbox.url}/{path}"
    return Integration(0, "acme", 0, kind, kind, url, f"{kind}__acme", {**own, **config}), credential


def forbid(sandbox: SandboxServer, part: str) -> None:
    """Answer as GitHub does to a fine-grained token without the permission for a connection."""
    sandbox.add_fault(
        path_regex="graphql",
        body_regex=rf"query Check\(.*{part}",
        count=50,
        changes=[{"path": ["data", "node"], "value": None}],
        errors=[{"type": "FORBIDDEN", "path": ["node", part], "message": PERMISSION}],
    )


def quiet(sandbox: SandboxServer, part: str) -> None:
    """Answer that a repository has none of these."""
    sandbox.add_fault(
        path_regex="graphql",
        body_regex=rf"query Check\(.*{part}",
        count=50,
        changes=[{"path": ["data", "node", part], "value": {"totalCount": 0, "nodes": []}}],
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_right_token_reads_everything_and_says_what_is_there(kind: str, sandbox: SandboxServer) -> None:
    report = check_source(*declared(kind, sandbox))
    assert report.ok, report.lines()
    assert report.proposals == {}
    text = " ".join(report.lines())
    expected = {
        "github": r"acme: \d of \d repositories are selected.",
        "jira": "projects are selected",
        "http_json": "records on the first page",
    }[kind]
    assert re.search(expected, text), text


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_token_is_refused(kind: str, sandbox: SandboxServer) -> None:
    integration, credential = declared(kind, sandbox)
    report = check_source(integration, replace(credential, token="wrong-token-of-mine"))
    assert not report.ok
    assert "HTTP 401" in report.failure
    assert "wrong-token-of-mine" not in " ".join(report.lines())


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_site_is_asked_back(kind: str, sandbox: SandboxServer) -> None:
    integration, credential = declared(kind, sandbox)
    for url in (f"{sandbox.url}/nothing/here", "http://127.0.0.1:9"):
        report = check_source(replace(integration, base_url=url), credential)
        assert not report.ok
        assert "base_url" in report.failure, report.failure


@pytest.mark.parametrize("kind", KINDS)
def test_a_private_address_is_not_asked(kind: str, sandbox: SandboxServer) -> None:
    integration, credential = declared(kind, sandbox)
    before = sandbox.calls()
    report = check_source(replace(integration, base_url="https://127.0.0.1:8443"), credential)
    assert not report.ok
    assert "is not a public address" in report.failure
    assert sandbox.calls() == before


@pytest.mark.parametrize("kind", KINDS)
def test_a_sign_in_page_is_told_from_the_api(kind: str, sandbox: SandboxServer) -> None:
    sandbox.add_fault(path_regex=".", count=50, status=200, headers={"Content-Type": "text/html"}, body=SIGN_IN)
    report = check_source(*declared(kind, sandbox))
    assert not report.ok
    assert "a sign-in page instead of JSON" in report.failure


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("defaultBranchRef", "contents: read is missing: no commits, so no lead time."),
        ("pullRequests", "pull requests: read is missing: no pull requests, so no changes and no lead time."),
        ("deployments", "deployments: read is missing: no deployments; choose workflow runs"),
    ],
)
def test_a_missing_permission_is_named_with_what_the_numbers_lack(part: str, said: str, sandbox: SandboxServer) -> None:
    forbid(sandbox, part)
    report = check_source(*declared("github", sandbox))
    assert not report.ok
    assert [line for line in report.missing if line.startswith(said)], report.missing
    assert len(report.missing) == 1
    assert "repositories are selected" in report.found[0], "the rest is still told"


def test_a_missing_permission_of_rest_is_named(sandbox: SandboxServer) -> None:
    sandbox.add_fault(path_regex="actions/runs", count=50, status=403, body={"message": PERMISSION})
    report = check_source(*declared("github", sandbox))
    assert [line.partition(":")[0] for line in report.missing] == ["actions"]
    sandbox.add_fault(path_regex="actions/runs", count=50, status=403, body={"message": PERMISSION})
    assert check_source(*declared("github", sandbox, workflow_runs=False)).ok


def test_an_owner_or_pattern_that_shows_nothing_is_named(sandbox: SandboxServer) -> None:
    assert "no organisation or user nobody" in check_source(*declared("github", sandbox, organization="nobody")).failure
    assert "matches ['nope-*']" in check_source(*declared("github", sandbox, repositories=["nope-*"])).failure
    assert "there are" in check_source(*declared("jira", sandbox, projects=["NOPE"])).failure
    assert "Severity" in check_source(*declared("jira", sandbox, custom_fields=["Severity of all"])).missing[0]


def github_settings(sandbox: SandboxServer) -> Report:
    report = check_source(*declared("github", sandbox))
    assert report.ok, report.lines()
    return report


def test_without_deployments_another_source_is_proposed(sandbox: SandboxServer) -> None:
    quiet(sandbox, "deployments")
    report = github_settings(sandbox)
    assert report.proposals["dora.deployment_source"] == "workflow_runs"
    assert [line for line in report.found if line.startswith("Workflows that look like deployments: ")]
    assert "No deployments were found in 30 days: choose workflow_runs, releases or merges" in report.needed[0]
    sandbox.reset()
    for part in ("deployments", "releases"):
        quiet(sandbox, part)
    sandbox.add_fault(path_regex="actions/runs", count=50, status=200, body={"total_count": 0, "workflow_runs": []})
    assert github_settings(sandbox).proposals == {"dora.deployment_source": "merges"}


def test_environments_of_another_name_are_proposed(sandbox: SandboxServer) -> None:
    sandbox.add_fault(path_regex="graphql", body_regex="deployments", count=50, replace=['"production"', '"live-eu"'])
    report = github_settings(sandbox)
    assert report.proposals == {"dora.production_environments": [r"^live\-eu$"]}
    assert "live-eu" in report.needed[0]


def test_the_proposals_are_settings_that_the_variable_takes(sandbox: SandboxServer) -> None:
    from pulse.clients.settings import Settings

    quiet(sandbox, "deployments")
    sandbox.add_fault(path_regex="actions/runs", count=50, replace=["[Dd]eploy", "publish"])
    proposed = github_settings(sandbox).proposals
    assert Settings.model_validate(proposed).given() == proposed


def test_types_that_look_like_incidents_are_named(sandbox: SandboxServer) -> None:
    report = check_source(*declared("jira", sandbox))
    assert [line for line in report.found if "look like incidents" in line and "Incident" in line], report.found
    issue = {"id": "1", "fields": {"issuetype": {"name": "Major outage"}, "labels": []}}
    sandbox.add_fault(path_regex="search/jql", status=200, body={"issues": [issue], "isLast": True})
    found = check_source(*declared("jira", sandbox))
    assert found.proposals["dora.incident_rule"]["issue_types"] == ["Major outage"]
    issue["fields"]["issuetype"] = {"name": "Story"}  # type: ignore[index]
    sandbox.add_fault(path_regex="search/jql", status=200, body={"issues": [issue], "isLast": True})
    assert "No issue looks like an incident" in check_source(*declared("jira", sandbox)).needed[0]


def test_who_sees_no_project_hears_which_permission_is_missing(sandbox: SandboxServer) -> None:
    sandbox.add_fault(path_regex="project/search", status=200, body={"isLast": True, "total": 0, "values": []})
    assert "Browse projects" in check_source(*declared("jira", sandbox)).failure


def test_data_center_is_asked_in_its_own_way(sandbox: SandboxServer) -> None:
    integration, _ = declared("jira", sandbox)
    integration = replace(integration, base_url=f"{integration.base_url}/dc")
    report = check_source(integration, Credential(None, "jira_sandbox_acme"))
    assert report.ok, report.lines()
    assert "Data Center" in report.found[0]


def test_a_declaration_that_does_not_fit_is_said_before_the_first_run(sandbox: SandboxServer) -> None:
    wrong = {**DEPLOYS, "fields": {**DEPLOYS["fields"], "created_at": "no_such_field"}}
    report = check_source(*declared("http_json", sandbox, streams=[wrong]))
    assert "do not fit the declaration: created_at" in report.missing[0]


def test_a_type_without_questions_is_not_asked() -> None:
    report = check_source(Integration(0, "a", 0, "gone", "forge", "", "x", {}), GITHUB)
    assert report.ok
    assert "only a run shows" in report.needed[0]


def connection(kind: str, sandbox: SandboxServer, **changes: Any) -> dict[str, Any]:
    extra = {
        "github": {"organization": "acme", "base_url": f"{sandbox.url}/github"},
        "jira": {"base_url": f"{sandbox.url}/jira/acme"},
        "http": {"base_url": f"{sandbox.url}/custom/acme", "path": "none/deployments", "kind": "header"},
    }[kind]
    credential = {"github": GITHUB, "jira": JIRA, "http": CUSTOM}[kind]
    found = {
        "conn_type": f"pulse_{kind}",
        "login": credential.login or "",
        "password": credential.token,
        "extra": extra,
    }
    return found | changes


@pytest.mark.parametrize("kind", ["github", "jira", "http"])
def test_airflow_knows_the_connection_types_and_their_tests(
    kind: str, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through Airflow's own registry, from the metadata beside the plugins."""
    from airflow.models.connection import Connection
    from airflow.providers_manager import ProvidersManager

    info = ProvidersManager().hooks[f"pulse_{kind}"]
    assert info is not None
    assert info.hook_name.startswith("Pulse: ")

    def tested(**changes: Any) -> tuple[bool, str]:
        made = connection(kind, sandbox, **changes)
        monkeypatch.setenv("AIRFLOW_CONN_PULSE_TESTED", json.dumps(made))
        return Connection(**{**made, "extra": json.dumps(made["extra"])}, conn_id="pulse_tested").test_connection()

    good, message = tested()
    assert good, message
    for password, said in (("wrong", "HTTP 401"), ("", "There is no token"), ("***", "There is no token")):
        good, message = tested(password=password)
        assert not good
        assert said in message
    good, message = tested(extra={})
    assert not good
    assert message.startswith("Fill in ")
