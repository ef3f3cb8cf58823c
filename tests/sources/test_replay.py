"""Rejected records are read again, and none is lost on the way."""

from __future__ import annotations

import json

import pytest

from pulse.sources.github import records
from pulse.sources.github.extract import GitHubSource
from tests.conftest import SandboxServer
from tests.support.database import TestDatabase
from tests.support.extraction import Pipeline


def test_rejects_that_a_new_version_can_read_are_stored_and_closed(
    db: TestDatabase, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = Pipeline.of(db, sandbox.url, "acme", repositories=["portal"])
    pipeline.integrations = pipeline.integrations[:1]
    calm = pipeline.copy_of(db, "calm")
    calm.extract()
    # A version of Pulse that cannot read tags and workflow runs.
    monkeypatch.setattr(records, "tag", broken)
    monkeypatch.setattr(records, "workflow_run", broken)
    monkeypatch.setattr("pulse.sources.base.REJECTED_ROWS", 10_000)
    assert pipeline.extract().rows_rejected > 500
    monkeypatch.undo()

    integration, credential = pipeline.integrations[0]
    calls = len(sandbox.counters()["requests"])
    stored, left = GitHubSource(integration, credential, db.connect("pulse_etl")).replay_rejects()
    assert stored > 500
    assert left == 0
    assert len(sandbox.counters()["requests"]) == calls, "a replay does not call GitHub"
    assert pipeline.rows("select count(*) from raw.rejects where replayed_at is null") == [(0,)]
    # The next visit requests the attempts before those that were rejected.
    with db.connect("pulse_owner") as owner:
        owner.execute("delete from core.etl_checkpoints where stream = 'probe'")
    pipeline.extract()
    for table in ("github_tags", "github_workflow_runs"):
        assert pipeline.snapshot()[table] == calm.snapshot()[table]


def test_rejects_that_still_cannot_be_read_stay_open(db: TestDatabase, sandbox: SandboxServer) -> None:
    pipeline = Pipeline.of(db, sandbox.url, "acme", repositories=["portal"])
    integration, credential = pipeline.integrations[0]
    conn = db.connect("pulse_etl")
    source = GitHubSource(integration, credential, conn)
    for payload in (json.dumps({"id": "PR_1", "number": None}), "{ broken", "null"):
        with conn.transaction():
            conn.execute("select set_config('pulse.client_id', %s, true)", [str(pipeline.client_id)])
            conn.execute(
                "insert into raw.rejects (client_id, integration_id, entity, scope_key, payload, reason)"
                " values (%s, %s, 'github_pull_requests', '1', %s, 'x')",
                [pipeline.client_id, integration.id, payload],
            )
    assert source.replay_rejects() == (0, 3)
    assert pipeline.rows("select count(*) from raw.rejects where replayed_at is null") == [(3,)]


def broken(item: object, scope_key: str) -> None:
    raise ValueError("this version is not able to")
