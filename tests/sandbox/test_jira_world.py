"""The sandbox's Jira as Data Center, its boards and sprints, and how its search can misbehave."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.conftest import SandboxServer


def data_center(
    sandbox: SandboxServer, path: str, token: str = "jira_sandbox_acme", **params: Any
) -> requests.Response:
    url = f"{sandbox.url}/jira/acme/dc/{path}"
    return requests.get(url, params=params, headers={"Authorization": f"Bearer {token}"}, timeout=30)


def cloud(sandbox: SandboxServer, path: str, **params: Any) -> requests.Response:
    auth = ("pulse@acme.example", "jira_sandbox_acme")
    return requests.get(f"{sandbox.url}/jira/acme/{path}", params=params, auth=auth, timeout=30)


def search(sandbox: SandboxServer, jql: str, **params: Any) -> Any:
    return data_center(sandbox, "rest/api/2/search", jql=jql, fields="id", **params).json()


def test_data_center_identifies_itself_to_its_own_tokens(sandbox: SandboxServer) -> None:
    assert data_center(sandbox, "rest/api/2/serverInfo").json()["deploymentType"] == "Server"
    assert cloud(sandbox, "rest/api/2/serverInfo").json()["deploymentType"] == "Cloud"
    assert data_center(sandbox, "rest/api/2/serverInfo", token="jira_sandbox_techcorp").status_code == 401
    assert data_center(sandbox, "rest/api/3/search/jql").status_code == 404
    assert isinstance(data_center(sandbox, "rest/api/2/project").json(), list)


def test_data_center_searches_after_an_issue(sandbox: SandboxServer) -> None:
    whole = search(sandbox, "project = ACM", maxResults=1000)
    assert len(whole["issues"]) == min(500, whole["total"]) == whole["maxResults"]
    first = search(sandbox, "project = ACM ORDER BY id ASC", maxResults=3)["issues"]
    rest = search(sandbox, f"project = ACM AND id > {first[-1]['id']} ORDER BY id ASC", maxResults=1)
    assert rest["total"] == whole["total"] - 3
    assert int(rest["issues"][0]["id"]) > int(first[-1]["id"])


def test_an_unknown_id_is_an_error_unless_validation_is_off(sandbox: SandboxServer) -> None:
    there = search(sandbox, "project = ACM", maxResults=1)["issues"][0]["id"]
    assert "does not exist" in search(sandbox, f"id in ({there}, 1)")["errorMessages"][0]
    assert search(sandbox, f"id in ({there}, 1)", validateQuery="false")["total"] == 1
    assert "does not exist" in search(sandbox, "project = ACM AND id > 1")["errorMessages"][0]


def test_changelogs_are_complete_and_people_have_no_account_id(sandbox: SandboxServer) -> None:
    answer = data_center(sandbox, "rest/api/2/search", jql="project = ACM", expand="changelog", maxResults=50).json()
    for issue in answer["issues"]:
        assert len(issue["changelog"]["histories"]) == issue["changelog"]["total"]
        assert "accountId" not in issue["fields"]["assignee"]
        assert issue["fields"]["description"] is None or isinstance(issue["fields"]["description"], str)


@pytest.mark.parametrize("ask", [cloud, data_center])
def test_boards_have_sprints_of_two_weeks(sandbox: SandboxServer, ask: Any) -> None:
    boards = ask(sandbox, "rest/agile/1.0/board").json()["values"]
    assert [board["type"] for board in boards] == ["scrum", "kanban"]
    assert all(("location" in board) == (ask is cloud) for board in boards)
    path = f"rest/agile/1.0/board/{boards[0]['id']}/sprint"
    assert [one["state"] for one in ask(sandbox, path, state="active,future").json()["values"]] == ["active", "future"]
    everything = ask(sandbox, path, startAt=5, maxResults=10).json()
    assert (len(everything["values"]), everything["isLast"]) == (10, False)
    sprint = everything["values"][0]
    assert ask(sandbox, f"rest/agile/1.0/sprint/{sprint['id']}").json() == sprint
    assert ask(sandbox, "rest/agile/1.0/sprint/1").status_code == 404
    assert ask(sandbox, f"rest/agile/1.0/board/{boards[1]['id']}/sprint").status_code == 400


def test_a_lagging_search_leaves_out_recent_changes(sandbox: SandboxServer) -> None:
    before = search(sandbox, "project = ACM")["total"]
    sandbox._post("settings", {"search_lag_seconds": 14 * 24 * 3600})
    assert search(sandbox, "project = ACM")["total"] < before
    sandbox.reset()
    assert search(sandbox, "project = ACM")["total"] == before
