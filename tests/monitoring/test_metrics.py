"""What Prometheus reads is what the databases have, and what docs/monitoring.md says."""

from __future__ import annotations

import re
import time

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from pulse.health.lag import Lag
from pulse.health.metrics import KEPT_SECONDS, Page
from pulse.health.state import LATE
from pulse.version import version
from stack.paths import ROOT
from tests.monitoring.conftest import NOW, TOKEN, Endpoint
from tests.support.database import TestDatabase

# Only Airflow's own database has these: tests/access/test_airflow_roles.py.
OF_AIRFLOW = {"pulse_tasks", "pulse_queue_seconds", "pulse_process_up"}


def values(text: str) -> dict[tuple[str, ...], float]:
    """Samples by name and label values."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def kinds(text: str) -> dict[str, str]:
    """Types by name; a counter's name as it is asked for."""
    found = text_string_to_metric_families(text)
    return {f.name + "_total" * (f.type == "counter"): f.type for f in found}


def documented() -> dict[str, str]:
    """Types by name, from the table of the page."""
    rows = re.findall(r"^\| `(\w+)` \| (gauge|counter|histogram) \|", (ROOT / "docs/monitoring.md").read_text(), re.M)
    return dict(rows)


@pytest.mark.parametrize("token", [None, "", "wrong", TOKEN[:-1], f"{TOKEN}x", TOKEN])
def test_only_the_token_opens(pulse: Endpoint, superset: Endpoint, token: str | None) -> None:
    for endpoint in (pulse, superset):
        answer = endpoint.read(token)
        assert answer.status_code == (200 if token == TOKEN else 401)
        assert ("the token is missing or wrong" in answer.text) == (not answer.ok)


def test_without_a_token_in_the_environment_nobody_gets_in(monkeypatch: pytest.MonkeyPatch) -> None:
    from pulse.scrape import may_scrape

    for token in ("", TOKEN):
        monkeypatch.setenv("PULSE_METRICS_TOKEN", token)
        assert [may_scrape(sent) for sent in (None, "", "Bearer ", "Bearer", f"Bearer {TOKEN}")] == [
            *[False] * 4,
            bool(token),
        ]
    assert not may_scrape("Bearer t\u00f6ken")


def test_runs_rows_calls_and_budgets_are_those_of_the_table(pulse: Endpoint) -> None:
    found = values(pulse.read().text)
    assert found["pulse_info", version()] == 1
    assert found["pulse_runs", "acme", "github", "success"] == 2
    assert found["pulse_runs", "acme", "jira", "failed"] == 1
    assert ("pulse_runs", "acme", "jira", "success") not in found, "it began hours ago"
    assert (found["pulse_calls", "acme", "github"], found["pulse_calls", "acme", "jira"]) == (9, 1)
    assert found["pulse_points", "acme", "github"] == 9
    rows = [found["pulse_rows", "acme", "github", what] for what in ("read", "written", "rejected")]
    assert rows == [103, 90, 2]
    assert found["pulse_budget_remaining", "acme", "github"] == 3990
    assert found["pulse_budget_remaining", "acme", "jira"] == 77
    assert not [key for key in found if "gone" in key], "it is not active"


def test_states_and_freshness_are_those_of_the_page_clients(pulse: Endpoint) -> None:
    found = values(pulse.read().text)
    assert found["pulse_client_state", "bolt", "failing"] == 1
    assert [key[1] for key in found if key[0] == "pulse_client_state"] == ["bolt", "acme"]
    read = NOW.timestamp() - found["pulse_client_last_read_timestamp_seconds", "acme"]
    assert read == pytest.approx(9 * 60, abs=1)
    assert ("pulse_client_last_read_timestamp_seconds", "bolt") not in found
    assert found["pulse_freshness_promise_seconds",] == LATE.total_seconds()
    assert found["pulse_replica_lag_bytes",] >= 0
    assert [found["pulse_database_up", server] for server in ("primary", "replica", "meta")] == [1, 1, 0]


def test_a_server_that_is_away_hides_no_other(world: TestDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in world.conn_env().items():
        monkeypatch.setenv(name, value)
    now = [0.0]
    page = Page(lambda: now[0])
    monkeypatch.setenv("AIRFLOW_CONN_PULSE_INGEST", "postgresql://pulse_ingest@127.0.0.1:1/none")
    found = values(page.text().decode())
    assert (found["pulse_database_up", "primary"], found["pulse_database_up", "replica"]) == (0, 1)
    assert found["pulse_client_state", "bolt", "failing"] == 1
    assert ("pulse_replica_lag_seconds",) not in found, "nobody knows"
    monkeypatch.setenv("AIRFLOW_CONN_PULSE_REPLICA", "postgresql://pulse_staff@127.0.0.1:1/none")
    assert page.text().decode().count("pulse_client_state{") == 2, "what was read a moment ago"
    now[0] += KEPT_SECONDS
    found = values(page.text().decode())
    assert [found["pulse_database_up", server] for server in ("primary", "replica")] == [0, 0]
    assert not [key for key in found if key[0] == "pulse_client_state"]


def test_pushes_are_counted(pulse: Endpoint) -> None:
    for _ in range(3):
        assert requests.post(f"{pulse.url}/pulse/ingest/v1/acme/deployments", json={}, timeout=30).status_code == 401
    deadline = time.monotonic() + KEPT_SECONDS + 5
    while values(pulse.read().text).get(("pulse_push_requests_total", "401")) != 3:
        assert time.monotonic() < deadline
        time.sleep(0.5)


def test_superset_counts_in_all_workers_and_refusals_too(superset: Endpoint) -> None:
    asked = {
        ("dashboard", "200"): "/superset/dashboard/executive-overview/",
        ("chart", "200"): "/api/v1/chart/data?200",
        ("chart", "503"): "/api/v1/chart/data?503",
        ("login", "429"): "/login/?429",
        ("login", "401"): "/api/v1/security/login?401",
        ("brief", "200"): "/pulse/brief/",
        ("other", "500"): "/api/v1/me/?broken",
    }
    before = values(superset.read().text)
    for _ in range(5):
        for path in [*asked.values(), "/static/x.js", "/health"]:
            requests.get(superset.url + path, timeout=30)
    after = values(superset.read().text)
    for kind, status in asked:
        key = ("pulse_superset_requests_total", kind, status)
        assert after[key] - before.get(key, 0) == 5, key
    # Whichever worker answers, it answers for all.
    assert {values(superset.read().text)["pulse_superset_requests_total", "chart", "503"] for _ in range(12)} == {
        after["pulse_superset_requests_total", "chart", "503"]
    }
    total = sum(value for key, value in after.items() if key[0] == "pulse_superset_requests_total")
    timed = sum(value for key, value in after.items() if key[0] == "pulse_superset_request_seconds_count")
    assert total == timed


def test_the_page_documents_every_metric_and_no_other(pulse: Endpoint, superset: Endpoint) -> None:
    requests.get(superset.url, timeout=30)
    shown = kinds(pulse.read().text) | kinds(superset.read().text)
    pages = documented()
    assert shown == {name: kind for name, kind in pages.items() if name not in OF_AIRFLOW}
    assert set(pages) >= OF_AIRFLOW


def test_the_replica_is_as_old_as_the_last_position_that_it_has() -> None:
    now = [100.0]
    lag = Lag(lambda: now[0])

    def at(second: float, written: int, replayed: int) -> tuple[int, float]:
        now[0] = second
        return lag.measure(written, replayed)

    assert at(100, 1000, 1000) == (0, 0)
    assert at(110, 1000, 1000) == (0, 0), "an idle primary leaves nobody behind"
    assert at(120, 1500, 1000) == (500, 10), "it has what there was at 110"
    assert at(130, 2000, 1000) == (1000, 20)
    assert at(140, 2500, 1500) == (1000, 20), "it has what there was at 120"
    assert at(150, 2500, 2600) == (0, 0)
    assert at(160, 3000, 2600) == (400, 10)
    assert at(170, 10, 10) == (0, 0), "another primary"
    for second in range(2000):
        at(200 + second, 20 + second, 10)
    assert at(2300, 5000, 10) == (4990, 2130), "remembering little"
    assert Lag(lambda: 5.0).measure(10, 5) == (5, 0), "at the first look nobody knows since when"
