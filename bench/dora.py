"""Seconds of the DORA model: a full run, a day's news, and every query of the dashboards, with up to 10 million changes.

The data is generated inside PostgreSQL: pull requests, commits, reviews, deployments and incidents of 100 clients over
three years. Prints tables, and finally one line of JSON:
seconds_per_million  by size (million changes): the first full run of the dora stage of all clients, in two processes, with
                     the replica stopped (in production it is another machine)
replay_per_million   by size: what the replica alone then needs to catch up
deadlocks            by size: how often a client's stage was restarted because of a deadlock with another client's
again_per_million    a second full run of a sample of clients, when nothing has changed
written_per_million  only inserting the rows of the sample into empty copies of the tables, with the replica stopped: the
                     cost of writing alone on this machine in this run, to compare with seconds_per_million
increment_s          one client's stage after 200 merged changes, 40 deployments and 10 incidents; median of 5 clients
increment_edit_s     one client's stage after 200 old pull requests were edited; median of 5 clients
increment_scans      by size: large tables (over 10,000 rows) from which these stages read over 10,000 rows sequentially
                     (should be none)
view_p95_ms          by view, at the largest size: p95 of the view's slowest query, on the replica, as a client's login
view_p95_ms_by_size  the same for each size
devlake              two panels in DevLake's shape over the same facts, next to our tiles (milliseconds), at the smallest size
our_tiles_ms         by size: median of the tiles' query
view_problems        by size: queries of the dashboards that could not be run, and why
bytes_per_change     by size: the database, sources and numbers together, divided by the changes
views_on             by size: replica, or primary if the disk has no room for both
skipped              sizes for which there was no room, and why
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

from bench import _dora_dashboards as dashboards
from bench._dora_floor import write_alone
from bench._dora_servers import Disk, database_bytes, give_up_replica, has_replica, replica_away, roomy
from bench._dora_stage import Increment, Recompute, edits, increments, many, recompute, slowest
from bench._dora_world import World, add_commits, caught_up, counts, ensure_roles, generate, settle
from bench._place import cluster, database
from stack.postgres.cluster import Cluster
from tests.support.database import TestDatabase

SAMPLE, READERS = 5, 5
BATCH = 10  # clients after which the replica catches up; until then the primary keeps its WAL
TILES = "chart kpi_tiles"

Figures = dict[str, Any]


def main() -> None:
    """Measure every size in a database of its own, all on one temporary cluster."""
    parser = argparse.ArgumentParser(prog="pulse bench dora")
    parser.add_argument("--sizes", default="1,3,10", help="millions of changes, with commas (default 1,3,10)")
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--workers", type=int, default=2, help="parallel processes (default 2)")
    options = parser.parse_args()
    sizes = sorted(options.sizes.split(","), key=float)
    figures: Figures = {
        name: {}
        for name in (
            "seconds_per_million",
            "replay_per_million",
            "deadlocks",
            "again_per_million",
            "written_per_million",
            "increment_s",
            "increment_edit_s",
            "increment_scans",
            "view_p95_ms",
            "view_p95_ms_by_size",
            "view_problems",
            "our_tiles_ms",
            "bytes_per_change",
            "views_on",
            "devlake",
            "skipped",
        )
    }
    try:
        with cluster() as made, roomy(made):
            run(made, sizes, options, figures)
    finally:
        print(json.dumps(figures))


def run(made: Cluster, sizes: list[str], options: argparse.Namespace, figures: Figures) -> None:
    """Measure the sizes, smallest first; without the replica, or not at all, if the disk is too small."""
    disk = Disk(made)
    for size in sizes:
        world = World.of(options.clients, round(float(size) * 1_000_000))
        servers, problem = disk.servers(world)
        if not servers:
            say(f"\n== {size} million changes: skipped, {problem}")
            figures["skipped"][size] = problem
            continue
        say(f"\n== {size} million changes: {world.changes:,} of {world.clients} clients")
        if servers == 1 and has_replica(made):
            say(f"no replica, the views are read on the primary: {problem}")
            give_up_replica(made)
        figures["views_on"][size] = "replica" if has_replica(made) else "primary"
        with database(made) as db:
            one_size(db, world, size, figures, options.workers)
            disk.learn(db, world)
            if not figures["devlake"]:
                figures["devlake"] = devlake(db, size, figures)
        caught_up(db)


def say(text: str) -> None:
    print(text, flush=True)


def one_size(db: TestDatabase, world: World, size: str, figures: Figures, workers: int) -> None:
    """All measurements of one size, from generating the data to the views."""
    seconds = generate(db, world)
    say(f"generated in {seconds:.0f} s: " + ", ".join(f"{rows:,} {table}" for table, rows in counts(db).items()))
    sources = database_bytes(db)
    sample = list(range(1, world.clients + 1, max(world.clients // SAMPLE, 1)))[:SAMPLE]
    full_and_again(db, world, size, figures, workers)
    settle(db)
    figures["bytes_per_change"][size] = round(database_bytes(db) / world.changes)
    say(
        f"disk: {sources >> 20:,} MB of sources, {database_bytes(db) >> 20:,} MB in all, "
        f"{figures['bytes_per_change'][size]:,} bytes a change"
    )
    scans: dict[str, Any] = {}
    for name, found in (("increment_s", increments(db, world, sample)), ("increment_edit_s", edits(db, world, sample))):
        figures[name][size] = found.median
        scans |= show_increment(name, found)
    figures["increment_scans"][size] = scans
    say(f"{add_commits(db, sample[:READERS]):,} commits of pull requests, for the views")
    settle(db)
    show_views(db, sample, size, figures)


def full_and_again(db: TestDatabase, world: World, size: str, figures: Figures, workers: int) -> None:
    """The first full run of all clients, and a second one of every tenth."""
    everyone = list(range(1, world.clients + 1))
    first, replayed = Recompute(), 0.0
    for start in range(0, len(everyone), BATCH):
        with replica_away(db) as replay:
            first.add(recompute(db, everyone[start : start + BATCH], workers))
        replayed += replay.seconds
    per_million = first.seconds / world.changes * 1e6
    figures["deadlocks"][size] = first.deadlocks
    figures["seconds_per_million"][size] = round(per_million, 1)
    if has_replica(db.cluster):
        figures["replay_per_million"][size] = round(replayed / world.changes * 1e6, 1)
        say(f"the replica replayed it in {replayed:.1f} s")
    say(
        f"full run: {first.seconds:.1f} s, {per_million:.1f} s per million changes; the two processes' seconds by file:"
    )
    for file, seconds, rows in first.slowest():
        say(f"    {file:<40} {seconds:>9.1f} s {rows:>14,} rows")
    some = everyone[::10]
    millions = world.changes / 1e6 * len(some) / len(everyone)
    with replica_away(db):
        again = recompute(db, some, workers)
        alone = write_alone(db, some, workers) / millions
    figures["again_per_million"][size] = round(again.seconds / millions, 1)
    say(
        f"second run, {len(some)} clients: {again.seconds / millions:.1f} s per million changes,"
        f" {sum(again.rows.values()):,} rows written"
    )
    figures["written_per_million"][size] = round(alone, 1)
    say(
        f"only writing these rows: {alone:.1f} s per million changes; the full run takes {per_million / alone:.1f} times that"
    )


def show_increment(name: str, found: Increment) -> dict[str, int]:
    """Print it. Returns the large tables that were read sequentially."""
    scanned = many(found.large_scanned)
    say(f"{name}: median {found.median} s of {[round(s, 2) for s in found.seconds]}; over 10,000 rows were read")
    say(f"    by sequential scans of large tables: {scanned or 'none'}")
    say(f"    by many scans of small tables: {many(found.small_scanned) or 'none'}")
    say(f"    by index: {many(found.fetched) or 'none'}")
    for file, seconds in slowest(found.files, 5):
        say(f"    {file:<40} {seconds:>9.3f} s")
    return {f"{name}: {table}": rows for table, rows in scanned.items()}


def show_views(db: TestDatabase, clients: list[int], size: str, figures: Figures) -> None:
    """Measure every query of the dashboards; print the plan of the slowest if it is slow."""
    ensure_roles(db, clients[:READERS])
    queries = dashboards.measure(db, clients[:READERS])
    for query in sorted(queries, key=lambda q: -max(q.milliseconds, default=0)):
        times = f"p95 {query.p95:>9.1f} ms  median {query.median:>9.2f} ms" if query.milliseconds else "not measured"
        say(f"    {query.name:<44} {query.view:<24} {times}  {query.problem}")
    worst = dashboards.by_view(queries)
    p95 = {view: worst[view].p95 for view in sorted(worst)}
    figures["view_p95_ms_by_size"][size] = figures["view_p95_ms"] = p95
    figures["view_problems"][size] = {q.name: q.problem for q in queries if q.problem}
    slowest = max(worst.values(), key=lambda q: q.p95, default=None)
    if slowest and slowest.p95 > dashboards.SLOW_MS:
        say(f"the slowest, {slowest.name}:\n{dashboards.plan(db, clients[0], slowest)}")
    figures["our_tiles_ms"][size] = next((q.median for q in queries if q.name == TILES and q.milliseconds), None)


def devlake(db: TestDatabase, size: str, figures: Figures) -> Figures:
    """DevLake's queries on the same replica, for the first client; medians of five runs."""
    parts = {}
    for part in (Path(__file__).parent / "_devlake_queries.sql").read_text().split("-- part: ")[1:]:
        name, _, text = part.partition("\n")
        parts[name.strip()] = text.encode()
    with db.cluster.primary.connect(database=db.name) as primary:
        primary.execute(parts["tables"])
        for (table,) in primary.execute("select tablename from pg_tables where schemaname = 'devlake'").fetchall():
            primary.execute(f"vacuum (analyze) devlake.{table}".encode())
    caught_up(db)
    found: Figures = {"at_million": size, "our_tiles_ms": figures["our_tiles_ms"][size]}
    with db.cluster.replica.connect(database=db.name) as replica:
        for name, label in (("lead_time", "devlake_lead_time_ms"), ("change_failure_rate", "devlake_cfr_ms")):
            times = []
            for _ in range(5):
                started = time.monotonic()
                replica.execute(parts[name]).fetchall()
                times.append((time.monotonic() - started) * 1000)
            found[label] = round(statistics.median(times), 1)
    if found["our_tiles_ms"]:
        found["cfr_ratio"] = round(found["devlake_cfr_ms"] / found["our_tiles_ms"])
    for name, value in found.items():
        say(f"devlake: {name:<28} {value!s:>12}")
    return found


if __name__ == "__main__":
    main()
