"""GitHub's and Jira's webhooks: signed, new, and no more than a reason to look."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from pulse.ingest import limits
from pulse.sources.base import Scope
from pulse.sources.registry import source_for
from tests.conftest import SandboxServer
from tests.ingest.conftest import Push
from tests.support.airflow_api import wait_for
from tests.support.database import TestDatabase
from tests.support.extraction import Pipeline

DEPLOYED = {"action": "created", "deployment": {"id": 5}, "repository": {"id": 1001, "full_name": "acme/shop"}}


def issue(age_seconds: float = 0) -> dict[str, Any]:
    fields = {"project": {"id": "10001", "key": "OPS"}}
    stamp = int((time.time() - age_seconds) * 1000)
    return {"timestamp": stamp, "webhookEvent": "jira:issue_updated", "issue": {"id": "1", "fields": fields}}


def moves(push: Push) -> list[tuple[Any, ...]]:
    return push.rows("select scope_key, stream from core.ingest_moves order by 1, 2")


def test_a_signed_webhook_of_github_marks_the_repository_and_starts_a_run(push: Push) -> None:
    answer = push.webhook(push.key("acme", "github").secret, DEPLOYED)
    assert answer.status_code == 202, answer.text
    assert answer.json() == {"moved": ["deployments"]}
    assert moves(push) == [("1001", "deployments")]
    wait_for("a run", lambda: push.started, 10, 0.05)
    assert push.started == ["acme"]


def test_a_signed_webhook_of_jira_marks_the_project_and_starts_a_run(push: Push) -> None:
    answer = push.webhook(push.key("acme", "jira").secret, issue(), "jira")
    assert answer.status_code == 202, answer.text
    assert moves(push) == [("10001", "issues")]
    wait_for("a run", lambda: push.started, 10, 0.05)


@pytest.mark.parametrize(
    ("event", "more", "streams"),
    [
        ("push", {}, ["history", "tags"]),
        ("deployment_status", {}, ["deployments"]),
        ("pull_request", {}, ["pull_requests"]),
        ("release", {}, ["releases"]),
        ("workflow_run", {"action": "completed"}, ["workflow_runs"]),
        ("workflow_run", {"action": "in_progress"}, []),
        ("ping", {}, []),
        ("star", {}, []),
        ("deployment", {"repository": None}, []),
        ("deployment", {"repository": {"id": "../1"}}, []),
        ("deployment", {"repository": {"id": True}}, []),
        ("deployment", {"repository": {"id": 10**30}}, []),
    ],
)
def test_events_mark_what_they_are_about(push: Push, event: str, more: dict[str, Any], streams: list[str]) -> None:
    answer = push.webhook(push.key("acme", "github").secret, DEPLOYED | more, **{"X-GitHub-Event": event})
    assert (answer.status_code, answer.json()) == (202, {"moved": streams})
    assert [stream for _, stream in moves(push)] == streams


@pytest.mark.parametrize("body", [b"[]", b"null", b"17", b'"x"', b'{"repository": [1]}', b'{"timestamp": "soon"}'])
@pytest.mark.parametrize("kind", ["github", "jira"])
def test_an_odd_payload_that_is_signed_marks_nothing(push: Push, kind: str, body: bytes) -> None:
    answer = push.webhook(push.key("acme", kind).secret, body, kind)
    assert (answer.status_code, answer.json()) == (202, {"moved": []})
    assert moves(push) == []


@pytest.mark.parametrize("kind", ["github", "jira"])
def test_the_same_delivery_is_not_taken_twice(push: Push, kind: str) -> None:
    secret, payload = push.key("acme", kind).secret, DEPLOYED if kind == "github" else issue()
    assert push.webhook(secret, payload, kind, "one").status_code == 202
    again = push.webhook(secret, payload, kind, "one")
    renamed = push.webhook(secret, payload, kind, "another id, which nobody signed")
    assert again.status_code == renamed.status_code == 409
    other = {**payload, "sender": {"login": "ada"}}
    assert push.webhook(secret, other, kind, "one").status_code == 409, "nor is its id used for another"
    assert push.webhook(secret, other, kind, "two").status_code == 202


@pytest.mark.parametrize(("age", "status"), [(0, 202), (3600, 202), (25 * 3600, 409), (-3600, 409)])
def test_an_old_webhook_of_jira_is_not_taken(push: Push, age: float, status: int) -> None:
    assert push.webhook(push.key("acme", "jira").secret, issue(age), "jira").status_code == status


@pytest.mark.parametrize("stamp", [0, -1, 10**17, "9" * 400 + ', "x": NaN'], ids=lambda stamp: str(stamp)[:9])
def test_a_moment_that_is_none_is_not_a_recent_one(push: Push, stamp: int | str) -> None:
    body = f'{{"timestamp": {stamp}, "webhookEvent": "jira:issue_updated"}}'.encode()
    assert push.webhook(push.key("acme", "jira").secret, body, "jira").status_code == 409


SIGNATURES = [
    "",
    "sha256=",
    "sha256=" + "0" * 64,
    "sha1=" + "0" * 40,
    "0" * 64,
    "sha256=" + "g" * 64,
    "sha256=" + "0" * 63,
]


@pytest.mark.parametrize("signature", SIGNATURES)
@pytest.mark.parametrize(("kind", "header"), [("github", "X-Hub-Signature-256"), ("jira", "X-Hub-Signature")])
def test_a_wrong_signature_is_refused(push: Push, kind: str, header: str, signature: str) -> None:
    answer = push.webhook(push.key("acme", kind).secret, DEPLOYED, kind, **{header: signature})
    assert answer.status_code == 401
    assert moves(push) == []


def test_the_older_signature_of_github_is_not_enough(push: Push) -> None:
    answer = push.webhook(push.key("acme", "github").secret, DEPLOYED, **{"X-Hub-Signature-256": ""})
    assert answer.status_code == 401


def test_a_secret_opens_one_source_of_one_client(push: Push) -> None:
    mine = push.key("acme", "github").secret
    push.key("globex", "github")
    answers = [push.webhook(mine, DEPLOYED, slug=slug) for slug in ("globex", "nobody")]
    answers.append(push.webhook(mine, DEPLOYED, "jira"))
    answers.append(push.webhook(push.key("acme").secret, DEPLOYED))
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1, "the answer does not say whether there is such a client"


def test_a_large_body_does_not_tell_which_clients_there_are(push: Push) -> None:
    push.key("acme", "github")
    large = b" " * (limits.BODY_BYTES + 1)
    for body in (large, json.dumps(DEPLOYED).encode()):
        answers = [push.webhook("guessed", body, slug=slug) for slug in ("acme", "globex", "nobody")]
        assert len({(answer.status_code, answer.text) for answer in answers}) == 1


def test_a_revoked_secret_is_refused_and_two_are_good_while_one_is_changed(push: Push) -> None:
    old, new = push.key("acme", "github"), push.key("acme", "github")
    assert push.webhook(old.secret, DEPLOYED, delivery="1").status_code == 202
    assert push.webhook(new.secret, DEPLOYED | {"a": 1}, delivery="2").status_code == 202
    push.revoke("acme", old.id)
    assert push.webhook(old.secret, DEPLOYED | {"a": 2}, delivery="3").status_code == 401
    assert push.webhook(new.secret, DEPLOYED | {"a": 3}, delivery="4").status_code == 202


def test_a_large_body_is_not_read(push: Push) -> None:
    secret = push.key("acme", "github").secret
    assert push.webhook(secret, b'{"x": "' + b"y" * limits.BODY_BYTES + b'"}').status_code == 413
    assert push.webhook(secret, json.dumps(DEPLOYED).encode(), **{"Content-Encoding": "gzip"}).status_code == 415
    assert push.webhook(secret, b"[" * 100_000).status_code in (400, 413)


@pytest.mark.parametrize("path", ["gitlab/github", "github/GitHub", "github/%00", "github/" + "x" * 500])
def test_a_path_that_means_nothing_is_refused(push: Push, path: str) -> None:
    assert push.http.post(f"/v1/acme/webhooks/{path}", json=DEPLOYED).status_code in (401, 404, 422)


def test_old_deliveries_are_forgotten(push: Push) -> None:
    secret = push.key("acme", "github").secret
    assert push.webhook(secret, DEPLOYED, delivery="1").status_code == 202
    with push.db.connect("pulse_etl") as etl:
        etl.execute("select set_config('pulse.client_id', %s, true)", [str(push.ids["acme"])])
        etl.execute("update core.ingest_deliveries set received_at = now() - interval '31 days'")
    assert push.webhook(secret, DEPLOYED | {"a": 1}, delivery="2").status_code == 202
    assert push.rows("select count(*) from core.ingest_deliveries") == [(2,)]


def test_what_moved_is_read_by_the_next_run_although_its_fingerprint_did_not_change(
    db: TestDatabase, sandbox_server: SandboxServer
) -> None:
    """GitHub may show a change only after it has told of it."""
    sandbox_server.reset()
    sandbox_server.set_clock("2026-06-30T20:00:00+00:00")
    pipeline = Pipeline.of(db, sandbox_server.url, "techcorp", repositories=["checkout"])
    (integration, credential), _ = pipeline.integrations
    integration.config["workflow_runs"] = False

    def discovered() -> list[Scope]:
        return source_for("github")(integration, credential, db.connect("pulse_etl")).discover()

    pipeline.extract(("github",))
    pipeline.extract(("github",))
    assert discovered() == []
    ((repository,),) = pipeline.rows("select record_id from raw.github_repositories")
    pipeline.rows(
        "insert into core.ingest_moves (client_id, integration_id, scope_key, stream, moved_at)"
        " values (%s, %s, %s, 'deployments', '2026-06-30T20:00:01+00:00') returning 1",
        *(pipeline.client_id, integration.id, repository),
    )
    (scope,) = discovered()
    assert (scope.key, scope.data["due"]) == (repository, ["deployments"])
    # Once more after the next visit, and then never again.
    sandbox_server.set_clock("2026-06-30T20:01:00+00:00")
    pipeline.extract(("github",))
    assert len(discovered()) == 1
    sandbox_server.set_clock("2026-06-30T20:30:00+00:00")
    pipeline.extract(("github",))
    assert discovered() == []
    sandbox_server.reset()
