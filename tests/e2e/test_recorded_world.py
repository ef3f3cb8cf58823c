"""The recorded world (real payloads) after its run through the whole stack: every record is there."""

from __future__ import annotations

import csv
import json
from typing import Any

import pytest

from pulse import environ
from tests.support.airflow_api import AirflowApi, wait_for
from tests.support.stack import database


@pytest.fixture(scope="module")
def recorded(stack: dict[str, Any], airflow: AirflowApi) -> int:
    """The client's id, once its first run is green."""
    if not any(login["client"] == "recorded" for login in stack["logins"]):
        pytest.skip("no recorded payloads: PULSE_FIXTURES names no folder that exists")
    run = wait_for("a run of the recorded client", lambda: airflow.latest_run("pulse__recorded"), 120)
    assert airflow.wait_run("pulse__recorded", run["dag_run_id"]) == "success"
    with database(stack, "pulse_staff", replica=True) as conn:
        row = conn.execute("select id from core.clients where slug = 'recorded'").fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize(
    ("what", "sql", "expected"),
    [
        (
            "pull requests by state",
            "select jsonb_object_agg(state, n) from (select state, count(*) n from core.github_pull_requests"
            " where client_id = %s group by 1) s",
            {"merged": 26, "closed": 19, "open": 4},
        ),
        ("commits", "select count(*) from core.github_pull_request_commits where client_id = %s", 90),
        ("reviews", "select count(*) from core.github_pull_request_reviews where client_id = %s", 30),
        (
            "issues by project",
            "select jsonb_object_agg(key, n) from (select p.key, count(*) n from core.jira_issues i"
            " join core.jira_projects p on (p.client_id, p.integration_id, p.id)"
            " = (i.client_id, i.integration_id, i.project_id) where i.client_id = %s group by 1) s",
            {"EE": 30, "K5": 3},
        ),
        (
            "the issue with a NUL in its summary",
            "select count(*) from core.jira_issues where client_id = %s and id = 10066 and length(summary) > 5",
            1,
        ),
        ("rejects", "select value from report.trust_panel where indicator = 'rejected_records' and client_id = %s", 0),
    ],
    ids=lambda value: value if isinstance(value, str) and " " in value and len(value) < 40 else "",
)
def test_counts(stack: dict[str, Any], recorded: int, what: str, sql: str, expected: Any) -> None:
    with database(stack, "pulse_staff", replica=True) as conn:
        row = conn.execute(sql, (recorded,)).fetchone()
    assert row is not None
    assert row[0] == expected, what


def test_every_changelog_entry_is_stored(stack: dict[str, Any], recorded: int) -> None:
    csv.field_size_limit(2**31 - 1)
    folder = environ.FIXTURES.get() / "recorded" / "jira"
    with (folder / "issues.csv").open(encoding="utf-8", newline="") as file:
        issues = [json.loads(row["data"]) for row in csv.DictReader(file)]
    expected = {
        (int(issue["id"]), int(entry["id"]), index)
        for issue in issues
        for entry in issue["changelog"]["histories"]
        for index in range(len(entry["items"]))
    }
    assert expected
    with database(stack, "pulse_staff", replica=True) as conn:
        stored = set(
            conn.execute(
                "select issue_id, history_id, item_index from core.jira_issue_changes where client_id = %s", (recorded,)
            ).fetchall()
        )
    assert stored == expected
