"""kill -9 in the middle of a walk, while the world keeps changing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.conftest import ROOT, SandboxServer
from tests.support.database import TestDatabase
from tests.support.extraction import Pipeline

SCRIPT = "import sys; from tests.support.extraction import run_from_environment; run_from_environment(sys.argv[1:])"
UNFINISHED = "select count(*) from core.etl_checkpoints where stream = %s and cursor_data ?| array['after', 'segments']"


def kill_in_the_middle_of(stream: str, pipeline: Pipeline) -> None:
    """Extract in another process, and kill it once it has stored a page of the stream, but not the last one."""
    env = {**os.environ, **pipeline.db.conn_env(), "PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}"}
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, *pipeline.arguments()], cwd=ROOT, env=env)
    try:
        while pipeline.rows(UNFINISHED, stream) == [(0,)]:
            assert process.poll() is None, f"{stream} was read in one page: nothing to interrupt"
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert pipeline.rows(UNFINISHED, stream) == [(1,)], "it had ended before it could be killed"


@pytest.mark.parametrize("stream", ["history", "deployments", "pull_requests"])
def test_a_walk_interrupted_days_ago_ends_like_a_fresh_read(
    db: TestDatabase, sandbox: SandboxServer, stream: str
) -> None:
    broken = Pipeline.of(db, sandbox.url, "acme", repositories=["portal"])
    broken.integrations = broken.integrations[:1]
    sandbox.set_clock("2026-06-21T10:00:00+00:00")
    sandbox.add_fault(path_regex="/github/", count=10_000, delay_seconds=0.3)
    kill_in_the_middle_of(stream, broken)
    sandbox.reset()
    broken.extract()
    today = broken.copy_of(db, "today")
    today.extract()
    assert broken.snapshot() == today.snapshot()
    assert broken.extract().rows_written == 0
