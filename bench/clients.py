"""A thousand clients, of whom few move: what a quiet run costs, and how soon a new client has its DAG.

    ./pulse bench clients [--clients N] [--runs N]

Starts an installation of its own, declares N clients with a source that tools push to, and pauses all DAGs. Then it runs a few
of them. Ends by itself and removes what it made. Prints a table, and finally one line of JSON:
quiet_run_cpu_s, moving_run_cpu_s     CPU seconds of all processes for one run of a client of whom nothing, or a record, is new,
                                      above what they use when nothing runs
idle_cpu                              cores that all processes use when nothing runs
loop_s                                from the first to the last DAG when the DAG processor, started again, reads all files once
listed_s                              until the DAG of one more client is listed
sync_s, sync_cpu_s                    a run of sync_clients in which nothing has changed
sync_requests                         its requests to Superset, for all clients together
fresh_s                               from a record that a tool has pushed to the replica's answer with it, by a run that is
                                      triggered at once; the median of a few clients
page_p95_ms                           the page Clients
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import statistics
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import requests

from bench._installation import cpu_of, installation, p95, pulse
from pulse.clients import progress
from pulse.clients.spec import VARIABLE_PREFIX, parse_spec
from pulse.clients.sync import sync_client
from pulse.ingest import keys
from pulse.orchestration.dag import dag_id
from pulse.superset.api import SupersetApi
from pulse.superset.provision import client_digest, pulse_datasets
from stack import environment
from stack.airflow import runs
from stack.airflow.api import AirflowApi, HttpError
from stack.context import Stack

ROOT = Path(__file__).resolve().parents[1]
PORTS = "13000"
SCHEDULER, PROCESSOR = "airflow-scheduler", "airflow-dag-processor"
IDLE_SECONDS, PAGES, WAIT_SECONDS = 30, 40, 3600
DEPLOYMENT = {
    "service": "shop",
    "environment": "production",
    "result": "success",
    "created_at": "2026-11-01T10:00:00Z",
    "finished_at": "2026-11-01T10:05:00Z",
}


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser(prog="pulse bench clients")
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=5, help="clients that run, quiet and moving")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is stopped
    with installation("clients", PORTS) as stack:
        figures = measure(stack, options.clients, options.runs)
    for name, value in figures.items():
        print(f"{name:<24} {value:>12,}")
    print(json.dumps(figures))


def measure(stack: Stack, clients: int, count: int) -> dict[str, float]:
    """The figures of a running installation; it has the clients from then on."""
    os.environ.update(environment.airflow(stack.settings))
    api = runs.login(stack.settings)
    slugs = [f"bench{number:05}" for number in range(clients)]
    pulse("ctl", "stop", SCHEDULER)  # else each new DAG would run at once
    declare(stack, api, slugs)
    wait(lambda: listed(api) >= clients)
    loop = loop_seconds(stack, clients)
    # Nothing but what is measured runs from then on.
    while api.call("GET", "dags", paused=False, limit=1)["total_entries"]:
        api.call("PATCH", "dags?dag_id_pattern=%25&paused=false&limit=100", {"is_paused": True})
    pulse("ctl", "start", SCHEDULER)

    begun = time.monotonic()
    declare(stack, api, ["benchnew"])
    wait(lambda: is_listed(api, dag_id("benchnew")), every=0.2)
    new = time.monotonic() - begun

    chosen = [dag_id(slug) for slug in slugs[:count]]
    for name in chosen:
        api.call("PATCH", f"dags/{name}", {"is_paused": False})
    run_all(api, chosen)  # the first run of a client is another matter
    wait(lambda: not under_way(api, dag_id("benchnew")))
    idle = cpu_of(stack, lambda: time.sleep(IDLE_SECONDS))[0] / IDLE_SECONDS
    quiet, quiet_seconds = cpu_of(stack, lambda: run_all(api, chosen))
    push(stack, slugs[:count])
    moving, moving_seconds = cpu_of(stack, lambda: run_all(api, chosen))

    fresh = [freshness(stack, api, slug) for slug in slugs[:count]]

    api.call("PATCH", "dags/sync_clients", {"is_paused": False})
    run_all(api, ["sync_clients"])  # after it, the scheduler's own is five minutes away
    before = superset_requests(stack)
    sync, sync_seconds = cpu_of(stack, lambda: run_all(api, ["sync_clients"]))
    asked = superset_requests(stack) - before
    pages = [page_ms(stack) for _ in range(PAGES)]
    return {
        "clients": clients,
        "quiet_run_cpu_s": round((quiet - idle * quiet_seconds) / count, 2),
        "moving_run_cpu_s": round((moving - idle * moving_seconds) / count, 2),
        "idle_cpu": round(idle, 2),
        "fresh_s": round(statistics.median(fresh), 1),
        "loop_s": round(loop),
        "listed_s": round(new, 1),
        "sync_s": round(sync_seconds, 1),
        "sync_cpu_s": round(sync - idle * sync_seconds, 1),
        "sync_requests": asked,
        "page_p50_ms": round(statistics.median(pages)),
        "page_p95_ms": round(p95(pages)),
    }


def declare(stack: Stack, api: AirflowApi, slugs: list[str]) -> None:
    """Clients as sync_clients leaves them: Variable and rows. Superset is noted to know them already."""
    settings = stack.settings
    superset = SupersetApi(
        settings.url("superset"), "pulse_service", settings.secrets["PULSE_SUPERSET_SERVICE_PASSWORD"]
    )
    datasets = pulse_datasets(superset)
    source = {"type": "http_json", "name": "ci", "streams": [{"name": "deploys", "entity": "deployments"}]}
    with psycopg.connect(settings.database_url("pulse_admin", "primary"), autocommit=True) as admin:
        for slug in slugs:
            variable = {"name": slug.title(), "schedule_minutes": 10080, "integrations": [source]}
            text = json.dumps(variable)
            api.call("POST", "variables", {"key": f"{VARIABLE_PREFIX}{slug}", "value": text})
            found = sync_client(admin, slug, parse_spec(slug, text))
            progress.note_declared(admin, slug, text)
            progress.note_provisioned(admin, slug, client_digest(found.client_id, True, datasets))


def push(stack: Stack, slugs: list[str]) -> None:
    """One new record for each client."""
    with psycopg.connect(stack.settings.database_url("pulse_admin", "primary")) as admin:
        secrets = {slug: keys.make(admin, slug, "ci").secret for slug in slugs}
    for slug, secret in secrets.items():
        answer = requests.post(
            f"{stack.settings.url('airflow')}/pulse/ingest/v1/{slug}/deployments",
            json={"id": str(time.time_ns()), **DEPLOYMENT},
            headers={"Authorization": f"Bearer {secret}"},
            timeout=30,
        )
        answer.raise_for_status()


def freshness(stack: Stack, api: AirflowApi, slug: str) -> float:
    """Seconds from a pushed record to the replica's answer with it."""
    counted = "select count(*) from report.evidence_deployments join core.clients c on c.id = client_id where slug = %s"
    with psycopg.connect(stack.settings.database_url("pulse_staff", "replica"), autocommit=True) as replica:

        def deployments() -> int:
            row = replica.execute(counted, [slug]).fetchone()
            return int(row[0]) if row else 0

        before, begun = deployments(), time.monotonic()
        push(stack, [slug])
        runs.trigger(api, dag_id(slug))
        wait(lambda: deployments() > before, every=0.1)
        taken = time.monotonic() - begun
    wait(lambda: not under_way(api, dag_id(slug)))
    return taken


def run_all(api: AirflowApi, dags: list[str]) -> None:
    """Trigger a run of each DAG, one after the other, and wait until it has ended. Raises RuntimeError for a red one."""
    for name in dags:
        wait(lambda name=name: not under_way(api, name))  # type: ignore[misc]
        run = runs.trigger(api, name)
        found: dict[str, Any] = {}

        def ended(name: str = name, run: str = run, found: dict[str, Any] = found) -> bool:
            found |= api.call("GET", f"dags/{name}/dagRuns/{run}")
            return found["state"] in ("success", "failed")

        wait(ended, every=1)
        if found["state"] == "failed":
            raise RuntimeError(f"a run of {name} failed")
        taken = datetime.fromisoformat(found["end_date"]) - datetime.fromisoformat(found["start_date"])
        print(f"{name}: {taken.total_seconds():.1f} s", flush=True)


def under_way(api: AirflowApi, name: str) -> bool:
    """Whether a run of a DAG has not ended."""
    found = api.call("GET", f"dags/{name}/dagRuns", order_by="-run_after", limit=5)["dag_runs"]
    return any(run["state"] in ("running", "queued") for run in found)


def listed(api: AirflowApi) -> int:
    """How many clients of the benchmark have a DAG."""
    return int(api.call("GET", "dags", dag_id_pattern=f"{dag_id('bench')}%", limit=1)["total_entries"])


def loop_seconds(stack: Stack, clients: int) -> float:
    """How long the DAG processor takes to read all files once, without the time that it needs to start."""
    pulse("ctl", "stop", PROCESSOR)
    with stack.cluster.meta.connect(database="airflow") as airflow:
        row = airflow.execute("select now()").fetchone()
        pulse("ctl", "start", PROCESSOR)
        since = [row[0] if row else None]
        read = (
            "select count(*), extract(epoch from max(last_parsed_time) - min(last_parsed_time)) from dag"
            " where last_parsed_time > %s"
        )

        def found() -> tuple[Any, ...]:
            return airflow.execute(read, since).fetchone() or (0, 0)

        wait(lambda: found()[0] >= clients)
        return float(found()[1])


def is_listed(api: AirflowApi, name: str) -> bool:
    """Whether Airflow shows a DAG."""
    try:
        return not api.call("GET", f"dags/{name}").get("is_stale", False)
    except HttpError as error:
        if error.status == 404:
            return False
        raise


def wait(done: Callable[[], bool], every: float = 2) -> None:
    """Wait until something is so. Raises TimeoutError after an hour."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError("waited an hour")
        time.sleep(every)


def superset_requests(stack: Stack) -> int:
    """How many requests Superset has answered, without those of Prometheus."""
    headers = {"Authorization": f"Bearer {stack.settings.secrets['PULSE_METRICS_TOKEN']}"}
    answer = requests.get(f"{stack.settings.url('superset')}/pulse/metrics", headers=headers, timeout=30)
    answer.raise_for_status()
    found = re.findall(r"^pulse_superset_requests_total\{.*\} ([\d.e+]+)$", answer.text, re.M)
    return round(sum(map(float, found)))


def page_ms(stack: Stack) -> float:
    """How long the page Clients takes."""
    body = {"username": "admin", "password": stack.settings.secrets["PULSE_AIRFLOW_ADMIN_PASSWORD"]}
    url = stack.settings.url("airflow")
    token = requests.post(f"{url}/auth/token", json=body, timeout=30).json()["access_token"]
    begun = time.monotonic()
    answer = requests.get(f"{url}/pulse/clients/", headers={"Authorization": f"Bearer {token}"}, timeout=60)
    answer.raise_for_status()
    return 1000 * (time.monotonic() - begun)


if __name__ == "__main__":
    main()
