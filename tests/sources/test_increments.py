"""The next sync sees every change, however soon after the last one it happened."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.conftest import SandboxServer
from tests.support.database import TestDatabase
from tests.support.extraction import Pipeline


@pytest.mark.parametrize(("kind", "table"), [("github", "github_pull_requests"), ("jira", "jira_issues")])
def test_what_changes_a_second_after_a_sync_is_in_the_next_one(
    db: TestDatabase, sandbox: SandboxServer, kind: str, table: str
) -> None:
    today = Pipeline.of(db, sandbox.url, "acme", repositories=["portal"])
    today.extract((kind,))
    changed = [
        row[0] for row in today.rows(f"select distinct upstream_updated_at from raw.{table} order by 1 desc limit 40")
    ]
    stepwise = today.copy_of(db, "stepwise")
    for number, moment in enumerate(sorted(changed[::13])):
        sandbox.set_clock((moment - timedelta(seconds=1)).isoformat())
        stepwise.extract((kind,))
        sandbox.set_clock((moment + timedelta(seconds=1)).isoformat())
        assert stepwise.extract((kind,)).rows_written > 0
        then = today.copy_of(db, f"then{number}")
        then.extract((kind,))
        assert stepwise.snapshot()[table] == then.snapshot()[table]
