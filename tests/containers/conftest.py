"""The stack of docker-compose.yml, brought up from nothing once for all tests of this folder: ./pulse test --containers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from pulse import environ
from stack.paths import TEST_STATE
from tests.containers import standins
from tests.containers.engine import Engine
from tests.containers.stack import Containers, wait
from tests.support.airflow_api import AirflowApi
from tests.support.superset_api import SupersetSession

CLIENTS = ("techcorp", "acme")
FIRST_NUMBERS_SECONDS = 900


@pytest.fixture(scope="session")
def containers() -> Iterator[Containers]:
    """The whole file, with its profiles demo, edge and monitoring. Volumes are new; images of an earlier run are built upon."""
    engine = Engine(TEST_STATE.parent / "containers")
    engine.start()
    made = Containers(engine, engine.state)
    keep = bool(environ.KEEP_CONTAINERS.get())
    try:
        standins.make_missing(engine)
        if not keep:
            made.down()
        made.up()
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("REQUESTS_CA_BUNDLE", str(made.certificate))  # the edge's certificate and no other
            yield made
    finally:
        if not keep:
            made.down()
            engine.stop()


@pytest.fixture(scope="session")
def airflow(containers: Containers) -> AirflowApi:
    """Airflow through the edge, as the admin."""
    url = containers.url("airflow")
    wait(lambda: bool(AirflowApi(url, "admin", containers.secrets["PULSE_AIRFLOW_ADMIN_PASSWORD"])), 300)
    return AirflowApi(url, "admin", containers.secrets["PULSE_AIRFLOW_ADMIN_PASSWORD"])


@dataclass(frozen=True)
class Executive:
    """One demo client's executive, at Superset through the edge."""

    slug: str
    url: str
    email: str
    password: str
    dataset: int  # kpi_current

    def session(self) -> SupersetSession:
        """A new sign-in."""
        return SupersetSession(self.url, self.email, self.password)

    def numbers(self) -> list[dict[str, Any]]:
        """The tiles' numbers, past the cache."""
        return self.session().rows(self.dataset, ["metric_type", "display_text"])


@pytest.fixture(scope="session")
def datasets(containers: Containers, airflow: AirflowApi) -> dict[str, int]:
    """Every dataset by name, as staff sees them."""
    url, password = containers.url("superset"), containers.secrets["PULSE_SUPERSET_STAFF_PASSWORD"]

    def found() -> dict[str, int]:
        return {d["table_name"]: int(d["id"]) for d in SupersetSession(url, "staff", password).datasets()}

    wait(lambda: "kpi_current" in found(), FIRST_NUMBERS_SECONDS)
    return found()


@pytest.fixture(scope="session")
def executives(containers: Containers, airflow: AirflowApi, datasets: dict[str, int]) -> dict[str, Executive]:
    """Both demo clients' executives, once their numbers are there."""
    people = {}
    for slug in CLIENTS:
        email = f"ceo@{slug}.example"
        password = containers.password(email)
        people[slug] = Executive(slug, containers.url("superset"), email, password, datasets["kpi_current"])
    for slug, person in people.items():
        wait(
            lambda slug=slug: (run := airflow.latest_run(f"pulse__{slug}")) and run["state"] == "success",
            FIRST_NUMBERS_SECONDS,
        )
        wait(lambda person=person: bool(person.numbers()), 120)
    return people


def in_superset(containers: Containers, code: str) -> str:
    """What Python code prints in Superset's container."""
    return containers.execute("superset", "python", "-c", code)
