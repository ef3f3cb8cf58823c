"""Registers Pulse with Airflow: links from a client's DAG and from the menu to the dashboards."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from pulse.orchestration.dag import dashboard_url


class PulsePlugin(AirflowPlugin):
    """Adds a "Dashboard" tab to each DAG, and a menu entry."""

    name = "pulse"
    external_views = [
        {
            "name": "Dashboard",
            "href": dashboard_url(),
            "destination": "dag",
            "url_route": "pulse_dashboard",
        },
        {
            "name": "Pulse dashboards",
            "href": dashboard_url(),
            "destination": "nav",
            "url_route": "pulse_dashboards",
        },
    ]
