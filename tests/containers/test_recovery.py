"""What is killed comes back by itself, nothing is lost, and a health check says so in between."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from stack.postgres.cluster import SLOT
from tests.containers.conftest import CLIENTS, Executive
from tests.containers.stack import PROJECT, Containers, wait
from tests.support.airflow_api import AirflowApi

SERVICES = (
    "primary",
    "replica",
    "meta",
    "airflow-api-server",
    "airflow-scheduler",
    "airflow-dag-processor",
    "airflow-triggerer",
    "superset",
    "sandbox",
    "edge",
)
UNFINISHED = "select count(*) from task_instance where state in ('running', 'queued', 'scheduled', 'restarting')"
# Looking every 5 s for schedulers that have been silent for 25 s, and the start of the next one on a busy machine.
ADOPTED_SECONDS = 60


@pytest.fixture(scope="module")
def rows(containers: Containers, executives: dict[str, Executive]) -> dict[str, int]:
    """How many rows each client has of each kind, before anything is killed."""
    return counted(containers)


def counted(containers: Containers) -> dict[str, int]:
    query = " union all ".join(
        f"select '{table} of ' || client_id, count(*) from core.{table} group by client_id"
        for table in ("pull_requests", "deployments", "incidents", "changes")
    )
    return {what: int(count) for what, count in containers.sql(query, "primary")}


@pytest.fixture
def run(airflow: AirflowApi, executives: dict[str, Executive]) -> str:
    """A run of Acme's DAG that computes everything again and has a task at work."""
    run_id = airflow.trigger("pulse__acme", recompute=True)
    path = f"dags/pulse__acme/dagRuns/{run_id}/taskInstances"
    wait(lambda: any(t["state"] == "running" for t in airflow.get(path, limit=100)["task_instances"]), 180, every=0.3)
    return run_id


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_killed_comes_back_with_everything(
    containers: Containers, executives: dict[str, Executive], rows: dict[str, int], service: str
) -> None:
    before = containers.inspect(service)["State"]["StartedAt"]
    containers.kill(service)
    wait(lambda: containers.inspect(service)["State"]["StartedAt"] != before, 120)
    containers.wait_healthy([*SERVICES])
    for slug in CLIENTS:
        wait(lambda slug=slug: len(executives[slug].numbers()) >= 5, 60)
    after = counted(containers)  # the sandbox's world goes on, so there may be more
    assert {what: count for what, count in rows.items() if after[what] < count} == {}


def test_tasks_of_a_killed_scheduler_are_begun_again(containers: Containers, airflow: AirflowApi, run: str) -> None:
    query = "select max(id) from job where job_type = 'SchedulerJob' and state = 'running'"
    ((dead,),) = containers.sql(query, "meta", "airflow")
    containers.kill("airflow-scheduler")
    mine = f"{UNFINISHED} and queued_by_job_id = {dead}"
    assert containers.sql(mine, "meta", "airflow") != [["0"]], "nothing was at work"
    seconds = wait(lambda: containers.sql(mine, "meta", "airflow") == [["0"]], ADOPTED_SECONDS)
    print(f"FIGURE tasks of a killed scheduler taken over after {seconds:.0f} s")
    assert airflow.wait_run("pulse__acme", run) == "success"


def test_a_task_at_work_ends_before_its_container(containers: Containers, airflow: AirflowApi, run: str) -> None:
    containers.compose("stop", "airflow-scheduler")
    assert containers.inspect("airflow-scheduler")["State"]["ExitCode"] == 0
    at_work = "select count(*) from task_instance where state = 'running'"
    assert containers.sql(at_work, "meta", "airflow") == [["0"]]
    containers.compose("start", "airflow-scheduler")
    assert airflow.wait_run("pulse__acme", run) == "success"


def test_a_replica_that_lost_its_slot_is_copied_again(containers: Containers) -> None:
    before = containers.inspect("replica")["State"]["StartedAt"]
    forget = (
        f"select pg_terminate_backend(active_pid, 5000) from pg_replication_slots where slot_name = '{SLOT}' and active;"
        f" select pg_drop_replication_slot('{SLOT}')"
    )
    wait(lambda: containers.sql(forget, "primary") is not None, 30, every=0.1)
    wait(lambda: containers.inspect("replica")["State"]["StartedAt"] != before, 120)
    containers.wait_healthy(["replica"])
    ((position,),) = containers.sql("select pg_current_wal_flush_lsn()", "primary")
    wait(lambda: containers.sql(f"select pg_last_wal_replay_lsn() >= '{position}'") == [["t"]], 60)


@pytest.fixture
def without_meta(containers: Containers) -> Iterator[None]:
    """Airflow's and Superset's own databases are away."""
    containers.compose("stop", "meta")
    yield
    containers.compose("start", "meta")
    containers.wait_healthy([*SERVICES])


@pytest.mark.usefixtures("without_meta")
def test_health_checks_see_what_an_answer_of_200_hides(
    containers: Containers, executives: dict[str, Executive]
) -> None:
    for service in ("airflow-api-server", "superset"):
        wait(lambda service=service: (health := containers.health(service)) == "unhealthy" or health, 240)
    assert containers.health("airflow-scheduler") != "healthy", "it ends, and is started again and again"


@pytest.fixture
def certificates(containers: Containers) -> Iterator[Path]:
    """The folder of the edge's certificate, which is a good one again afterwards."""
    folder = containers.certificate.parent
    kept = {path: path.read_bytes() for path in folder.iterdir()}
    yield folder
    for path, content in kept.items():
        path.write_bytes(content)
    containers.wait_healthy(["edge"])


def expired(key: bytes) -> bytes:
    """A certificate for localhost that was good until yesterday."""
    private = serialization.load_pem_private_key(key, None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=90))
        .not_valid_after(now - timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(private, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


def test_an_expired_certificate_is_told_and_a_renewed_one_is_taken(
    containers: Containers, executives: dict[str, Executive], certificates: Path
) -> None:
    good = containers.certificate.read_bytes()
    page = f"{containers.url('superset')}/health"
    containers.certificate.write_bytes(expired((certificates / "privkey.pem").read_bytes()))

    def refused() -> bool | str:
        try:
            return f"answered: {requests.get(page, timeout=10).status_code}"
        except requests.exceptions.SSLError as error:
            return "certificate has expired" in str(error) or str(error)

    wait(refused, 90)
    told = wait(lambda: (health := containers.health("edge")) == "unhealthy" or health, 180)
    containers.certificate.write_bytes(good)
    back = wait(lambda: requests.get(page, timeout=10).status_code == 200, 90)
    print(f"FIGURE certificate expired: told after {told:.0f} s, a renewed one taken after {back:.0f} s")
    assert len(executives["acme"].numbers()) >= 5


def test_the_edge_follows_a_container_to_another_address(
    containers: Containers, executives: dict[str, Executive], request: pytest.FixtureRequest
) -> None:
    network = f"{PROJECT}_front"

    def address() -> Any:
        return containers.inspect("superset")["NetworkSettings"]["Networks"][network]["IPAddress"]

    before = address()
    containers.compose("rm", "--stop", "--force", "superset")
    # Somebody else gets the address.
    command = ["run", "--detach", "--rm", "--network", network, "--entrypoint", "sleep", "pulse-superset", "900"]
    squatter = containers.engine.docker(*command).strip()
    request.addfinalizer(lambda: containers.engine.docker("rm", "--force", squatter))
    containers.compose("up", "--detach", "--no-deps", "superset")
    containers.wait_healthy(["superset"])
    assert address() != before
    time.sleep(6)  # for as long a name that was looked up holds
    assert len(executives["acme"].numbers()) >= 5
