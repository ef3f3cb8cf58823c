"""core.etl_runs: one row per task run, with what it cost and how it ended, even if it failed."""

from __future__ import annotations

import contextlib
import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

import psycopg

from pulse.errors import RateLimited
from pulse.warehouse.connect import client_transaction
from pulse.warehouse.progress import Progress

log = logging.getLogger(__name__)
_NO_COUNTS = (
    "budget_remaining",
    "warnings",
    "held_bytes",
    "held_values",
    "steps_done",
    "steps_all",
    "tables",
    "progress",
)
_SHOWN = ("api_calls", "api_points", "rows_read", "rows_written", "rows_rejected", "steps_done", "steps_all")


@dataclass
class RunStats:
    """What a run has done so far.

    Upstream calls and rate-limit points; rows read, written and rejected; `unfinished`: streams left to the next run;
    `budget_remaining`: the lowest budget that the upstream reported; `warnings`: what an admin should know; `held_bytes` and
    `held_values`: what was read since something was last stored; `steps_done` and `steps_all`: of how many steps the work
    consists, where they are counted; `tables`: the rows written by table of raw, with 0 where nothing was new. `progress` shows
    the counts while the run is at work.
    """

    api_calls: int = 0
    api_points: int = 0
    rows_read: int = 0
    rows_written: int = 0
    rows_rejected: int = 0
    unfinished: int = 0
    budget_remaining: int | None = None
    warnings: list[str] = field(default_factory=list)
    held_bytes: int = 0
    held_values: int = 0
    steps_done: int = 0
    steps_all: int = 0
    tables: Counter[str] = field(default_factory=Counter, compare=False)
    progress: Progress | None = None

    def add(self, other: RunStats) -> None:
        """Add another run's counts to this one's."""
        for name, value in other.as_dict().items():
            setattr(self, name, getattr(self, name) + value)
        self.note_budget(other.budget_remaining)
        self.tables.update(other.tables)
        for warning in other.warnings:
            self.warn(warning)

    def as_dict(self) -> dict[str, int]:
        """The counts by name, for XCom and logs."""
        names = (one.name for one in fields(self))
        return {name: getattr(self, name) for name in names if name not in _NO_COUNTS}

    def tell(self, done: int | None = None, whole: int | None = None) -> None:
        """Show how far the run is: its counts, and how many steps of how many are done."""
        self.steps_done = self.steps_done if done is None else done
        self.steps_all = self.steps_all if whole is None else whole
        if self.progress is not None:
            self.progress.write({name: getattr(self, name) for name in _SHOWN})

    def note_budget(self, remaining: int | None) -> None:
        """Note what is left of a budget; the lowest value is kept."""
        if remaining is not None:
            self.budget_remaining = min(
                remaining, self.budget_remaining if self.budget_remaining is not None else remaining
            )

    def warn(self, text: str) -> None:
        """Log and keep, once, something that an admin should know although the run succeeds."""
        if text not in self.warnings:
            log.warning(text)
            self.warnings.append(text)


@contextlib.contextmanager
def record_run(
    conn: psycopg.Connection[Any],
    *,
    client_id: int,
    dag_run_id: str,
    task_id: str,
    integration_id: int | None = None,
    scope_key: str = "",
) -> Iterator[RunStats]:
    """Record the run of the body: 'running' now, and at the end 'success', 'deferred' or 'failed'.

    'deferred' means that the upstream's budget is used up and the task resumes later; like 'failed' it comes with the
    error. The body adds to the RunStats it gets. Earlier runs of the same task that are still 'running' were killed, and
    are closed as failed. `conn` must not be inside a transaction. On a failure, what the body left open is rolled back; if
    the connection broke, the end is recorded over another one.
    """
    with client_transaction(conn, client_id):
        conn.execute(
            "update core.etl_runs set state = 'failed', finished_at = now(), error = 'killed before it ended'"
            " where client_id = %s and task_id = %s and scope_key = %s and integration_id is not distinct from %s"
            " and state = 'running'",
            [client_id, task_id, scope_key, integration_id],
        )
        row = conn.execute(
            "insert into core.etl_runs (client_id, dag_run_id, task_id, integration_id, scope_key)"
            " values (%s, %s, %s, %s, %s) returning id",
            [client_id, dag_run_id, task_id, integration_id, scope_key],
        ).fetchone()
    assert row is not None
    progress = Progress(conn, client_id, row[0])
    stats = RunStats(progress=progress)
    # Read now, because a broken connection no longer knows them.
    dsn, password = conn.info.dsn, conn.info.password
    try:
        with progress.open():
            yield stats
    except BaseException as error:
        resume_at = error.resume_at if isinstance(error, RateLimited) else None
        state = "deferred" if resume_at else "failed"
        text = f"{type(error).__name__}: {error}"[:2000].replace("\x00", "")
        with contextlib.suppress(psycopg.Error):
            try:
                conn.rollback()
                _finish(conn, client_id, row[0], stats, state, text, resume_at)
            except psycopg.OperationalError:
                with psycopg.connect(dsn, password=password) as another:
                    _finish(another, client_id, row[0], stats, state, text, resume_at)
        raise
    _finish(conn, client_id, row[0], stats, "success", None)


def _finish(
    conn: psycopg.Connection[Any],
    client_id: int,
    run_id: int,
    stats: RunStats,
    state: str,
    error: str | None,
    resume_at: datetime | None = None,
) -> None:
    with client_transaction(conn, client_id):
        conn.execute(
            "update core.etl_runs set state = %s, error = %s, finished_at = now(), api_calls = %s, api_points = %s,"
            " rows_read = %s, rows_written = %s, rows_rejected = %s, budget_remaining = %s, resume_at = %s, warnings = %s,"
            " unfinished = %s, steps_done = %s, steps_all = %s where client_id = %s and id = %s",
            [
                state,
                error,
                stats.api_calls,
                stats.api_points,
                stats.rows_read,
                stats.rows_written,
                stats.rows_rejected,
                stats.budget_remaining,
                resume_at,
                stats.warnings,
                stats.unfinished,
                stats.steps_done,
                stats.steps_all,
                client_id,
                run_id,
            ],
        )
