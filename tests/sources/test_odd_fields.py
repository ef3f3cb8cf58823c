"""One odd field in one of five answers: no extraction ends with anything but a clear error, and none is lost on later runs."""

from __future__ import annotations

import contextlib

import pytest

from pulse import environ
from pulse.errors import PulseError
from tests.conftest import SandboxServer
from tests.support.database import TestDatabase
from tests.support.extraction import Pipeline

# A few in the default run, many in a long one.
SEEDS = range(max(3, environ.EXAMPLES.get() // 5))


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize("seed", SEEDS)
def test_no_field_of_an_answer_stops_a_client(db: TestDatabase, sandbox: SandboxServer, seed: int) -> None:
    pipeline = Pipeline.of(db, sandbox.url, "acme", repositories=["billing"])
    sandbox.add_fault(path_regex="/(github|jira)/", count=100_000, odd=seed)
    for kind in ("github", "jira"):
        with contextlib.suppress(PulseError):
            pipeline.extract((kind,))
    sandbox.faults_end()
    sandbox.set_clock("2026-07-09T12:00:00+00:00")  # everything is counted again
    pipeline.extract()
    pipeline.transform()
    assert pipeline.rows("select count(*) > 5 from core.changes") == [(True,)]
    assert pipeline.rows("select count(*) > 100 from core.jira_issues") == [(True,)]
    calm = pipeline.copy_of(db, "calm")
    calm.extract()
    for table in ("github_pull_requests", "github_issues", "github_deployments", "github_releases", "jira_issues"):
        there = {row[0] for row in calm.snapshot()[table]}
        here = {row[0] for row in pipeline.snapshot()[table]}
        refused = {row[0] for row in pipeline.rows("select record_id from raw.rejects where entity = %s", table)}
        assert there <= here | refused, table
