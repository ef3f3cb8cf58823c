"""A minute without the primary: dashboards answer, logins work, no client DAG disappears."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.support.airflow_api import AirflowApi, wait_for
from tests.support.stack import client_ids, database, login_of, supervisorctl
from tests.support.superset_api import SupersetSession

pytestmark = pytest.mark.stops_stack
OUTAGE_SECONDS = 60


def test_a_minute_without_the_primary(stack: dict[str, Any], airflow: AirflowApi) -> None:
    staff = login_of(stack, "superset", "staff")
    superset = stack["addresses"]["superset"]
    dataset = SupersetSession(superset, staff["username"], staff["password"]).dataset_id("kpi_current")
    login = login_of(stack, "superset", "executive", "techcorp")
    session = SupersetSession(superset, login["username"], login["password"])
    before = session.rows(dataset, ["metric_type", "metric_value"])
    # Without those of clients that another test has just deactivated, because they are about to go.
    dags = airflow.active_dags() & {"sync_clients", *(f"pulse__{slug}" for slug in client_ids(stack))}
    assert {"pulse__techcorp", "pulse__acme"} <= dags

    supervisorctl("stop", "primary")
    stopped = time.monotonic()
    try:
        answers = 0
        while time.monotonic() - stopped < OUTAGE_SECONDS:
            assert session.rows(dataset, ["metric_type", "metric_value"]) == before
            answers += 1
            time.sleep(5)
        assert answers >= 5
        late = SupersetSession(superset, login["username"], login["password"])
        assert late.rows(dataset, ["metric_type", "metric_value"]) == before
        assert dags <= airflow.active_dags()
    finally:
        supervisorctl("start", "primary")

    def replica_follows() -> bool:
        with database(stack, "pulse_staff", replica=True) as conn:
            row = conn.execute("select status from pg_stat_wal_receiver").fetchone()
        return row is not None

    wait_for("the replica to stream again", replica_follows, 60)
    assert dags <= airflow.active_dags()
    assert airflow.sync_clients() == "success"
