"""Registers Pulse with Airflow: links from a client's DAG and from the menu to the dashboards, the page Clients, the app that
tools push to, the one that Prometheus reads, and the one that cleans Airflow's metadata."""

from __future__ import annotations

from functools import cache
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from pulse.orchestration.dag import dashboard_url


@cache
def _ingest_app() -> dict[str, Any]:
    from pulse.ingest.app import create_app
    from pulse.ingest.keys import PREFIX

    return {"app": create_app(), "url_prefix": PREFIX, "name": "pulse_ingest"}


@cache
def _clients_app() -> dict[str, Any]:
    from pulse.health.app import PREFIX, create_app

    return {"app": create_app(), "url_prefix": PREFIX, "name": "pulse_clients"}


@cache
def _metrics_app() -> dict[str, Any]:
    from pulse.health.metrics import create_app
    from pulse.scrape import PATH

    return {"app": create_app(), "url_prefix": PATH, "name": "pulse_metrics"}


@cache
def _maintenance_app() -> dict[str, Any]:
    from pulse.maintenance.airflow import PREFIX, create_app

    return {"app": create_app(), "url_prefix": PREFIX, "name": "pulse_maintenance"}


class _Apps:
    """The apps, made when the API server asks for them: the other processes of Airflow load the plugin, too."""

    def __get__(self, plugin: object, owner: type) -> list[dict[str, Any]]:
        return [_ingest_app(), _clients_app(), _metrics_app(), _maintenance_app()]


class PulsePlugin(AirflowPlugin):
    """Adds a "Dashboard" tab to each DAG, two menu entries, and the apps under /pulse."""

    name = "pulse"
    fastapi_apps = _Apps()
    external_views = [
        {
            "name": "Dashboard",
            "href": dashboard_url(),
            "destination": "dag",
            "url_route": "pulse_dashboard",
        },
        {
            "name": "Clients",
            "href": "/pulse/clients/",
            "destination": "nav",
            "url_route": "pulse_clients",
        },
        {
            "name": "Pulse dashboards",
            "href": dashboard_url(),
            "destination": "nav",
            "url_route": "pulse_dashboards",
        },
    ]
