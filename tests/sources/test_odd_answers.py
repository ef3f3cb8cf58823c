"""Answers that cannot be read, or only in part: everything else is read, and what could not be is kept with the reason."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pulse.errors import AuthError, PulseError, UpstreamError
from pulse.sources.base import Credential
from pulse.sources.bounds import decode
from tests.conftest import SandboxServer
from tests.support.database import TestDatabase
from tests.support.extraction import Pipeline

# What a server was seen to put where a value belongs, as Latin-1.
UNREADABLE = {
    "NaN": ":NaN",
    "infinity": ":-Infinity",
    "another character set": ':"Gr\xfc\xdfe"',
    "a control character": ':"a\x01b"',
    "nothing": ":",
    "half an escape": ':"\\u12"',
}
READABLE = {"half a surrogate pair": ':"\\ud800 fix"', "a number beyond a double": ":1e400"}


pytestmark = pytest.mark.usefixtures("no_pauses")


def checkout(db: TestDatabase, sandbox: SandboxServer, **config: Any) -> Pipeline:
    pipeline = Pipeline.of(db, sandbox.url, "acme", repositories=["billing"])
    pipeline.integrations[0][0].config.update(config)
    return pipeline


def rejects(pipeline: Pipeline, entity: str) -> list[tuple[Any, ...]]:
    return pipeline.rows(
        "select record_id, payload, reason from raw.rejects where entity = %s and replayed_at is null order by 1",
        entity,
    )


@pytest.mark.parametrize(
    ("body", "charset", "expected"),
    [
        (b'\xef\xbb\xbf{"a": 1}', "", {"a": 1}),
        ('{"a": "ü"}'.encode("utf-16"), "", {"a": "ü"}),
        ('{"a": "ü"}'.encode("utf-32"), "", {"a": "ü"}),
        ('{"a": "ü"}'.encode("latin-1"), "iso-8859-1", {"a": "ü"}),
        ('{"a": "ü"}'.encode("cp1252"), "windows-1252", {"a": "ü"}),
        ('{"a": "ü"}'.encode(), "iso-8859-1", {"a": "ü"}),  # the name is wrong
        (rb'{"a": "\ud800x\udc00"}', "", {"a": "\ufffdx\ufffd"}),
        (rb'{"a": "\ud83d\ude00 \\ud800"}', "", {"a": "\N{GRINNING FACE} \\ud800"}),
        (b'{"a": 1e400, "b": -1.5E+999, "c": 2}', "", {"a": "1e400", "b": "-1.5E+999", "c": 2}),
    ],
)
def test_legal_json_is_read(body: bytes, charset: str, expected: Any) -> None:
    assert decode(body, charset)[0] == expected


@pytest.mark.parametrize(
    ("body", "charset"),
    [(b"", ""), (b"[1", ""), (b"[NaN]", ""), ('["ü"]'.encode("latin-1"), ""), ('["ü"]'.encode("latin-1"), "rot13")],
)
def test_what_is_no_json_is_refused(body: bytes, charset: str) -> None:
    with pytest.raises(ValueError):
        decode(body, charset)


@pytest.mark.parametrize("odd", ["NaN", "another character set", *READABLE])
@pytest.mark.parametrize(
    ("query", "field", "entity"),
    [
        ("PullRequests", "title", "github_pull_requests"),
        ("Deployments", "environment", "github_deployments"),
        ("Releases", "name", "github_releases"),
        ("Issues", "title", "github_issues"),
    ],
)
def test_one_record_that_cannot_be_read_holds_no_other_up(
    db: TestDatabase, sandbox: SandboxServer, odd: str, query: str, field: str, entity: str
) -> None:
    """One record of a stream is spoiled in every answer that has its field. A pull request is then read from REST."""
    pipeline, calm = checkout(db, sandbox), Pipeline.of(db, sandbox.url, "acme", "calm", repositories=["billing"])
    calm.extract(("github",))
    ((value, record),) = calm.rows(
        f"select payload ->> '{field}', record_id from raw.{entity} where payload ->> '{field}' ~ '^[ -~]+$'"
        f" order by payload ->> 'createdAt' limit 1 offset 3"
    )
    id_field = "databaseId" if entity in ("github_deployments", "github_releases") else "fullDatabaseId"
    assert value
    pattern = rf'("{id_field}":"?{record}"?,(?:(?!"{id_field}").)*?"{field}"):"(?:[^"\\]|\\.)*"'
    sandbox.add_fault(
        path_regex="/github/graphql",
        body_regex=rf"query {query}(ById)?\(",
        count=10_000,
        replace=[pattern, f'"{id_field}":"{record}","{field}"' + (UNREADABLE | READABLE)[odd]],
    )
    pipeline.extract(("github",))
    expected = {row[0] for row in calm.rows(f"select record_id from raw.{entity}")}
    stored = {row[0] for row in pipeline.rows(f"select record_id from raw.{entity}")}
    refused = rejects(pipeline, entity)
    assert stored | {row[0] for row in refused} == expected
    assert expected - stored <= {record}
    if odd in UNREADABLE and query != "PullRequests":
        assert [row[0] for row in refused] == [record]
        assert "cannot be read" in refused[0][2]
        assert f'\\"{field}\\"' in refused[0][1]
    for table in ("github_commits", "github_tags", "github_workflow_runs"):
        assert pipeline.snapshot()[table] == [(*row[:3], row[3]) for row in calm.snapshot()[table]]
    pipeline.transform()
    assert pipeline.rows("select count(*) > 5 from core.changes") == [(True,)]
    sandbox.reset()
    pipeline.extract(("github",))
    assert rejects(pipeline, entity) == []
    if odd in UNREADABLE:
        assert pipeline.snapshot()[entity] == calm.snapshot()[entity]


@pytest.mark.parametrize(
    ("query", "body"),
    [
        *(("PullRequests", body) for body in ("", '{"data": {"node"', "[]", "{}", '{"data": {}}')),
        *((query, '{"data": NaN}') for query in ("History", "Tags", "Repositories", "Census", "Jobs", "Drain")),
        *((query, '{"data": {"node": {}}}') for query in ("History", "Tags", "Deployments", "Census")),
    ],
)
def test_answers_that_cannot_be_read_for_a_while_lose_nothing(
    db: TestDatabase, sandbox: SandboxServer, query: str, body: str
) -> None:
    pipeline, calm = checkout(db, sandbox), Pipeline.of(db, sandbox.url, "acme", "calm", repositories=["billing"])
    sandbox.add_fault(path_regex="/github/", body_regex=rf"query {query}\(", count=3, status=200, body=body)
    pipeline.extract(("github",))
    sandbox.reset()
    pipeline.extract(("github",))
    calm.extract(("github",))
    assert pipeline.snapshot() == calm.snapshot()
    assert pipeline.rows("select count(*) from raw.rejects where replayed_at is null") == [(0,)]


@pytest.mark.parametrize("odd", ["NaN", "another character set"])
@pytest.mark.parametrize("data_center", [False, True])
def test_one_issue_that_cannot_be_read_holds_no_other_up(
    db: TestDatabase, sandbox: SandboxServer, odd: str, data_center: bool
) -> None:
    pipeline = jira(db, sandbox, "acme", data_center)
    calm = jira(db, sandbox, "calm", data_center)
    calm.extract(("jira",))
    expected = [row[0] for row in calm.rows("select record_id from raw.jira_issues order by 1")]
    record = expected[40]
    pattern = rf'("id":"{record}",(?:(?!"summary").)*?"summary"):"(?:[^"\\]|\\.)*"'
    instead = f'"id":"{record}","summary"{UNREADABLE[odd]}'
    sandbox.add_fault(path_regex="bulkfetch|api/2/search", count=10_000, replace=[pattern, instead])
    pipeline.extract(("jira",))
    stored = [row[0] for row in pipeline.rows("select record_id from raw.jira_issues order by 1")]
    assert stored == [one for one in expected if one != record]
    assert [(row[0], "cannot be read" in row[2]) for row in rejects(pipeline, "jira_issues")] == [(record, True)]
    pipeline.transform()
    sandbox.reset()
    pipeline.extract(("jira",))
    assert rejects(pipeline, "jira_issues") == []
    assert pipeline.snapshot()["jira_issues"] == calm.snapshot()["jira_issues"]
    assert pipeline.snapshot()["jira_changelogs"] == calm.snapshot()["jira_changelogs"]


def test_a_history_that_cannot_be_read_holds_no_other_up(db: TestDatabase, sandbox: SandboxServer) -> None:
    pipeline, calm = jira(db, sandbox, "acme"), jira(db, sandbox, "calm")
    calm.extract(("jira",))
    ((entry, issue),) = calm.rows(
        "select payload ->> 'id', payload ->> 'issueId' from raw.jira_changelogs order by 1 limit 1 offset 70"
    )
    sandbox.add_fault(path_regex="changelog", count=10_000, replace=[rf'"id":"{entry}"', '"id":NaN'])
    pipeline.extract(("jira",))
    stored = {row[0] for row in pipeline.rows("select record_id from raw.jira_changelogs")}
    expected = {row[0] for row in calm.rows("select record_id from raw.jira_changelogs")}
    assert expected - stored == {f"{issue}:{entry}"}
    assert [row[0] for row in rejects(pipeline, "jira_changelogs")] == [issue]
    sandbox.reset()
    pipeline.extract(("jira",))
    assert rejects(pipeline, "jira_changelogs") == []
    assert pipeline.snapshot()["jira_changelogs"] == calm.snapshot()["jira_changelogs"]


def jira(db: TestDatabase, sandbox: SandboxServer, slug: str, data_center: bool = False) -> Pipeline:
    pipeline = Pipeline.of(db, sandbox.url, "acme") if slug == "acme" else None
    if pipeline is None:
        pipeline = Pipeline.of(db, sandbox.url, "acme", slug="calm")
    integration, credential = pipeline.integrations[1]
    url = f"{sandbox.url}/jira/acme"
    if data_center:
        url, credential = f"{url}/dc", Credential(None, "jira_sandbox_acme")
    else:
        credential = Credential("pulse@acme.example", "jira_sandbox_acme")
    pipeline.integrations = [(replace(integration, base_url=url), credential)]
    return pipeline


@pytest.mark.parametrize("path", ["project/search", "3/status", "3/field", "agile/1.0/board", "board/\\d+/sprint"])
def test_no_content_is_an_empty_list(db: TestDatabase, sandbox: SandboxServer, path: str) -> None:
    pipeline = jira(db, sandbox, "acme")
    sandbox.add_fault(path_regex=path, status=204, body="")
    if path == "project/search":
        with pytest.raises(PulseError, match="no project matches"):
            pipeline.extract(("jira",))
        return
    pipeline.extract(("jira",))
    assert pipeline.rows("select count(*) > 100 from raw.jira_issues") == [(True,)]


def test_no_content_is_an_empty_list_at_github(db: TestDatabase, sandbox: SandboxServer) -> None:
    pipeline = checkout(db, sandbox)
    sandbox.add_fault(path_regex="actions/runs", count=50, status=204, body="")
    assert pipeline.extract(("github",)).warnings == []
    assert pipeline.rows("select count(*) from raw.github_workflow_runs") == [(0,)]


@pytest.mark.parametrize("odd", ["NaN", "another character set"])
def test_one_workflow_run_that_cannot_be_read(db: TestDatabase, sandbox: SandboxServer, odd: str) -> None:
    pipeline, calm = checkout(db, sandbox), Pipeline.of(db, sandbox.url, "acme", "calm", repositories=["billing"])
    calm.extract(("github",))
    ((run,),) = calm.rows("select payload ->> 'id' from raw.github_workflow_runs order by 1 limit 1 offset 9")
    pattern = rf'("id":{run},(?:(?!"name").)*?"name"):"(?:[^"\\]|\\.)*"'
    sandbox.add_fault(path_regex="actions/runs", count=10_000, replace=[pattern, f'"id":{run},"name"{UNREADABLE[odd]}'])
    pipeline.extract(("github",))
    stored = {row[0].split(":")[0] for row in pipeline.rows("select record_id from raw.github_workflow_runs")}
    expected = {row[0].split(":")[0] for row in calm.rows("select record_id from raw.github_workflow_runs")}
    assert expected - stored == {run}
    ((_, payload, reason),) = rejects(pipeline, "github_workflow_runs")
    assert run in payload
    assert "cannot be read" in reason


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("<!DOCTYPE html><html><head><title>Sign in to your account</title></head></html>", "a sign-in page"),
        ("\n <html><body><form action='/login'><input type=password></form></body></html>", "a sign-in page"),
        ("<html><head><title>Just a moment...</title></head></html>", "a CAPTCHA"),
        ("<html><body><div class='g-recaptcha'></div></body></html>", "a CAPTCHA"),
    ],
)
@pytest.mark.parametrize("status", [200, 403])
def test_a_page_for_people_is_named(
    db: TestDatabase, sandbox: SandboxServer, page: str, words: str, status: int
) -> None:
    pipeline = checkout(db, sandbox)
    sandbox.add_fault(path_regex="/github/", count=1, status=status, body=page)
    with pytest.raises((UpstreamError, AuthError), match=words) as caught:
        pipeline.extract(("github",))
    assert "acme" in str(caught.value)
    assert sandbox.calls() == 0, "it is not asked again"


def test_jiras_captcha_is_named(db: TestDatabase, sandbox: SandboxServer) -> None:
    headers = {"X-Authentication-Denied-Reason": "CAPTCHA_CHALLENGE; login-url=https://x.example/login.jsp"}
    sandbox.add_fault(path_regex="project/search", status=403, headers=headers, body="")
    with pytest.raises(AuthError, match="solve the CAPTCHA"):
        jira(db, sandbox, "acme").extract(("jira",))
