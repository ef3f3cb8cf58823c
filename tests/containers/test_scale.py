"""The profile scale: tasks on workers, two schedulers, two Supersets with their caches in Redis, PgBouncer before the replica.

Comes last, as it changes the stack.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from pulse.tenancy import role_password
from tests.containers import test_isolation
from tests.containers.conftest import CLIENTS, Executive, in_superset
from tests.containers.stack import PROJECT, Containers, wait
from tests.containers.test_isolation import executive, world  # noqa: F401
from tests.containers.test_recovery import counted
from tests.support.airflow_api import AirflowApi

NEW = ("redis", "pooler", "airflow-worker", "airflow-scheduler-2", "superset-2")
HEALTHY_SECONDS = 600  # two of everything start at once
SHOWN = ["metric_type", "display_text"]
# What the queue does with a message that no worker has acknowledged for a day (kombu's visibility_timeout).
DELIVER_AGAIN = """
from airflow.providers.celery.executors.celery_executor import app
with app.connection_for_read() as connection:
    connection.transport_options = {**app.conf.broker_transport_options, "visibility_timeout": 0}
    channel = connection.channel()
    print(channel.client.hlen("unacked"))
    channel.qos.restore_visible(num=100)
"""


@pytest.fixture(scope="module", autouse=True)
def scaled(containers: Containers, executives: dict[str, Executive]) -> Iterator[Containers]:
    """The same stack, with the same data, after deploy.render --scale."""
    containers.workers = 2
    containers.up()
    containers.wait_healthy(containers.services(), HEALTHY_SECONDS)
    yield containers
    containers.workers = 0


@pytest.fixture
def api(scaled: Containers, airflow: AirflowApi) -> AirflowApi:
    """Airflow, once its containers have been made anew."""
    wait(lambda: airflow.active_dags() >= {f"pulse__{slug}" for slug in CLIENTS}, 120)
    return airflow


def tasks(api: AirflowApi, dag_id: str, run_id: str) -> list[dict[str, Any]]:
    """The task instances of a run."""
    found: list[dict[str, Any]] = api.get(f"dags/{dag_id}/dagRuns/{run_id}/taskInstances", limit=200)["task_instances"]
    return found


def workers(scaled: Containers) -> dict[str, dict[str, Any]]:
    """The workers by host name."""
    return {str(found["Config"]["Hostname"]): found for found in scaled.inspect_all("airflow-worker")}


def at_work(api: AirflowApi, run_id: str, task_id: str) -> str:
    """The worker that has this task of Acme's run, as soon as it runs."""
    found: list[str] = []

    def looked() -> bool:
        all_of_it = tasks(api, "pulse__acme", run_id)
        found.extend(t["hostname"] for t in all_of_it if t["task_id"] == task_id and t["state"] == "running")
        return bool(found)

    wait(looked, 300, every=0.2)
    return found[0]


def tries(api: AirflowApi, run_id: str) -> dict[tuple[str, int], int]:
    """How often each task of Acme's run was begun."""
    return {(t["task_id"], t["map_index"]): t["try_number"] for t in tasks(api, "pulse__acme", run_id)}


def redis(scaled: Containers, user: str, *command: str) -> str:
    """What Redis answers one of its users."""
    password = role_password(scaled.secrets["PULSE_REDIS_SECRET"], user)
    return scaled.execute("redis", "redis-cli", "--no-auth-warning", "--user", user, "--pass", password, *command)


@contextlib.contextmanager
def without(scaled: Containers, service: str) -> Iterator[None]:
    """A service is stopped; afterwards it is healthy again. (Compose would run its jobs once more.)"""
    container = scaled.inspect(service)["Id"]
    scaled.engine.docker("stop", container)
    try:
        yield
    finally:
        scaled.engine.docker("start", container)
        scaled.wait_healthy([service])


def test_new_containers_have_the_walls_of_the_others(scaled: Containers) -> None:
    for service in NEW:
        for found in scaled.inspect_all(service):
            host = found["HostConfig"]
            assert host["ReadonlyRootfs"], service
            assert host["CapDrop"] == ["ALL"], service
            assert "no-new-privileges:true" in host["SecurityOpt"], service
            assert not host["PortBindings"], service
            running = scaled.engine.docker("top", found["Id"], "-eo", "uid,pid,comm").split("\n")[1:]
            root = [line for line in running if line.split() and line.split()[0] == "0"]
            assert all("docker-init" in line or "tini" in line for line in root), f"{service}: {root}"


def test_redis_keeps_its_users_apart(scaled: Containers, executives: dict[str, Executive]) -> None:
    assert "NOPERM" in scaled.execute("redis", "redis-cli", "get", "unacked", check=False)
    for person in executives.values():
        person.session().rows(person.dataset, SHOWN, force=False)
    (key, *_) = redis(scaled, "cache", "-n", "1", "keys", "cache:data:*").split()
    assert redis(scaled, "cache", "-n", "1", "exists", key).strip() == "1"
    assert "NOPERM" in redis(scaled, "queue", "-n", "1", "get", key)
    assert "NOPERM" in redis(scaled, "queue", "flushall")
    for word in ("lpush default x", "hgetall unacked", "publish x x", "eval return(1) 0", "config get *"):
        assert "NOPERM" in redis(scaled, "cache", *word.split()), word


def test_each_container_knows_the_password_that_it_needs(scaled: Containers) -> None:
    holders = {
        "queue": {"airflow-scheduler", "airflow-scheduler-2", "airflow-worker"},
        "cache": {"superset", "superset-2"},
    }
    for user, services in holders.items():
        password = role_password(scaled.secrets["PULSE_REDIS_SECRET"], user)
        for service in scaled.services():
            for found in scaled.inspect_all(service):
                given = "\n".join(found["Config"]["Env"])
                assert (password in given) == (service in {*services, "redis"}), f"{user} in {service}"
                assert scaled.secrets["PULSE_REDIS_SECRET"] not in given, service
                assert scaled.secrets["PULSE_ROLE_SECRET"] not in given, service


def test_both_clients_numbers_come_from_tasks_on_workers(
    scaled: Containers, api: AirflowApi, executives: dict[str, Executive]
) -> None:
    began = time.monotonic()
    runs = {slug: api.trigger(f"pulse__{slug}", recompute=True) for slug in CLIENTS}
    used = set()
    for slug, run_id in runs.items():
        assert api.wait_run(f"pulse__{slug}", run_id, 600) == "success"
        used |= {task["hostname"] for task in tasks(api, f"pulse__{slug}", run_id) if task["hostname"]}
        assert len(executives[slug].numbers()) >= 5
    print(f"FIGURE both clients' runs on two workers: {time.monotonic() - began:.0f} s")
    assert used == set(workers(scaled)), "both workers, and nobody else"


@pytest.mark.parametrize("task_id", ["github.extract_repositories", "compute_dora"])
def test_a_worker_killed_in_the_middle_of_a_task_loses_and_repeats_nothing(
    scaled: Containers, api: AirflowApi, executives: dict[str, Executive], task_id: str
) -> None:
    before, shown = counted(scaled), executives["acme"].numbers()
    run_id = api.trigger("pulse__acme", recompute=True)
    hostname = at_work(api, run_id, task_id)
    os.kill(workers(scaled)[hostname]["State"]["Pid"], signal.SIGKILL)
    seconds = wait(lambda: api.run_state("pulse__acme", run_id) == "success", 900)
    print(f"FIGURE a worker killed in the middle of {task_id}: the run ended well after {seconds:.0f} s")
    begun = tries(api, run_id)
    again = {task for (task, _), number in begun.items() if number > 1}
    assert task_id in again
    assert counted(scaled) == before
    assert executives["acme"].numbers() == shown
    scaled.wait_healthy(["airflow-worker"])

    # A day later the queue delivers the dead worker's messages once more: no task is begun by them.
    waiting = int(scaled.execute("airflow-worker", "python", "-c", DELIVER_AGAIN).split()[-1])
    assert waiting >= 1, "the killed worker had acknowledged its task before it ended"
    wait(lambda: redis(scaled, "queue", "hlen", "unacked").strip() == "0", 120)
    assert tries(api, run_id) == begun
    assert api.run_state("pulse__acme", run_id) == "success"
    assert counted(scaled) == before


def test_a_scheduler_less_stops_nothing(scaled: Containers, api: AirflowApi) -> None:
    scaled.kill("airflow-scheduler")
    with without(scaled, "airflow-scheduler"):
        assert api.wait_run("pulse__techcorp", api.trigger("pulse__techcorp"), 600) == "success"


def test_redis_killed_during_a_run_loses_nothing(
    scaled: Containers, api: AirflowApi, executives: dict[str, Executive]
) -> None:
    before, shown = counted(scaled), executives["acme"].numbers()
    run_id = api.trigger("pulse__acme", recompute=True)
    at_work(api, run_id, "github.extract_repositories")
    scaled.kill("redis")
    assert executives["acme"].numbers() == shown
    seconds = wait(lambda: api.run_state("pulse__acme", run_id) == "success", 900)
    print(f"FIGURE Redis killed during a run: it ended well after {seconds:.0f} s")
    assert counted(scaled) == before
    assert executives["acme"].numbers() == shown


def test_redis_away_leaves_the_dashboards(scaled: Containers, executives: dict[str, Executive]) -> None:
    person = executives["acme"]
    session, shown = person.session(), person.numbers()
    with without(scaled, "redis"):
        began = time.monotonic()
        assert session.rows(person.dataset, SHOWN, force=False) == shown
        print(f"FIGURE Redis away: numbers after {time.monotonic() - began:.1f} s")
        assert person.numbers() == shown, "a new sign-in, too"


@pytest.mark.parametrize("victim", ["superset", "superset-2"])
def test_a_superset_killed_leaves_dashboards_and_sessions(
    scaled: Containers, executives: dict[str, Executive], victim: str
) -> None:
    person = executives["acme"]
    session, shown = person.session(), person.numbers()
    answers: list[bool] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            try:
                answers.append(session.rows(person.dataset, SHOWN) == shown)
            except Exception:
                answers.append(False)

    reader = threading.Thread(target=read)
    reader.start()
    time.sleep(3)
    scaled.kill(victim)
    killed_at = len(answers)
    time.sleep(20)
    stop.set()
    reader.join()
    missed = [number for number, good in enumerate(answers) if not good]
    print(f"FIGURE {victim} killed: {len(missed)} of {len(answers)} answers missed")
    assert all(answers[:killed_at])
    assert len(missed) <= 1, "the one that was under way may be lost"
    scaled.wait_healthy(["superset", "superset-2"])


def test_a_session_is_good_at_both_supersets(scaled: Containers, executives: dict[str, Executive]) -> None:
    person = executives["acme"]
    session, shown = person.session(), person.numbers()
    for away in ("superset", "superset-2"):
        with without(scaled, away):
            wait(lambda: session.rows(person.dataset, SHOWN) == shown, 60)


def test_answers_in_redis_are_each_clients_own(scaled: Containers, executives: dict[str, Executive]) -> None:
    for person in executives.values():
        person.session().rows(person.dataset, SHOWN, force=False)
    keys = redis(scaled, "cache", "-n", "1", "keys", "cache:data:*").split()
    owners = {key.split(":")[2] for key in keys}
    ids = {client for (client,) in scaled.sql("select id from core.clients where active")}
    assert {owner for owner in owners if owner.startswith("client-")} == {f"client-{client}" for client in ids}


@pytest.mark.parametrize("victim", ["pooler", "replica"])
def test_dashboards_answer_again_after_what_they_read_through_was_killed(
    scaled: Containers, executives: dict[str, Executive], victim: str
) -> None:
    shown = executives["acme"].numbers()
    before = scaled.inspect(victim)["State"]["StartedAt"]
    scaled.kill(victim)
    wait(lambda: scaled.inspect(victim)["State"]["StartedAt"] != before, 120, every=0.2)
    seconds = wait(lambda: executives["acme"].numbers() == shown, 60, every=0.2)
    print(f"FIGURE {victim} killed: dashboards answer again after {seconds:.0f} s")


def test_dashboards_read_through_pgbouncer(scaled: Containers, executives: dict[str, Executive]) -> None:
    for person in executives.values():
        assert len(person.numbers()) >= 5
    networks = scaled.inspect("pooler")["NetworkSettings"]["Networks"]
    sessions = "select distinct host(client_addr), usename from pg_stat_activity where usename ~ '^pulse_client_'"
    found = scaled.sql(sessions)
    assert {address for address, _ in found} == {networks[f"{PROJECT}_data"]["IPAddress"]}
    assert len({login for _, login in found}) == len(CLIENTS)


def test_a_clients_login_reads_its_own_rows_through_pgbouncer(
    scaled: Containers,
    world: dict[str, Any],  # noqa: F811
) -> None:
    code = (
        "import psycopg2, sys\nsys.path.insert(0, '/opt/pulse/plugins')\n"
        "from pulse import environ, tenancy\n"
        "def connect(role, owner):\n"
        "    return psycopg2.connect(host='pooler', dbname='pulse', user=role, connect_timeout=5,\n"
        "        password=tenancy.role_password(environ.READER_SECRET.get(), owner))\n"
        f"own, other = 'pulse_client_{world['own']}', 'pulse_client_{world['other']}'\n"
        "for role in (own, other, own, other):\n"
        "    found = connect(role, role).cursor()\n"
        "    found.execute('select distinct client_id from report.metric_series')\n"
        "    print(found.fetchall())\n"
        f"    found.execute(\"set pulse.client_id = '{world['other']}'; set statement_timeout = 0; commit\")\n"
        "for role, owner in ((other, own), ('postgres', 'postgres'), ('pulse_etl', 'pulse_etl')):\n"
        "    try:\n"
        "        connect(role, owner)\n"
        "        print('let in')\n"
        "    except psycopg2.OperationalError:\n"
        "        print('refused')\n"
    )
    own, other = f"[({world['own']},)]", f"[({world['other']},)]"
    assert in_superset(scaled, code).splitlines() == [own, other, own, other, *["refused"] * 3]


def test_the_login_of_pgbouncer_reads_no_table_of_the_clients(scaled: Containers) -> None:
    readable = (
        "select count(*) from pg_class c join pg_namespace n on n.oid = relnamespace"
        " where relkind in ('r', 'v', 'm', 'p', 'f') and nspname not in ('pg_catalog', 'information_schema')"
        " and has_schema_privilege('pulse_pooler', n.oid, 'usage') and has_table_privilege('pulse_pooler', c.oid, 'select')"
    )
    assert scaled.sql(readable) == [["0"]]


# Once more, now through PgBouncer, and with answers in Redis.
test_every_dataset_answers_own_rows_only = test_isolation.test_every_dataset_answers_own_rows_only
test_sql_in_a_chart_reaches_no_other_client = test_isolation.test_sql_in_a_chart_reaches_no_other_client
