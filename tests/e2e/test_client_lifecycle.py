"""One client's life through the real scheduler: declared, extracted, computed, shown, changed, deactivated.

The tests of this module run in order and share one client; each is a chapter of the same story.
"""

from __future__ import annotations

from typing import Any

import pytest
import requests

from pulse.warehouse.connect import client_transaction
from tests.e2e.conftest import DeclaredClient
from tests.support.airflow_api import AirflowApi, wait_for
from tests.support.stack import database, login_of
from tests.support.superset_api import SupersetSession


def client_id(stack: dict[str, Any], slug: str) -> int:
    with database(stack, "pulse_staff", replica=True) as conn:
        row = conn.execute("select id from core.clients where slug = %s", (slug,)).fetchone()
    assert row is not None, f"no client {slug} on the replica"
    return int(row[0])


def staff_session(stack: dict[str, Any]) -> SupersetSession:
    login = login_of(stack, "superset", "staff")
    return SupersetSession(stack["addresses"]["superset"], login["username"], login["password"])


def test_a_new_variable_becomes_a_listed_dag_within_20_seconds(
    stack: dict[str, Any], airflow: AirflowApi, new_client: DeclaredClient
) -> None:
    airflow.set_variable(new_client.variable, new_client.spec)
    assert airflow.sync_clients() == "success"
    with database(stack, "pulse_staff", replica=True) as conn:
        row = conn.execute(
            "select extract(epoch from now() - created_at) from core.clients where slug = %s", (new_client.slug,)
        ).fetchone()
    assert row is not None
    wait_for(f"{new_client.dag_id} to be listed", lambda: new_client.dag_id in airflow.active_dags(), 20)


def test_its_first_run_is_green(airflow: AirflowApi, new_client: DeclaredClient) -> None:
    run = wait_for("a first run", lambda: airflow.latest_run(new_client.dag_id), 60)
    assert airflow.wait_run(new_client.dag_id, run["dag_run_id"], 420) == "success"


def test_the_replica_and_superset_show_the_same_numbers(stack: dict[str, Any], new_client: DeclaredClient) -> None:
    with database(stack, f"pulse_client_{client_id(stack, new_client.slug)}", replica=True) as conn:
        expected = dict(
            conn.execute("select metric_type, round(metric_value::numeric, 6) from report.kpi_current").fetchall()
        )
    assert len(expected) >= 5, f"the replica holds {sorted(expected)}"
    dataset = staff_session(stack).dataset_id("kpi_current")
    session = SupersetSession(stack["addresses"]["superset"], new_client.email, new_client.password)
    shown = {row["metric_type"]: row["metric_value"] for row in session.rows(dataset, ["metric_type", "metric_value"])}
    assert set(shown) == set(expected)
    for metric, value in expected.items():
        assert (shown[metric] is None) == (value is None), metric
        if value is not None:
            assert shown[metric] == pytest.approx(float(value), abs=1e-5), metric


def test_tiles_equal_the_sum_of_their_evidence(stack: dict[str, Any], new_client: DeclaredClient) -> None:
    with database(stack, f"pulse_client_{client_id(stack, new_client.slug)}", replica=True) as conn:
        tiles = {
            row[0]: row[1:]
            for row in conn.execute(
                "select metric_type, numerator, denominator, sample_size, period_start, period_end"
                " from core.dora_metrics m where grain = 'rolling_30d' and scope_type = 'client'"
                " and calculation_date = (select max(calculation_date) from core.dora_metrics where grain = m.grain)"
            )
        }
        failures, deployments = conn.execute(
            "select count(*) filter (where failed_change), count(*) from report.evidence_deployments, core.clients c"
            " where counts"
            " and (finished_at at time zone c.time_zone)::date >= %s"
            " and (finished_at at time zone c.time_zone)::date < %s",
            tiles["change_failure_rate"][3:5],
        ).fetchone() or (0, 0)
        changes = conn.execute(
            "select count(*) from report.evidence_changes, core.clients c where in_lead_time"
            " and (deployed_at at time zone c.time_zone)::date >= %s"
            " and (deployed_at at time zone c.time_zone)::date < %s",
            tiles["lead_time_for_changes"][3:5],
        ).fetchone()
    assert deployments > 0
    assert tiles["change_failure_rate"][:2] == (failures, deployments)
    assert changes is not None
    assert tiles["lead_time_for_changes"][2] == changes[0]


def test_a_second_run_of_an_unchanged_world_writes_no_metric(
    stack: dict[str, Any], airflow: AirflowApi, new_client: DeclaredClient
) -> None:
    """Published numbers are rewritten only where they differ, except for what the passing of time changes."""
    tenant = client_id(stack, new_client.slug)

    def fingerprint() -> Any:
        with database(stack, "pulse_staff", replica=True) as conn:
            return conn.execute(
                "select count(*), max(published_at) from core.dora_metrics"
                " where client_id = %s and grain = 'month' and not is_partial",
                (tenant,),
            ).fetchone()

    before = fingerprint()
    assert airflow.wait_run(new_client.dag_id, airflow.trigger(new_client.dag_id)) == "success"
    assert before is not None
    assert before[0] > 0
    assert fingerprint() == before


def test_a_run_with_recompute_recomputes_everything(
    stack: dict[str, Any], airflow: AirflowApi, new_client: DeclaredClient
) -> None:
    """A fact that was corrupted without a changed record stays wrong in increments, until a run recomputes everything."""
    tenant = client_id(stack, new_client.slug)

    def total() -> Any:
        with database(stack, "pulse_staff", replica=True) as conn:
            return conn.execute(
                "select sum(lead_time_hours) from core.deployment_changes where client_id = %s", (tenant,)
            ).fetchone()

    right = total()
    with database(stack, "pulse_etl") as conn, client_transaction(conn, tenant):
        spoilt = conn.execute(
            "update core.deployment_changes set lead_time_hours = lead_time_hours + 1000 where client_id = %s",
            (tenant,),
        ).rowcount
    assert spoilt > 0
    assert airflow.wait_run(new_client.dag_id, airflow.trigger(new_client.dag_id, recompute=True)) == "success"
    assert total() == pytest.approx(right)


def test_a_faulty_variable_fails_only_its_client_and_says_why(airflow: AirflowApi, new_client: DeclaredClient) -> None:
    broken = {**new_client.spec, "time_zone": "Mars/Olympus"}
    airflow.set_variable(f"{new_client.variable}_broken", broken)
    try:
        run_id = wait_for("sync_clients to start", lambda: airflow._try_trigger("sync_clients"), 60)
        assert airflow.wait_run("sync_clients", run_id) == "failed"
        tasks = airflow.get(f"dags/sync_clients/dagRuns/{run_id}/taskInstances", limit=100)["task_instances"]
        mapped = {t["rendered_map_index"]: t for t in tasks if t["task_id"] == "sync_client"}
        failed = {label for label, task in mapped.items() if task["state"] == "failed"}
        assert failed == {f"{new_client.slug}_broken"}
        task = mapped[f"{new_client.slug}_broken"]
        log = airflow.call(
            "GET",
            f"dags/sync_clients/dagRuns/{run_id}/taskInstances/sync_client/logs/{task['try_number']}",
            params={"map_index": task["map_index"]},
        ).text
        assert f"{new_client.slug}_broken" in log
        assert "time_zone" in log
        assert "Mars/Olympus" in log
    finally:
        airflow.call("DELETE", f"variables/{new_client.variable}_broken")


def test_a_change_reaches_dag_and_dashboard_without_restart(
    stack: dict[str, Any], airflow: AirflowApi, new_client: DeclaredClient
) -> None:
    new_client.spec = {**new_client.spec, "schedule_minutes": 720}
    new_client.spec["branding"] = {**new_client.spec["branding"], "app_name": "Globex Reborn"}
    airflow.set_variable(new_client.variable, new_client.spec)
    assert airflow.sync_clients() == "success"
    wait_for(
        "the DAG's new schedule",
        lambda: (
            "12:00:00" in str(airflow.get(f"dags/{new_client.dag_id}").get("timetable_summary"))
            or "12:00:00" in str(airflow.get(f"dags/{new_client.dag_id}"))
        ),
        60,
    )
    session = SupersetSession(stack["addresses"]["superset"], new_client.email, new_client.password)
    wait_for(
        "the new brand on the page",
        lambda: "Globex Reborn" in session.call("GET", "superset/welcome/").text,
        120,
        every=5,
    )


def test_the_data_team_runs_dags_but_sees_no_variable(stack: dict[str, Any]) -> None:
    login = login_of(stack, "airflow", "data_team")
    team = AirflowApi(stack["addresses"]["airflow"], login["username"], login["password"])
    assert {"sync_clients", "pulse__techcorp", "pulse__acme"} <= team.active_dags()
    assert team.call("GET", "variables").status_code == 403
    assert team.call("GET", "connections").status_code == 403
    assert team.call("POST", "variables", json={"key": "x", "value": "y"}).status_code == 403
    assert team.trigger("pulse__acme")


def test_deactivation_removes_dag_and_login_and_keeps_the_data(
    stack: dict[str, Any], airflow: AirflowApi, new_client: DeclaredClient
) -> None:
    session = SupersetSession(stack["addresses"]["superset"], new_client.email, new_client.password)
    assert session.call("GET", "api/v1/me/").status_code == 200
    airflow.set_variable(new_client.variable, {**new_client.spec, "active": False})
    assert airflow.sync_clients() == "success"
    wait_for("the DAG to go", lambda: new_client.dag_id not in airflow.active_dags(), 60)
    wait_for("the session to end", lambda: session.call("GET", "api/v1/me/").status_code == 401, 30)
    with pytest.raises(requests.HTTPError):
        SupersetSession(stack["addresses"]["superset"], new_client.email, new_client.password)
    with database(stack, "pulse_staff", replica=True) as conn:
        kept = conn.execute(
            "select count(*) from core.dora_metrics where client_id = %s", (client_id(stack, new_client.slug),)
        ).fetchone()
    assert kept is not None
    assert kept[0] > 0
