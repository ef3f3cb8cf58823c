"""A page that nobody can read, at GitHub and Jira: whichever way its list goes on, everything else of it is read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pulse.sources.base import Credential
from pulse.sources.jira.endpoints import PROJECTS
from pulse.sources.registry import source_for
from tests.conftest import SandboxServer
from tests.support.database import TestDatabase
from tests.support.extraction import Pipeline
from tests.support.github import count, github, numbers_come

pytestmark = pytest.mark.usefixtures("no_pauses")

REJECTS = "select entity, record_id from raw.rejects where replayed_at is null order by 1, 2"
FAILURES: list[dict[str, Any]] = [{"status": 502}, {"status": 500}, {"status": 200, "body": '{"data": NaN'}]


def jira(db: TestDatabase, sandbox: SandboxServer, slug: str = "acme", *, data_center: bool = False) -> Pipeline:
    pipeline = Pipeline.of(db, sandbox.url, "acme", slug)
    integration, _ = pipeline.integrations[1]
    url = f"{sandbox.url}/jira/acme{'/dc' if data_center else ''}"
    credential = Credential(None if data_center else "pulse@acme.example", "jira_sandbox_acme")
    pipeline.integrations = [(replace(integration, base_url=url), credential)]
    return pipeline


def issues(pipeline: Pipeline) -> set[str]:
    return {row[0] for row in pipeline.rows("select record_id from raw.jira_issues where deleted_at is null")}


@pytest.mark.parametrize("failure", FAILURES, ids=str)
@pytest.mark.parametrize("stream", ["pull_requests", "deployments", "issues", "releases"])
def test_a_record_of_a_connection_that_is_not_even_identified(
    db: TestDatabase, sandbox: SandboxServer, stream: str, failure: dict[str, Any]
) -> None:
    """Only the query for the next page's cursor, without any field of the record, is answered."""
    query = {"pull_requests": "PullRequests", "deployments": "Deployments", "issues": "Issues", "releases": "Releases"}
    calm = github(db, sandbox, slug="calm", workflow_runs=False)
    calm.extract()
    pipeline = github(db, sandbox, workflow_runs=False)
    name = query[stream]
    sandbox.add_fault(path_regex="graphql", body_regex=rf"query {name}(Bare)?\(", count=16, **failure)
    pipeline.extract()
    assert count(pipeline, stream) > 0
    rejected = [row for row in pipeline.rows(REJECTS) if row[0] == f"github_{stream}"]
    assert count(pipeline, stream) + len(rejected) >= count(calm, stream) > count(pipeline, stream) - 1
    numbers_come(pipeline)
    sandbox.faults_end()
    sandbox.mutate("acme", 3, actions=["open_pull_request"], repository="billing", steps=1)
    pipeline.extract()
    calm.extract()
    assert count(pipeline, stream) == count(calm, stream)


@pytest.mark.parametrize("failure", [{"status": 502}, {"status": 200, "body": "{ broken"}], ids=str)
def test_behind_a_page_of_jiras_list_it_is_read_from_the_other_end(
    db: TestDatabase, sandbox: SandboxServer, failure: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pulse.sources.jira.endpoints.SEARCH_PAGE", 10)
    calm = jira(db, sandbox, "calm")
    calm.extract(("jira",))
    pipeline = jira(db, sandbox)
    # The pages behind the first, in ascending order only.
    sandbox.add_fault(
        path_regex="search/jql", body_regex=r"(?s)(ASC.*nextPageToken|nextPageToken.*ASC)", count=1000, **failure
    )
    (*_, warning) = [one for one in pipeline.extract(("jira",)).warnings if "listed" in one] or [""]
    assert warning == "", "from its other end, the whole list was read"
    assert issues(pipeline) == issues(calm)
    pipeline.transform()


def test_what_neither_end_of_the_list_shows_is_listed_again(
    db: TestDatabase, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pulse.sources.jira.endpoints.SEARCH_PAGE", 10)
    calm = jira(db, sandbox, "calm")
    calm.extract(("jira",))
    pipeline = jira(db, sandbox)
    sandbox.add_fault(path_regex="search/jql", body_regex="nextPageToken", count=1000, status=502)
    assert [one for one in pipeline.extract(("jira",)).warnings if "some issues could not be listed" in one]
    assert 10 <= len(issues(pipeline)) < len(issues(calm))
    sandbox.faults_end()
    pipeline.extract(("jira",))
    assert issues(pipeline) == issues(calm)
    assert pipeline.extract(("jira",)).rows_written == 0


def test_the_token_in_a_page_that_cannot_be_read_leads_on(
    db: TestDatabase, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pulse.sources.jira.endpoints.SEARCH_PAGE", 10)
    calm = jira(db, sandbox, "calm")
    calm.extract(("jira",))
    bad = sorted(issues(calm), key=int)[15]
    pipeline = jira(db, sandbox)
    sandbox.add_fault(path_regex="search/jql", count=1000, replace=[rf'"id":"{bad}"', '"id":NaN'])
    assert [one for one in pipeline.extract(("jira",)).warnings if "some issues could not be listed" in one]
    assert issues(pipeline) == issues(calm) - {bad}
    sandbox.faults_end()
    pipeline.extract(("jira",))
    assert issues(pipeline) == issues(calm)


@pytest.mark.parametrize("status", [500, 502, None], ids=["500", "502", "data center"])
def test_issues_that_jira_cannot_answer_for(db: TestDatabase, sandbox: SandboxServer, status: int | None) -> None:
    """Six in a row, which is more than chance: Jira answers for others."""
    calm = jira(db, sandbox, "calm", data_center=status is None)
    calm.extract(("jira",))
    bad = sorted(issues(calm), key=int)[20:26]
    pipeline = jira(db, sandbox, data_center=status is None)
    if status is None:
        pattern = rf'"id":"({"|".join(bad)})",(?:(?!"summary").)*?"summary":'
        sandbox.add_fault(path_regex="api/2/search", count=10_000, replace=[pattern, '"summary":NaN'])
    else:
        names = rf'(?s)"({"|".join(bad)})".*"summary"'
        sandbox.add_fault(path_regex="issue/bulkfetch", body_regex=names, count=10_000, status=status)
    pipeline.extract(("jira",))
    assert issues(pipeline) == issues(calm) - set(bad)
    assert {row[1] for row in pipeline.rows(REJECTS)} == set(bad)
    pipeline.transform()
    sandbox.faults_end()
    pipeline.extract(("jira",))
    assert issues(pipeline) == issues(calm)
    assert pipeline.rows(REJECTS) == []


def test_a_project_that_cannot_be_read_leaves_the_others(db: TestDatabase, sandbox: SandboxServer) -> None:
    pipeline = jira(db, sandbox, data_center=True)
    sandbox.add_fault(path_regex="api/2/project$", count=1000, replace=[r"^\[", '[{"id":NaN,"key":"OPS"},'])
    assert [one for one in pipeline.extract(("jira",)).warnings if "1 projects of jira are not read" in one]
    assert len(issues(pipeline)) > 50
    assert pipeline.rows(REJECTS) == [("jira_projects", None)]
    sandbox.faults_end()
    pipeline.extract(("jira",))
    assert pipeline.rows(REJECTS) == []


def test_a_project_of_the_cloud_that_cannot_be_read_leaves_the_others(
    db: TestDatabase, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sandbox has one project at a site, so the answer that nobody can read is one about nothing."""
    pipeline = jira(db, sandbox)
    source = source_for("jira")(*pipeline.integrations[0], db.connect("pulse_etl"))
    real = source.jira.get
    monkeypatch.setattr(
        source.jira,
        "get",
        lambda path, *, heavy=False, **params: (
            real(path, heavy=heavy, **params)
            if path != PROJECTS
            else real(path, heavy=heavy, startAt=max(0, params["startAt"] - 1), maxResults=params["maxResults"])
            if params["startAt"]
            else real("nowhere/project", heavy=heavy)
        ),
    )
    sandbox.add_fault(path_regex="nowhere", count=1000, status=200, body="{ broken")
    assert [scope.label for scope in source.discover()] == ["ACM"]
    assert [one for one in source.stats.warnings if "1 projects of jira are not read" in one]
    assert pipeline.rows(REJECTS) == [("jira_projects", None)]


def test_one_attempt_of_a_run_that_fails_leaves_the_others(db: TestDatabase, sandbox: SandboxServer) -> None:
    calm = github(db, sandbox, slug="calm")
    calm.extract()
    runs = "select record_id from raw.github_workflow_runs where record_id not like '%%:1' order by 1"
    repeated = [row[0].partition(":")[0] for row in calm.rows(runs)]
    assert len(repeated) > 1
    pipeline = github(db, sandbox)
    sandbox.add_fault(path_regex=f"runs/{repeated[-1]}/attempts", count=50, status=500)
    assert [one for one in pipeline.extract().warnings if "a workflow run could not be read" in one]
    assert count(calm, "workflow_runs") - count(pipeline, "workflow_runs") == 1
    sandbox.faults_end()
    sandbox.mutate("acme", 3, actions=["open_pull_request"], repository="billing", steps=1)
    pipeline.extract()
    calm.extract()
    assert count(pipeline, "workflow_runs") == count(calm, "workflow_runs")
