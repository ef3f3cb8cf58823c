"""docker-compose.multi-client.yml: two Airflows, each with one of the demo clients, share primary, replica and Superset.

Comes last, as it changes the stack; the last test goes back to one Airflow.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import pytest
import requests

from tests.containers.conftest import CLIENTS, Executive
from tests.containers.stack import PROJECT, Containers, wait
from tests.containers.test_recovery import counted
from tests.support.airflow_api import AirflowApi

PROCESSES = ("scheduler", "api-server", "dag-processor", "triggerer")
FIRST = tuple(f"airflow-{name}" for name in PROCESSES)
SECOND = (*(f"second-{name}" for name in PROCESSES), "second-meta")
HEALTHY_SECONDS = 600
Airflows = dict[str, AirflowApi]


@pytest.fixture(scope="module")
def split(containers: Containers, executives: dict[str, Executive]) -> Containers:
    """The same stack, with the same data, once Acme has been given to a second Airflow."""
    containers.second = "acme"
    containers.up()
    containers.wait_healthy(containers.services(), HEALTHY_SECONDS)
    return containers


@pytest.fixture(scope="module")
def airflows(split: Containers) -> Airflows:
    """Each client's Airflow, once it lists the client's DAG and no other client's."""
    found = {}
    for slug, service in {"techcorp": "airflow", "acme": "second"}.items():
        api = AirflowApi(split.url(service), "admin", split.secrets["PULSE_AIRFLOW_ADMIN_PASSWORD"])
        wait(lambda api=api, slug=slug: (dags := clients_dags(api)) == {f"pulse__{slug}"} or dags, 300)
        found[slug] = api
    return found


def clients_dags(api: AirflowApi) -> set[str]:
    """The DAGs of clients that an Airflow has."""
    return {dag for dag in api.active_dags() if dag.startswith("pulse__")}


def last_run(split: Containers, slug: str) -> str:
    """When the last run of a client that ended well did so, as the primary has it."""
    query = (
        "select coalesce(max(finished_at), '-infinity') from core.etl_runs"
        f" where state = 'success' and client_id = (select id from core.clients where slug = '{slug}')"
    )
    ((found,),) = split.sql(query, "primary")
    return found


@contextlib.contextmanager
def away(split: Containers, services: tuple[str, ...]) -> Iterator[None]:
    """All of these are killed, and stay away for a while."""
    ids = [split.inspect(service)["Id"] for service in services]
    split.engine.docker("kill", *ids)
    try:
        yield
    finally:
        split.engine.docker("start", *ids)
        split.wait_healthy([*services], HEALTHY_SECONDS)


def test_each_airflow_has_its_own_clients_dags_only(split: Containers, airflows: Airflows) -> None:
    time.sleep(45)  # both have read the bundle again, more than once
    assert {slug: clients_dags(api) for slug, api in airflows.items()} == {slug: {f"pulse__{slug}"} for slug in CLIENTS}
    active = split.sql("select slug from core.clients where active order by slug", "primary")
    assert {slug for (slug,) in active} == set(CLIENTS), "one has deactivated what the other serves"


def test_both_clients_numbers_come_from_runs_of_their_own_airflow(
    split: Containers, airflows: Airflows, executives: dict[str, Executive]
) -> None:
    before, times = counted(split), {slug: last_run(split, slug) for slug in CLIENTS}
    began = time.monotonic()
    runs = {slug: api.trigger(f"pulse__{slug}", recompute=True) for slug, api in airflows.items()}
    for slug, api in airflows.items():
        assert api.wait_run(f"pulse__{slug}", runs[slug], 300) == "success"
        assert len(executives[slug].numbers()) >= 5
        assert last_run(split, slug) > times[slug]
    print(f"FIGURE both clients' runs on two Airflows: {time.monotonic() - began:.0f} s")
    after = counted(split)
    assert {what: count for what, count in before.items() if after[what] < count} == {}
    assert executives["techcorp"].numbers() != executives["acme"].numbers()


@pytest.mark.parametrize(("killed", "other"), [(FIRST, "acme"), (SECOND, "techcorp")], ids=["first", "second"])
def test_one_airflow_killed_leaves_the_other_client_fresh(
    split: Containers, airflows: Airflows, executives: dict[str, Executive], killed: tuple[str, ...], other: str
) -> None:
    (stale,) = set(CLIENTS) - {other}
    with away(split, killed):
        before = last_run(split, other)
        began = time.monotonic()
        run_id = airflows[other].trigger(f"pulse__{other}", recompute=True)
        assert airflows[other].wait_run(f"pulse__{other}", run_id, 600) == "success"
        print(f"FIGURE the Airflow of {stale} is away: a run of {other} took {time.monotonic() - began:.0f} s")
        assert last_run(split, other) > before
        assert all(len(executives[slug].numbers()) >= 5 for slug in CLIENTS), "dashboards of both go on"
    run_id = airflows[stale].trigger(f"pulse__{stale}")
    assert airflows[stale].wait_run(f"pulse__{stale}", run_id, 600) == "success"


def test_a_session_of_one_airflow_is_none_of_the_other(split: Containers, airflows: Airflows) -> None:
    login = {"username": "admin", "password": split.secrets["PULSE_AIRFLOW_ADMIN_PASSWORD"]}
    for own, other in (("airflow", "second"), ("second", "airflow")):
        token = requests.post(f"{split.url(own)}/auth/token", json=login, timeout=60).json()["access_token"]
        answers = [
            requests.get(f"{split.url(to)}/api/v2/dags", headers={"Authorization": f"Bearer {token}"}, timeout=60)
            for to in (own, other)
        ]
        assert [answer.status_code for answer in answers] == [200, 403]
        assert "Invalid JWT token" in answers[1].text


def test_the_second_airflow_finds_its_own_servers_and_not_the_firsts(split: Containers) -> None:
    def address(service: str, network: str) -> str:
        found: str = split.inspect(service)["NetworkSettings"]["Networks"][f"{PROJECT}_{network}"]["IPAddress"]
        return found

    own = address("second-meta", "second-meta"), address("second-api-server", "second-app")
    code = "import socket; print(*({f[4][0] for f in socket.getaddrinfo(host, 1)} for host in ('meta', 'airflow-api-server')))"
    for service in ("second-scheduler", "second-dag-processor", "second-triggerer"):
        networks = set(split.inspect(service)["NetworkSettings"]["Networks"])
        assert networks.isdisjoint(f"{PROJECT}_{name}" for name in ("app", "data", "meta")), service
        assert split.execute(service, "python", "-c", code).strip() == " ".join(f"{{{a!r}}}" for a in own), service


def test_one_airflow_takes_every_client_back(
    split: Containers, airflows: Airflows, executives: dict[str, Executive]
) -> None:
    split.second = ""
    split.up("--remove-orphans")
    assert "second" not in split.engine.docker("ps", "--all", "--filter", f"name={PROJECT}", "--format", "{{.Names}}")
    split.wait_healthy(split.services(), HEALTHY_SECONDS)
    api = AirflowApi(split.url("airflow"), "admin", split.secrets["PULSE_AIRFLOW_ADMIN_PASSWORD"])
    wait(lambda: clients_dags(api) == {f"pulse__{slug}" for slug in CLIENTS}, 300)
    assert api.wait_run("pulse__acme", api.trigger("pulse__acme", recompute=True), 600) == "success"
    assert len(executives["acme"].numbers()) >= 5
