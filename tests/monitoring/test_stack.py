"""The running stack shows what docs/monitoring.md lists, to whoever has its token."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from stack.context import existing_stack
from tests.monitoring.test_metrics import documented, kinds, values

PATHS = {"airflow": "/pulse/metrics/", "superset": "/pulse/metrics"}


@pytest.fixture
def shown(stack: dict[str, Any]) -> str:
    """Both pages, after somebody has opened Superset."""
    installation = existing_stack()
    assert installation is not None
    token = installation.settings.secrets["PULSE_METRICS_TOKEN"]
    addresses = stack["addresses"]
    requests.get(f"{addresses['superset']}/login/", timeout=60)
    requests.post(f"{addresses['airflow']}/pulse/ingest/v1/nobody/deployments", json={}, timeout=60)
    pages = []
    for service, path in PATHS.items():
        url = addresses[service] + path
        assert requests.get(url, timeout=60).status_code == 401
        answer = requests.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=60)
        assert answer.status_code == 200, answer.text
        pages.append(answer.text)
    return "".join(pages)


def test_every_metric_is_there(shown: str) -> None:
    assert kinds(shown) == documented()


def test_everything_is_up_and_the_demo_clients_are_read(shown: str) -> None:
    found = values(shown)
    assert {value for key, value in found.items() if key[0] in ("pulse_database_up", "pulse_process_up")} == {1}
    read = {key[1] for key in found if key[0] == "pulse_client_last_read_timestamp_seconds"}
    assert read >= {"techcorp", "acme"}
    assert sum(value for key, value in found.items() if key[0] == "pulse_runs" and key[1] == "techcorp") > 3
    assert found["pulse_replica_lag_seconds",] < 60
    assert found["pulse_superset_requests_total", "login", "200"] >= 1
