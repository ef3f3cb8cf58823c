"""Prometheus in a container (profile monitoring), and logs that machines read."""

from __future__ import annotations

import json

import requests

from pulse import environ
from tests.containers.conftest import Executive
from tests.containers.stack import Containers, wait


def test_prometheus_reads_both_addresses(containers: Containers, executives: dict[str, Executive]) -> None:
    url = f"http://127.0.0.1:{containers.variables[environ.PROMETHEUS_PORT.name]}"

    def value(expression: str) -> str:
        answer = requests.get(f"{url}/api/v1/query", params={"query": expression}, timeout=10).json()
        return str(answer["data"]["result"][0]["value"][1])

    wait(lambda: value('sum(up{job="pulse"})') == value('sum(up{job="superset"})') == "1", 120)
    wait(lambda: value("count(pulse_client_last_read_timestamp_seconds)") == str(len(executives)), 60)
    wait(lambda: value("min(pulse_database_up)") == value("min(pulse_process_up)") == "1", 60)
    assert float(value('sum(pulse_superset_requests_total{kind="chart"})')) > 0


def test_the_edge_passes_no_metrics_on(containers: Containers) -> None:
    headers = {"Authorization": f"Bearer {containers.secrets['PULSE_METRICS_TOKEN']}"}
    for service in ("superset", "airflow"):
        for path in ("/pulse/metrics", "/pulse/metrics/", "//pulse/metrics", "/pulse/%6detrics/"):
            answer = requests.get(f"{containers.url(service)}{path}", headers=headers, timeout=30)
            assert "pulse_" not in answer.text, f"{service} {path}"


def test_the_edge_lets_nobody_ask_for_maintenance(containers: Containers) -> None:
    for path in ("/pulse/maintenance/airflow", "//pulse/maintenance/airflow", "/pulse/m%61intenance/airflow"):
        assert requests.post(f"{containers.url('airflow')}{path}", timeout=30).status_code == 404


def test_airflows_logs_are_json(containers: Containers) -> None:
    for service in ("airflow-scheduler", "airflow-api-server"):
        lines = containers.compose("logs", "--no-log-prefix", "--tail", "20", service).splitlines()
        parsed = [json.loads(line) for line in lines if line.startswith("{")]
        assert len(parsed) > len(lines) / 2, lines[:3]
