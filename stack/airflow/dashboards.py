"""This version's dashboards in Superset: sync_clients imports them, and ./pulse up does not wait for its next turn."""

from __future__ import annotations

from pulse.superset.api import SupersetApi
from pulse.superset.provision import assets_are_current
from stack.airflow import runs
from stack.errors import StackError
from stack.settings import Settings
from stack.steps import Say


def bring(settings: Settings, say: Say) -> str:
    """Have sync_clients import the dashboards unless they are already there; returns what was done.

    Raises StackError with the failed task's last log lines. A client with a faulty Variable does not:
    the dashboards are provisioned anyway.
    """
    password = settings.secrets["PULSE_SUPERSET_SERVICE_PASSWORD"]
    superset = SupersetApi(settings.url("superset"), "pulse_service", password)
    if assets_are_current(superset):
        return "already there"
    airflow = runs.login(settings)
    runs.wait_dag(airflow, "sync_clients", say)
    if airflow.call("GET", "dags/sync_clients")["is_paused"]:
        return "sync_clients is paused in Airflow: it brings them once it runs again"
    try:
        runs.wait_run(airflow, "sync_clients", runs.trigger(airflow, "sync_clients"), say)
    except StackError:
        if not assets_are_current(superset):
            raise
    if not assets_are_current(superset):
        raise StackError("sync_clients has run, and Superset has other dashboards: ./pulse down, then ./pulse up again")
    return "brought by sync_clients"
