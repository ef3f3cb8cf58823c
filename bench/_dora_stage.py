"""The dora stage in `./pulse bench dora`: a full run of all clients in parallel processes, and a day's news of one client."""

from __future__ import annotations

import itertools
import multiprocessing
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import psycopg

from bench._dora_world import World, add_today, caught_up, edit_old
from pulse.warehouse.transforms import StepResult, TransformError, run_stage
from tests.support.database import Connection, TestDatabase

MANY_ROWS = 10_000


def slowest(files: Mapping[str, float], count: int) -> list[tuple[str, float]]:
    """The files that took the most seconds."""
    return sorted(files.items(), key=lambda item: item[1], reverse=True)[:count]


@dataclass
class Recompute:
    """A full recompute of some clients: wall seconds, and the total seconds and rows of each SQL file."""

    seconds: float = 0.0
    files: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    rows: Counter[str] = field(default_factory=Counter)
    deadlocks: int = 0

    def add(self, other: Recompute) -> None:
        self.seconds += other.seconds
        for file, seconds in other.files.items():
            self.files[file] += seconds
        self.rows += other.rows
        self.deadlocks += other.deadlocks

    def slowest(self, count: int = 8) -> list[tuple[str, float, int]]:
        return [(file, seconds, self.rows[file]) for file, seconds in slowest(self.files, count)]


@dataclass
class Increment:
    """The dora stage after a small change, once per client; for each table, the rows that the worst run read."""

    seconds: list[float] = field(default_factory=list)
    files: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    large_scanned: Counter[str] = field(default_factory=Counter)
    small_scanned: Counter[str] = field(default_factory=Counter)
    fetched: Counter[str] = field(default_factory=Counter)

    @property
    def median(self) -> float:
        return round(statistics.median(self.seconds), 3)


_conn: Connection


def _open(url: str) -> None:
    global _conn
    _conn = psycopg.connect(url, application_name="pulse:bench")


def _recompute_one(client_id: int) -> tuple[list[StepResult], int]:
    """The steps, and how often the stage was restarted because of a deadlock with another client's."""
    for deadlocks in itertools.count():
        try:
            return run_stage(_conn, client_id, "dora", full=True), deadlocks
        except (psycopg.Error, TransformError) as error:
            cause = error.__cause__ if isinstance(error, TransformError) else error
            if not isinstance(cause, psycopg.errors.DeadlockDetected) or deadlocks == 10:
                raise
    raise AssertionError


def recompute(db: TestDatabase, clients: list[int], workers: int) -> Recompute:
    """Recompute everything of these clients, in this many parallel processes."""
    found = Recompute()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=_open, initargs=(db.url("pulse_etl"),)) as pool:
        list(pool.map(time.sleep, [0.5] * workers))  # all have started and connected
        started = time.monotonic()
        for steps, deadlocks in pool.map(_recompute_one, clients):
            found.deadlocks += deadlocks
            for step in steps:
                found.files[step.file] += step.seconds
                found.rows[step.file] += step.rows
        found.seconds = time.monotonic() - started
    return found


def increments(db: TestDatabase, world: World, clients: list[int]) -> Increment:
    """Add a day's news to each of these clients, and run the stage after it."""
    return _measured(db, clients, lambda conn, client_id: add_today(conn, world, client_id))


def edits(db: TestDatabase, world: World, clients: list[int]) -> Increment:
    """Edit 200 old pull requests of each of these clients, and run the stage after it."""
    return _measured(db, clients, lambda conn, client_id: edit_old(conn, world, client_id))


def _measured(db: TestDatabase, clients: list[int], happens: Callable[[Connection, int], Any]) -> Increment:
    """Seconds of the stage alone. A table is large if it has more than 10,000 rows."""
    found = Increment()
    for client_id in clients:
        with psycopg.connect(db.url("pulse_etl")) as conn:
            happens(conn, client_id)
        caught_up(db)
        before = _rows_read(db)
        with psycopg.connect(db.url("pulse_etl"), application_name="pulse:bench") as conn:
            started = time.monotonic()
            steps = run_stage(conn, client_id, "dora")
            found.seconds.append(time.monotonic() - started)
            conn.execute("select pg_stat_force_next_flush()")
            conn.commit()
        for step in steps:
            found.files[step.file] += step.seconds / len(clients)
        for table, (scanned, fetched, size) in _rows_read(db).items():
            old = before.get(table, (0, 0, 0))
            by_scan = found.large_scanned if size > MANY_ROWS else found.small_scanned
            by_scan[table] = max(by_scan[table], scanned - old[0])
            found.fetched[table] = max(found.fetched[table], fetched - old[1])
    return found


def _rows_read(db: TestDatabase) -> dict[str, tuple[int, int, int]]:
    """For each table of core: rows read so far by sequential scans and by index scans, and the rows it has.

    Only the benchmark uses the database, and what autovacuum reads is not counted.
    """
    with db.cluster.primary.connect(database=db.name) as conn:
        rows = conn.execute(
            "select relname, seq_tup_read, coalesce(idx_tup_fetch, 0), n_live_tup from pg_stat_user_tables"
            " where schemaname = 'core'"
        ).fetchall()
    return {table: (scanned, fetched, size) for table, scanned, fetched, size in rows}


def many(read: Counter[str]) -> dict[str, int]:
    """The tables from which more than 10,000 rows were read."""
    return {table: rows for table, rows in read.most_common() if rows > MANY_ROWS}
