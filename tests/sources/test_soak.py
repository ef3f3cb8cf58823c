"""The world changes, the upstream fails, the process is killed, and in the end the tables equal a full read, row for row.

Runs one seed; `./pulse test --long` runs several, PULSE_SOAK_SEEDS="1,2,3" (and PULSE_SOAK_ROUNDS) those you want.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from pulse import environ
from pulse.errors import PulseError
from pulse.sources import http
from tests.conftest import ROOT, SandboxServer
from tests.support.database import TestDatabase
from tests.support.extraction import Pipeline

SEEDS = [int(seed) for seed in environ.SOAK_SEEDS.get()]
ROUNDS = environ.SOAK_ROUNDS.get()
KILLED, FAULTS, CHANGES = 0.05, 0.03, 0.03
SCRIPT = "import sys; from tests.support.extraction import run_from_environment; run_from_environment(sys.argv[1:])"


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.timeout(1500)
def test_the_tables_equal_a_full_read_of_the_final_world(
    db: TestDatabase, sandbox: SandboxServer, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rounds of changes (60; 200 with `--long`), with a sync in each. Three in a hundred requests fail, as many see a change
    just before the answer, and one sync in twenty is killed with kill -9."""
    sleep = time.sleep
    monkeypatch.setattr(
        http.time, "sleep", lambda seconds: sleep(seconds * 0.01)
    )  # the same pauses, a hundred times faster
    rnd = random.Random(seed)
    clock = datetime(2026, 6, 24, 9, tzinfo=UTC)
    sandbox.set_clock(clock.isoformat())
    pipeline = Pipeline.of(db, sandbox.url, "thirty")
    pipeline.integrations[0][0].config.update(pull_request_files=True)
    ended: Counter[str] = Counter()
    met: Counter[str] = Counter()
    for number in range(ROUNDS):
        clock += timedelta(minutes=rnd.randint(3, 90))
        sandbox.set_clock(clock.isoformat())
        sandbox.mutate("thirty", seed * 1000 + number, rnd.randint(1, 8))
        for kind, count in sandbox.chaos(
            seed * 1000 + number, FAULTS, organisation="thirty", change_rate=CHANGES
        ).items():
            met[kind] += count
        ended[killed(pipeline, rnd) if rnd.random() < KILLED else synced(pipeline)] += 1
    sandbox.chaos(0, 0)
    assert ended["complete"] > ROUNDS * 0.6, ended
    assert ended["killed"] > 0, ended
    assert len(met) > 8, met

    # A week later, every scope is counted, and what is read weekly is read again.
    sandbox.set_clock((clock + timedelta(days=8)).isoformat())
    pipeline.extract()
    assert pipeline.extract().rows_written == 0
    full = pipeline.copy_of(db, "full")
    full.extract()
    final = clock + timedelta(days=8)
    stepwise, whole = pipeline.comparable(final), full.comparable(final)
    assert set(stepwise) == set(whole)
    for table, rows in whole.items():
        assert stepwise[table].keys() == rows.keys(), table
        for key, row in rows.items():
            assert stepwise[table][key] == row, (table, key)
    assert sum(len(rows) for rows in whole.values()) > 3000
    assert pipeline.rows("select count(*) from raw.rejects where replayed_at is null") == [(0,)]


def synced(pipeline: Pipeline) -> str:
    """A sync that may fail; returns how it ended."""
    try:
        pipeline.extract()
    except PulseError as error:
        return type(error).__name__
    return "complete"


def killed(pipeline: Pipeline, rnd: random.Random) -> str:
    """A sync in another process that is killed at some point."""
    env = {**os.environ, **pipeline.db.conn_env(), "PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}"}
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *pipeline.arguments()], cwd=ROOT, env=env, stderr=subprocess.DEVNULL
    )
    try:
        process.wait(rnd.uniform(0.5, 2.5))
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return "killed"
    return "over before it was killed"
