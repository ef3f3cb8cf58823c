"""One client's rows, and each container's secrets, in the running containers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.containers.conftest import Executive, in_superset
from tests.containers.stack import Containers
from tests.isolation.test_http import ATTACKS, assert_clean
from tests.support.superset_ways import WAYS, Known

ACCEPTED = [way for way in WAYS if way.accepted]
# Which containers have what. Every other one must not.
HOLDERS = {
    "PULSE_ROLE_SECRET": set(),
    "PULSE_REDIS_SECRET": set(),
    "PULSE_METRICS_TOKEN": {"airflow", "superset", "prometheus"},
    "PULSE_FERNET_KEY": {"airflow"},
    "PULSE_JWT_SECRET": {"airflow"},
    "PULSE_WEBHOOK_SECRET": {"airflow"},
    "PULSE_READER_SECRET": {"airflow", "superset"},
    "PULSE_SUPERSET_SECRET_KEY": {"superset"},
    "PULSE_SUPERSET_STAFF_PASSWORD": {"superset"},
    "PULSE_DEMO_SECRET": set(),
    "PULSE_AIRFLOW_ADMIN_PASSWORD": set(),
}


@pytest.fixture(scope="module")
def world(containers: Containers, executives: dict[str, Executive]) -> dict[str, Any]:
    """Ids of the two demo clients, and words that only Acme's rows contain."""
    ids = {slug: int(number) for slug, number in containers.sql("select slug, id from core.clients")}
    words = containers.sql(f"select full_name from core.github_repositories where client_id = {ids['acme']}")
    assert words
    return {"own": ids["techcorp"], "other": ids["acme"], "words": {word for (word,) in words} | {"ceo@acme.example"}}


@pytest.fixture(scope="module", params=ACCEPTED, ids=lambda way: way.name.replace(" ", "-"))
def executive(executives: dict[str, Executive], request: pytest.FixtureRequest) -> Known:
    person = executives["techcorp"]
    return Known(person.url, person.email, person.password, request.param)


def test_every_dataset_answers_own_rows_only(world: dict[str, Any], executive: Known, datasets: dict[str, int]) -> None:
    answered = 0
    for name, dataset in datasets.items():
        answer = executive.chart_data(dataset, columns=["client_id"], row_limit=100)
        assert_clean(world, name, answer)
        answered += answer.status_code == 200
    assert answered >= 10


@pytest.mark.parametrize("attack", sorted(ATTACKS))
def test_sql_in_a_chart_reaches_no_other_client(
    world: dict[str, Any], executive: Known, datasets: dict[str, int], attack: str
) -> None:
    sql = ATTACKS[attack].replace("{other}", str(world["other"]))
    metric = {"expressionType": "SQL", "sqlExpression": sql, "label": "x"}
    assert_clean(world, attack, executive.chart_data(datasets["kpi_current"], metrics=[metric]))


def test_a_clients_login_reads_its_rows_on_the_replica_and_is_refused_by_the_primary(
    containers: Containers, world: dict[str, Any]
) -> None:
    code = (
        "import psycopg2, sys\nsys.path.insert(0, '/opt/pulse/plugins')\n"
        "from pulse import environ, tenancy\n"
        f"role = 'pulse_client_{world['own']}'\n"
        "for host in ('replica', 'primary'):\n"
        "    try:\n"
        "        found = psycopg2.connect(host=host, dbname='pulse', user=role, connect_timeout=5,\n"
        "            password=tenancy.role_password(environ.READER_SECRET.get(), role)).cursor()\n"
        "        found.execute('select distinct client_id from report.metric_series')\n"
        "        print(host, found.fetchall())\n"
        "    except psycopg2.OperationalError as error:\n"
        "        print(host, 'refused' if 'pg_hba.conf rejects' in str(error) else error)\n"
    )
    assert in_superset(containers, code).splitlines() == [f"replica [({world['own']},)]", "primary refused"]


@pytest.mark.parametrize(
    ("service", "host", "port"),
    [
        ("edge", "primary", 5432),
        ("edge", "replica", 5432),
        ("edge", "meta", 5432),
        ("sandbox", "primary", 5432),
        ("sandbox", "meta", 5432),
        ("sandbox", "superset", 8088),
        ("primary", "meta", 5432),
        ("replica", "edge", 443),
    ],
)
def test_networks_are_apart(containers: Containers, service: str, host: str, port: int) -> None:
    """By name and, for those that know it, by address."""
    addresses = [n["IPAddress"] for n in containers.inspect(host)["NetworkSettings"]["Networks"].values()]
    for target in [host, *addresses]:
        found = containers.execute(
            service, "timeout", "4", "bash", "-c", f"exec 3<>/dev/tcp/{target}/{port} && echo open", check=False
        )
        assert "open" not in found, f"{service} reaches {host} at {target}"


def test_each_container_has_the_secrets_it_needs_and_no_other(containers: Containers) -> None:
    role = containers.secrets["PULSE_ROLE_SECRET"]
    for service in containers.services():
        given = "\n".join(containers.inspect(service)["Config"]["Env"])
        kind = service.partition("-")[0]
        assert role not in given, service
        for name, holders in HOLDERS.items():
            assert (containers.secrets[name] in given) == (kind in holders), f"{name} in {service}"


def test_images_hold_no_secret_no_key_and_no_tests(containers: Containers) -> None:
    secrets = list(containers.secrets.values())
    for image in ("pulse-airflow", "pulse-superset"):
        history = containers.engine.docker("history", "--no-trunc", image)
        assert not any(secret in history for secret in secrets), image
        listing = ["run", "--rm", "--network", "none", "--entrypoint", "sh", image, "-c"]
        found = containers.engine.docker(*listing, "cd /opt/pulse && find . -type f").splitlines()
        for path in found:
            assert not path.startswith(("./tests/", "./.pulse/", "./.git/", "./bench/")), f"{image}: {path}"
            assert not path.endswith((".pem", ".env", ".key")), f"{image}: {path}"
        packages = containers.engine.docker(*listing, "pip list --format=freeze")
        assert "pytest" not in packages


def test_processes_run_as_nobody_in_particular_on_a_read_only_disk(containers: Containers) -> None:
    for service in containers.services():
        found = containers.inspect(service)
        host = found["HostConfig"]
        assert host["ReadonlyRootfs"], service
        assert host["CapDrop"] == ["ALL"], service
        assert host["Memory"] > 0, service
        assert host["PidsLimit"] > 0, service
        assert not host["Privileged"], service
        assert "no-new-privileges:true" in host["SecurityOpt"], service
        assert bool(host["CapAdd"]) == (service == "edge"), service
        running = containers.engine.docker("top", found["Id"], "-eo", "uid,pid,comm").split("\n")[1:]
        root = [line for line in running if line.split() and line.split()[0] == "0"]
        if service == "edge":
            names = sorted(line.split()[-1] for line in root)
            assert names == ["nginx", "sh", "sleep"], f"only what reads the certificate and its key: {root}"
        else:
            assert all("docker-init" in line or "tini" in line for line in root), f"{service}: {root}"


def test_only_the_edge_listens_beyond_this_machine(containers: Containers) -> None:
    for service in containers.services():
        bindings = containers.inspect(service)["HostConfig"]["PortBindings"] or {}
        for port, places in bindings.items():
            assert service == "edge" or all(place["HostIp"] == "127.0.0.1" for place in places), f"{service} {port}"
