"""How fast records are taken: batches over HTTP into a real primary, each acknowledged after its commit.

    ./pulse bench ingest [--seconds N] [--rate RECORDS_PER_SECOND] [--batch RECORDS]

Sends at a fixed rate, whether or not answers come in time, so that a slow answer is not left out (the time of a request counts
from when it was due). Then sends as fast as answers come. Prints a table, and finally one line of JSON:
records_per_s, p50_ms, p99_ms, max_ms   at the fixed rate
refused                                 answers other than 202 (must be 0)
lost                                    acknowledged records that are not stored (must be 0)
burst_records_per_s                     as fast as four senders get answers
server_cpu                              cores that the app used at the fixed rate
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psutil

from bench._place import cluster, database
from pulse.clients.spec import parse_spec
from pulse.clients.sync import sync_client
from pulse.ingest import keys
from pulse.ingest.keys import PREFIX
from tests.support import ingest_server
from tests.support.database import TestDatabase
from tests.support.servers import free_port

SENDERS = 8
BURST_SECONDS = 5
VARIABLE = {
    "name": "Acme",
    "integrations": [{"type": "http_json", "name": "ci", "streams": [{"name": "deploys", "entity": "deployments"}]}],
}


def main() -> None:
    """Run it; takes about half a minute."""
    parser = argparse.ArgumentParser(prog="pulse bench ingest")
    parser.add_argument("--seconds", type=int, default=15)
    parser.add_argument("--rate", type=int, default=1000, help="records a second")
    parser.add_argument("--batch", type=int, default=100, help="records in a request")
    options = parser.parse_args()
    with cluster() as made, database(made) as db:
        os.environ["PULSE_READER_SECRET"] = made.secrets.readers
        tokens = declare(db)
        port = free_port()
        server = ingest_server.start(port, {"AIRFLOW_CONN_PULSE_INGEST": db.url("pulse_ingest")})
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}{PREFIX}", timeout=30) as http:
                figures = measure(http, tokens, options, psutil.Process(server.pid), db)
        finally:
            server.terminate()
            server.wait()
    for name, value in figures.items():
        print(f"{name:<24} {value:>12,}")
    print(json.dumps(figures))


def declare(db: TestDatabase) -> list[str]:
    """A client with a source, and tokens enough that no key's allowance counts in the burst."""
    with db.connect("pulse_admin") as admin:
        sync_client(admin, "acme", parse_spec("acme", json.dumps(VARIABLE)))
        return [keys.make(admin, "acme", "ci").secret for _ in range(SENDERS)]


def measure(
    http: httpx.Client, tokens: list[str], options: argparse.Namespace, server: psutil.Process, db: TestDatabase
) -> dict[str, float]:
    """The figures."""
    push = sender(http, tokens, options.batch)
    push(-1)  # connections and caches
    count = options.seconds * options.rate // options.batch
    before = server.cpu_times()
    begun = time.monotonic() + 0.2
    waits: list[float] = []
    with ThreadPoolExecutor(SENDERS) as pool:

        def at_its_time(number: int) -> int:
            due = begun + number * options.batch / options.rate
            time.sleep(max(0.0, due - time.monotonic()))
            status = push(number)
            waits.append(time.monotonic() - due)
            return status

        statuses = list(pool.map(at_its_time, range(count)))
    seconds = time.monotonic() - begun
    after = server.cpu_times()
    taken = {number for number, status in enumerate(statuses) if status == httpx.codes.ACCEPTED}
    burst = flood(push, count)
    ordered = sorted(waits)
    return {
        "records_per_s": round(len(taken) * options.batch / seconds),
        "p50_ms": round(1000 * statistics.median(ordered), 1),
        "p99_ms": round(1000 * ordered[int(len(ordered) * 0.99)], 1),
        "max_ms": round(1000 * ordered[-1], 1),
        "refused": len(statuses) - len(taken),
        "lost": lost(db, taken, options.batch),
        "burst_records_per_s": round(burst * options.batch / BURST_SECONDS),
        "server_cpu": round((after.user + after.system - before.user - before.system) / seconds, 2),
    }


def sender(http: httpx.Client, tokens: list[str], batch: int) -> Callable[[int], int]:
    """A function that pushes the batch of a number, and returns the answer's status."""
    record: dict[str, Any] = {
        "service": "shop",
        "environment": "production",
        "result": "success",
        "sha": "a" * 40,
        "ref_name": "main",
        "url": "https://ci.example/builds/1",
        "created_at": "2026-03-02T10:00:00Z",
        "finished_at": "2026-03-02T10:05:00Z",
    }

    def push(number: int) -> int:
        body = [{"id": f"{number}-{place}", **record} for place in range(batch)]
        headers = {"Authorization": f"Bearer {tokens[number % len(tokens)]}"}
        return http.post("/v1/acme/deployments", json=body, headers=headers).status_code

    return push


def flood(push: Callable[[int], int], first: int) -> int:
    """How many batches are taken when each sender sends the next one as soon as it has its answer."""
    until = time.monotonic() + BURST_SECONDS

    def send(place: int) -> int:
        number, taken = first + place, 0
        while time.monotonic() < until:
            taken += push(number) == httpx.codes.ACCEPTED
            number += 4
        return taken

    with ThreadPoolExecutor(4) as pool:
        return sum(pool.map(send, range(4)))


def lost(db: TestDatabase, taken: set[int], batch: int) -> int:
    """How many acknowledged records are not stored."""
    with db.cluster.primary.connect(database=db.name) as superuser:
        stored = {row[0] for row in superuser.execute("select record_id from raw.http_json_records")}
    return sum(f"deploys:{number}-{place}" not in stored for number in taken for place in range(batch))


if __name__ == "__main__":
    main()
