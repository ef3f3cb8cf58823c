"""Calls, points, rows and seconds of the extraction, against the sandbox and against servers that answer at once.

Prints a table, and finally one line of JSON:
calls_per_100_prs, points_per_100_prs  pull requests with commits, reviews, timeline, labels, closing issues and files
all_calls_per_100_prs, all_points_…    a repository's whole first read: also history, deployments, runs, jobs, issues, …
idle_30_repos_calls                    a sync of 30 repositories in which nothing moved
jira_10k_calls                         10,000 Jira issues with their complete changelogs, discovery included
second_sync_rows                       rows that a second sync of an unchanged world writes
prs_per_s                              pull requests per second, from request to committed row
loader_vs_copy                         rows per second of the loader, divided by those of a bare COPY in the same run
peak_mb                                peak memory of the extracting process at the largest number of pull requests (and at
                                       1,000)
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from typing import Any

from bench._canned import pull_requests
from bench._place import cluster, database, server
from pulse.sources.base import Credential, Integration
from pulse.sources.github import records
from pulse.sources.registry import source_for
from pulse.warehouse.connect import connect
from pulse.warehouse.loader import Page, RawRow, load_pages
from pulse.warehouse.runs import RunStats
from stack.postgres.cluster import Cluster
from tests.support.database import TestDatabase
from tests.support.extraction import Pipeline

LOADED_ROWS, LOADED_TOGETHER, REPEATS = 24_000, 1000, 3
NOON, NIGHTS = "2026-06-30T12:00:00+00:00", ("2026-06-30T23:00:00+00:00", "2026-07-01T00:30:00+00:00")


def main() -> None:
    """Run everything; takes about three minutes."""
    parser = argparse.ArgumentParser(prog="pulse bench extraction")
    parser.add_argument("--pull-requests", type=int, default=200_000, help="of the memory and throughput run")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(extract_here(json.loads(options.child))))
        return
    figures: dict[str, float] = {}
    with cluster() as made:
        with server("sandbox", "--anchor", "2026-06-30", "--frozen", NOON) as sandbox:
            figures |= sandbox_counts(made, sandbox)
        with server("bench._jira_world") as jira:
            figures["jira_10k_calls"] = jira_calls(made, jira)
        with server("bench._canned") as canned:
            small = walk(made, canned, 1000)
            large = walk(made, canned, options.pull_requests)
        figures |= {
            "prs_per_s": round(options.pull_requests / large["seconds"]),
            "peak_mb_at_1000": small["peak_mb"],
            "peak_mb": large["peak_mb"],
        }
        figures |= loader(made)
    for name, value in figures.items():
        print(f"{name:<28} {value:>12,}")
    print(json.dumps(figures))


def sandbox_counts(made: Cluster, url: str) -> dict[str, float]:
    """The cost of a first read, of a second one, and of a sync in which nothing moved."""
    with database(made) as db:
        pipeline = github_only(Pipeline.of(db, url, "techcorp", repositories=["checkout", "payments"]))
        whole = pipeline.extract()
        ((pulls,),) = pipeline.rows("select count(*) from raw.github_pull_requests")
        second = pipeline.extract()
        pipeline.integrations[0][0].config.update(pull_request_files=True, workflow_runs=False)
        with db.connect("pulse_owner") as owner:
            owner.execute("delete from core.etl_checkpoints where stream in ('pull_requests', 'probe')")
        # Only pull requests have moved; everything else is looked at once, which takes five calls per repository.
        only = pipeline.extract()
        others = 1 + 2 * 5
        acme = Pipeline.of(db, url, "acme")
        acme.extract()
        rows = second.rows_written + acme.extract().rows_written
        thirty = github_only(Pipeline.of(db, url, "thirty"))
        thirty.extract()
        for night in NIGHTS:
            set_clock(url, night)
            thirty.extract()
        idle = thirty.extract()
        set_clock(url, NOON)
    return {
        "calls_per_100_prs": round((only.api_calls - others) / pulls * 100, 2),
        "points_per_100_prs": round((only.api_points - others) / pulls * 100, 2),
        "all_calls_per_100_prs": round(whole.api_calls / pulls * 100, 2),
        "all_points_per_100_prs": round(whole.api_points / pulls * 100, 2),
        "idle_30_repos_calls": idle.api_calls,
        "second_sync_rows": rows,
    }


def github_only(pipeline: Pipeline) -> Pipeline:
    pipeline.integrations = pipeline.integrations[:1]
    return pipeline


def set_clock(url: str, now: str) -> None:
    import urllib.request

    request = urllib.request.Request(
        f"{url}/_sandbox/clock", json.dumps({"now": now}).encode(), {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request, timeout=10).close()


def jira_calls(made: Cluster, url: str) -> int:
    """Calls for 10,000 issues, discovery included. Raises AssertionError if an entry is missing."""
    with database(made) as db:
        client_id = db.add_client("big")
        config = {"projects": ["*"]}
        identity = db.add_integration(client_id, "jira", base_url=f"{url}/jira/big", config_data=config)
        integration = Integration(client_id, "big", identity, "jira", "jira", f"{url}/jira/big", "jira__big", config)
        pipeline = Pipeline(db, client_id, [(integration, Credential("pulse@big.example", "jira_sandbox_big"))])
        stats = pipeline.extract(("jira",))
        assert pipeline.rows("select count(*) from raw.jira_issues") == [(10_000,)]
        assert pipeline.rows("select count(*) from raw.jira_changelogs") == [(50_000,)]
    return stats.api_calls


def walk(made: Cluster, url: str, total: int) -> dict[str, float]:
    """Read a repository of `total` pull requests in a process of its own: seconds and peak megabytes."""
    with database(made) as db:
        client_id = db.add_client("bench")
        config = {"organization": f"p{total}", "repositories": ["*"], "workflow_runs": False}
        identity = db.add_integration(client_id, "github", base_url=f"{url}/github", config_data=config)
        declared = {
            "client_id": client_id,
            "client_slug": "bench",
            "id": identity,
            "integration_type": "github",
            "name": "github",
            "base_url": f"{url}/github",
            "connection_id": "github__bench",
            "config": config,
        }
        done = subprocess.run(
            [sys.executable, "-m", "bench.extraction", "--child", json.dumps(declared)],
            env={**os.environ, **db.conn_env()},
            capture_output=True,
            text=True,
            check=True,
        )
        found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        with db.connect("pulse_owner") as owner:
            row = owner.execute("select count(*) from raw.github_pull_requests").fetchone()
        assert row == (total,), f"{row} of {total} pull requests are stored"
    return found


def extract_here(declared: dict[str, Any]) -> dict[str, float]:
    """The child process: extract until nothing is left."""
    integration = Integration(**declared)
    build = source_for(integration.integration_type)
    conn = connect("pulse_etl")
    started = time.monotonic()
    while True:
        stats = RunStats()
        for scope in build(integration, Credential(None, "token"), conn).discover():
            build(integration, Credential(None, "token"), conn, stats).extract(scope)
        if not stats.unfinished:
            break
    seconds = time.monotonic() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "peak_mb": round(peak, 1)}


def loader(made: Cluster) -> dict[str, float]:
    """The loader compared with a bare COPY, in turn; medians. Each commits pages of rows into tables that start empty."""
    nodes = json.loads(pull_requests(LOADED_ROWS, LOADED_ROWS, None))["nodes"]
    rows = [records.pull_request(node, "1") for node in nodes]
    loads, copies, again = [], [], []
    for _ in range(REPEATS):
        with database(made) as db:
            client_id = db.add_client("bench")
            integration_id = db.add_integration(client_id, "github")
            copies.append(len(rows) / bare_copy(db, client_id, integration_id, rows))
            conn = db.connect("pulse_etl")
            loads.append(len(rows) / timed_load(conn, client_id, integration_id, rows))
            again.append(len(rows) / timed_load(conn, client_id, integration_id, rows))
    load, copy = statistics.median(loads), statistics.median(copies)
    return {
        "loader_rows_per_s": round(load),
        "copy_rows_per_s": round(copy),
        "unchanged_rows_per_s": round(statistics.median(again)),
        "loader_vs_copy": round(load / copy, 2),
    }


def timed_load(conn: Any, client_id: int, integration_id: int, rows: list[RawRow]) -> float:
    started = time.monotonic()
    for start in range(0, len(rows), LOADED_TOGETHER):
        load_pages(
            conn, client_id, integration_id, [Page("github_pull_requests", rows[start : start + LOADED_TOGETHER])]
        )
    return time.monotonic() - started


def bare_copy(db: TestDatabase, client_id: int, integration_id: int, rows: list[RawRow]) -> float:
    """The same rows as text, copied straight into a table with the same columns, keys and indexes but no policies."""
    text = []
    for start in range(0, len(rows), LOADED_TOGETHER):
        lines = io.StringIO()
        for row in rows[start : start + LOADED_TOGETHER]:
            payload = json.dumps(row.payload).replace("\\", "\\\\")
            lines.write(
                f"{client_id}\t{integration_id}\t{row.record_id}\t{row.scope_key}\t{payload}\tx\t{row.updated_at}\n"
            )
        text.append(lines.getvalue())
    with db.connect("pulse_owner") as owner:
        owner.execute("create table raw.bare (like raw.github_pull_requests including all)")
        owner.execute(
            "alter table raw.bare add foreign key (client_id, integration_id) references core.integrations (client_id, id)"
        )
        owner.commit()
        started = time.monotonic()
        for part in text:
            with (
                owner.cursor() as cursor,
                cursor.copy(
                    "copy raw.bare (client_id, integration_id, record_id, scope_key, payload, payload_hash,"
                    " upstream_updated_at) from stdin"
                ) as copy,
            ):
                copy.write(part)
            owner.commit()
        return time.monotonic() - started


if __name__ == "__main__":
    main()
