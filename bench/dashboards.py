"""Every chart over HTTP through Superset, with a million changes: first asked and asked again, by twenty people of five clients.

    ./pulse bench dashboards [--changes N] [--clients N] [--seconds N]

Starts an installation of its own without the demo clients, fills it with three years of N changes, computes the numbers, and
stops Airflow. Ends by itself and removes what it made. Prints a table of the charts, and finally one line of JSON:
cold_p50_ms, cold_p95_ms     a chart of any dashboard without the cache, one request at a time
warm_p50_ms, warm_p95_ms     the same, from the cache
slowest                      the charts with the highest cold p95, and that
refused                      charts that got no answer, and why (should be none)
opened_p50_ms, opened_p95_ms the overview, its page and all of its charts one after the other, by twenty people at once who open
                             it again and again, from the cache
opened_per_second_and_core   the same, by the CPU time of all processes of the installation
brief_p50_ms, brief_p95_ms   the brief's page
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import sys
import threading
import time
from typing import Any

import requests

from bench._abuse_people import Person, chart_queries_of, declare, session_of
from bench._dora_stage import recompute
from bench._dora_world import World, ensure_roles, generate, settle
from bench._installation import cpu_of, installation, p95, pulse, stop_airflow
from pulse import environ
from pulse.superset.api import SupersetApi
from pulse.superset.provision import ensure_client
from stack.context import Stack
from tests.support.database import TestDatabase

PORTS, VIEWERS, BRIEFS, SHOWN = "14000", 20, 40, 8
DASHBOARDS = ("executive-overview", "delivery", "flow", "work", "investment", "ai-in-delivery")
Times = dict[str, list[float]]


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser(prog="pulse bench dashboards")
    parser.add_argument("--changes", type=int, default=1_000_000, help="of all clients (default 1,000,000)")
    parser.add_argument("--clients", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=60, help="for which the overview is opened again and again")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is stopped
    with installation("dashboards", PORTS, demo=False) as stack:
        os.environ[environ.ROLE_SECRET.name] = stack.settings.secrets[environ.ROLE_SECRET.name]
        fill(stack, World.of(options.clients, options.changes))
        status: dict[str, Any] = json.loads(pulse("status", "--json"))
        stop_airflow()
        figures = measure(stack, status, options.seconds)
    print(json.dumps({"changes": options.changes, "clients": options.clients, **figures}))


def fill(stack: Stack, world: World) -> None:
    """Clients with their history, their numbers and their roles."""
    db = TestDatabase(stack.cluster, "pulse")
    print(f"{world.changes:,} changes in {generate(db, world):.0f} s", flush=True)
    clients = list(range(1, world.clients + 1))
    ensure_roles(db, clients)
    print(f"their numbers in {recompute(db, clients, 2).seconds:.0f} s", flush=True)
    settle(db)
    superset = SupersetApi(
        stack.settings.url("superset"), "pulse_service", stack.settings.secrets["PULSE_SUPERSET_SERVICE_PASSWORD"]
    )
    for client_id in clients:
        ensure_client(superset, client_id, f"bench_{client_id}", True)


def measure(stack: Stack, status: dict[str, Any], seconds: int) -> dict[str, Any]:
    """The figures, from people who exist only as long as this runs."""
    passwords = declare(status, [f"viewer{number}@bench.example" for number in range(VIEWERS)])
    people = [Person(status["addresses"]["superset"], email, password) for email, password in passwords.items()]
    cold: Times = {}
    warm: Times = {}
    refused: dict[str, str] = {}
    for person in people:
        for dashboard in DASHBOARDS:
            for name, context in chart_queries_of(person.base, person.token, dashboard).items():
                try:
                    first, again = asked(person, {**context, "force": True}), asked(person, context)
                except requests.HTTPError as error:
                    refused[name] = error.response.text[:300]
                    continue
                cold.setdefault(name, []).append(first)
                warm.setdefault(name, []).append(again)
    show(cold, warm)
    opened: list[float] = []
    used, _ = cpu_of(stack, lambda: opened.extend(open_again_and_again(people, seconds)))
    briefs = [loaded(people[number % VIEWERS], "/pulse/brief/") for number in range(BRIEFS)]
    everything = {
        "cold": [t for times in cold.values() for t in times],
        "warm": [t for times in warm.values() for t in times],
    }
    slowest = sorted(cold, key=lambda name: p95(cold[name]), reverse=True)[:SHOWN]
    return {
        **{f"{kind}_p50_ms": round(statistics.median(times)) for kind, times in everything.items()},
        **{f"{kind}_p95_ms": round(p95(times)) for kind, times in everything.items()},
        "refused": refused,
        "slowest": {name: round(p95(cold[name])) for name in slowest},
        "opened": len(opened),
        "opened_p50_ms": round(statistics.median(opened)),
        "opened_p95_ms": round(p95(opened)),
        "opened_per_second_and_core": round(len(opened) / used, 2),
        "brief_p50_ms": round(statistics.median(briefs)),
        "brief_p95_ms": round(p95(briefs)),
    }


def show(cold: Times, warm: Times) -> None:
    """A line for each chart."""
    print(f"{'chart':<58} {'cold p50':>9} {'cold p95':>9} {'warm p50':>9} {'warm p95':>9}")
    for name in sorted(cold, key=lambda name: p95(cold[name]), reverse=True):
        figures = (statistics.median(cold[name]), p95(cold[name]), statistics.median(warm[name]), p95(warm[name]))
        print(f"{name:<58} " + " ".join(f"{figure:>9,.0f}" for figure in figures), flush=True)


def asked(person: Person, context: dict[str, Any]) -> float:
    """Milliseconds of one chart's request. Raises requests.HTTPError when it is refused."""
    begun = time.monotonic()
    answer = session_of(person.token).post(f"{person.base}/api/v1/chart/data", json=context, timeout=60)
    answer.raise_for_status()
    return 1000 * (time.monotonic() - begun)


def loaded(person: Person, path: str) -> float:
    """Milliseconds of one page. Raises requests.HTTPError when it is refused."""
    begun = time.monotonic()
    session_of(person.token).get(f"{person.base}{path}", timeout=60).raise_for_status()
    return 1000 * (time.monotonic() - begun)


def open_again_and_again(people: list[Person], seconds: int) -> list[float]:
    """Milliseconds of every opened overview, each person's one after the other, all people at once."""
    until, times = time.monotonic() + seconds, []

    def look(person: Person) -> None:
        while time.monotonic() < until:
            begun = time.monotonic()
            loaded(person, "/superset/dashboard/executive-overview/")
            for context in person.charts:
                asked(person, context)
            times.append(1000 * (time.monotonic() - begun))

    threads = [threading.Thread(target=look, args=(person,)) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times


if __name__ == "__main__":
    main()
