"""Jira: a part that fails, or an issue with an odd history, holds nothing else up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pulse.errors import AuthError, UpstreamError
from pulse.sources.base import Credential, Integration
from pulse.sources.jira.data_center import INCOMPLETE
from tests.conftest import SandboxServer
from tests.support.database import TestDatabase
from tests.support.extraction import Pipeline

FIRST, WEEK_LATER = "2026-06-10T12:00:00+00:00", "2026-06-18T12:00:00+00:00"
REJECTS = "select entity, record_id, reason from raw.rejects where replayed_at is null"
Read = Callable[..., Pipeline]


pytestmark = pytest.mark.usefixtures("no_pauses")


@pytest.fixture
def of(db: TestDatabase, sandbox: SandboxServer) -> Read:
    """A client that reads a Jira site, Cloud or Data Center."""

    def made(slug: str = "shop", *, data_center: bool = False) -> Pipeline:
        client_id = db.add_client(slug)
        url = f"{sandbox.url}/jira/acme" + ("/dc" if data_center else "")
        identity = db.add_integration(client_id, "jira", base_url=url, config_data={})
        declared = Integration(client_id, slug, identity, "jira", "jira", url, f"jira__{slug}", {})
        login = None if data_center else "pulse@acme.example"
        return Pipeline(db, client_id, [(declared, Credential(login, "jira_sandbox_acme"))])

    return made


def issues(pipeline: Pipeline) -> int:
    return int(pipeline.rows("select count(*) from raw.jira_issues where deleted_at is null")[0][0])


@pytest.mark.parametrize(
    "answer",
    [{"status": 403}, {"status": 404}, {"status": 500}, {"status": 200, "body": "[1"}, {"status": 200, "body": {}}],
    ids=["403", "404", "500", "cut", "object"],
)
@pytest.mark.parametrize("path", ["rest/api/3/status", "rest/api/3/field", "agile/1.0/board"])
def test_what_is_read_beside_the_issues_may_fail(
    of: Read, sandbox: SandboxServer, path: str, answer: dict[str, Any]
) -> None:
    pipeline = of()
    sandbox.add_fault(path_regex=f"{path}$", count=20, **answer)
    done = pipeline.extract(("jira",))
    assert issues(pipeline) > 50
    assert len(done.warnings) == (0 if (path, answer["status"]) == ("agile/1.0/board", 404) else 1), done.warnings


@pytest.mark.parametrize("path", ["rest/api/3/status", "rest/api/3/field"])
def test_a_refused_token_stops_the_run(of: Read, sandbox: SandboxServer, path: str) -> None:
    pipeline = of()
    sandbox.add_fault(path_regex=f"{path}$", count=20, status=401)
    with pytest.raises(AuthError):
        pipeline.extract(("jira",))


@pytest.mark.parametrize("answer", [{"status": 500}, {"status": 502}, {"status": 200, "body": "[1"}], ids=str)
def test_a_count_that_fails_is_made_by_the_next_run(of: Read, sandbox: SandboxServer, answer: dict[str, Any]) -> None:
    sandbox.set_clock(FIRST)
    pipeline = of()
    pipeline.extract(("jira",))
    sandbox.mutate("acme", 5, 2, actions=["delete_jira_issue"])
    sandbox.set_clock(WEEK_LATER)
    sandbox.add_fault(path_regex="search/jql", body_regex=r'"project = \d+ ORDER', count=200, **answer)
    (warning,) = pipeline.extract(("jira",)).warnings
    assert "the count of the issues could not be read, everything else was" in warning
    gone = "select count(*) from raw.jira_issues where deleted_at is not null"
    assert pipeline.rows(gone) == [(0,)]
    sandbox.faults_end()
    assert pipeline.extract(("jira",)).warnings == []
    assert pipeline.rows(gone) == [(2,)]


@pytest.mark.parametrize("data_center", [False, True], ids=["cloud", "data center"])
def test_a_list_that_nobody_can_read_names_the_project(of: Read, sandbox: SandboxServer, data_center: bool) -> None:
    pipeline = of(data_center=data_center)
    sandbox.add_fault(path_regex="rest/api/[23]/search", count=200, status=502)
    with pytest.raises(UpstreamError, match=r"client shop, jira: .*(cannot be read|does not answer)"):
        pipeline.extract(("jira",))


@pytest.mark.parametrize("answer", [{"status": 500}, {"status": 403}, {"status": 200, "body": "no"}], ids=str)
def test_an_issue_that_was_rejected_before_may_fail_again(
    of: Read, sandbox: SandboxServer, answer: dict[str, Any]
) -> None:
    pipeline = of()
    spoilt = [{"path": ["issues", 0, "fields", "created"], "value": "yesterday"}]
    sandbox.add_fault(path_regex="issue/bulkfetch", count=1, changes=spoilt)
    pipeline.extract(("jira",))
    ((_, issue, _),) = pipeline.rows(REJECTS)
    sandbox.add_fault(path_regex="issue/bulkfetch", body_regex=rf'\["{issue}"\]', count=20, **answer)
    (warning,) = pipeline.extract(("jira",)).warnings or [""]
    assert "issues that could not be read before could not be read" in warning or answer["status"] == 200
    assert [row[1] for row in pipeline.rows(REJECTS)][:1] == [issue]
    sandbox.faults_end()
    assert pipeline.extract(("jira",)).warnings == []
    assert pipeline.rows(REJECTS) == []


@pytest.mark.parametrize(
    "changelog",
    [None, [], "none", {"total": 101, "histories": "many"}, {"total": 10**6, "histories": []}, {"total": 3}],
    ids=str,
)
def test_an_issue_without_its_complete_history_holds_no_other_up(
    of: Read, sandbox: SandboxServer, changelog: Any
) -> None:
    pipeline = of(data_center=True)
    spoilt = [{"path": ["issues", 0, "changelog"], "value": changelog}]
    sandbox.add_fault(path_regex="dc/rest/api/2/search", count=1, changes=spoilt)
    pipeline.extract(("jira",))
    ((entity, _, reason),) = pipeline.rows(REJECTS)
    assert (entity, reason) == ("jira_changelogs", INCOMPLETE)
    pipeline.extract(("jira",))
    assert pipeline.rows(REJECTS) == [], "the next run asks for it again"
    calm = of("calm", data_center=True)
    calm.extract(("jira",))
    assert pipeline.snapshot() == calm.snapshot()


@pytest.mark.parametrize("count", [1, 1000])
def test_a_changelog_of_another_issue_is_asked_for_again(of: Read, sandbox: SandboxServer, count: int) -> None:
    pipeline = of()
    foreign = [{"path": ["issueChangeLogs", 0, "issueId"], "value": "1"}]
    sandbox.add_fault(path_regex="changelog/bulkfetch", count=count, changes=foreign)
    pipeline.extract(("jira",))
    sandbox.faults_end()
    calm = of("calm")
    calm.extract(("jira",))
    entries = "select record_id from raw.jira_changelogs order by 1"
    assert pipeline.rows(entries) == calm.rows(entries)
    assert pipeline.rows(REJECTS) == []
