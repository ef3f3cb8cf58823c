"""Debian's Prometheus reads both addresses with our configuration; promtool checks the rules and tries each alert."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from stack.install.tools import find
from stack.paths import ROOT
from tests.monitoring.conftest import TOKEN, Endpoint
from tests.monitoring.test_metrics import documented
from tests.support.servers import free_port

FOLDER = ROOT / "deploy" / "monitoring"
RULES = yaml.safe_load((FOLDER / "rules.yml").read_text())["groups"]
DASHBOARD = json.loads((FOLDER / "grafana.json").read_text())
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


def promtool(*arguments: str) -> None:
    program = find("promtool")
    assert program, "Prometheus is missing: ./pulse test fetches it where apt-get works"
    done = subprocess.run([program, *arguments], cwd=FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rules_are_rules_and_each_alert_fires_when_it_should() -> None:
    promtool("check", "rules", "rules.yml")
    promtool("test", "rules", "rules_test.yml")


def test_each_alert_is_tried_both_ways_and_documented() -> None:
    alerts = {rule["alert"] for group in RULES for rule in group["rules"] if "alert" in rule}
    cases = [
        case
        for test in yaml.safe_load((FOLDER / "rules_test.yml").read_text())["tests"]
        for case in test["alert_rule_test"]
    ]
    assert {case["alertname"] for case in cases if case.get("exp_alerts")} == alerts
    assert {case["alertname"] for case in cases if not case.get("exp_alerts")} == alerts
    assert set(re.findall(r"`(Pulse\w+)`", (ROOT / "docs/monitoring.md").read_text())) == alerts


def test_rules_and_dashboard_use_metrics_that_there_are() -> None:
    names = set(documented()) | {f"{name}_bucket" for name, kind in documented().items() if kind == "histogram"}
    expressions = [*QUERIES, *(rule["expr"] for group in RULES for rule in group["rules"])]
    used = {name for expression in expressions for name in re.findall(r"\bpulse_\w+", expression)}
    assert used <= names
    assert len(used) > 12


@pytest.fixture(scope="module")
def server(pulse: Endpoint, superset: Endpoint, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Prometheus with our configuration; only hosts, times and the token's file are other ones."""
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "token").write_text(TOKEN)
    (folder / "rules.yml").write_text((FOLDER / "rules.yml").read_text())
    settings = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    settings["global"] = dict.fromkeys(settings["global"], "1s")
    for job, endpoint in zip(settings["scrape_configs"], (pulse, superset), strict=True):
        assert job["metrics_path"] == endpoint.path
        assert job["authorization"] == {"credentials_file": "/tmp/token"}
        job["authorization"]["credentials_file"] = str(folder / "token")
        job.pop("dns_sd_configs", None)
        job["static_configs"] = [{"targets": [f"127.0.0.1:{endpoint.port}"]}]
    config = folder / "prometheus.yml"
    config.write_text(yaml.safe_dump(settings))
    promtool("check", "config", str(config))
    port = free_port()
    with (folder / "log").open("wb") as out:
        process = subprocess.Popen(
            [
                str(find("prometheus")),
                f"--config.file={config}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=out,
            stderr=out,
        )
    try:
        _wait_for_targets(f"http://127.0.0.1:{port}", folder / "log")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def _wait_for_targets(url: str, log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            if len(query(url, "up == 1")) == 2 and query(url, "pulse_client_state"):
                return
        except requests.RequestException:
            pass
        assert time.monotonic() < deadline, log.read_text()[-3000:]
        time.sleep(0.5)


def query(url: str, expression: str) -> list[dict[str, Any]]:
    answer = requests.get(f"{url}/api/v1/query", params={"query": expression}, timeout=10)
    assert answer.json()["status"] == "success", answer.text
    return list(answer.json()["data"]["result"])


def test_prometheus_reads_both_addresses(server: str) -> None:
    targets = requests.get(f"{server}/api/v1/targets", timeout=10).json()["data"]["activeTargets"]
    assert {target["labels"]["job"]: target["health"] for target in targets} == {"pulse": "up", "superset": "up"}
    (bolt,) = query(server, 'pulse_client_state{client="bolt"}')
    assert (bolt["metric"]["state"], bolt["value"][1]) == ("failing", "1")


def test_the_rules_run(server: str) -> None:
    expected = {"PulseClientFailing", "PulseDatabaseDown", "PulseRowsRejected"}
    deadline = time.monotonic() + 30
    while True:
        groups = requests.get(f"{server}/api/v1/rules", timeout=10).json()["data"]["groups"]
        rules = {rule["name"]: rule for group in groups for rule in group["rules"]}
        if expected <= {name for name, rule in rules.items() if rule.get("state") == "pending"}:
            break
        assert time.monotonic() < deadline, rules
        time.sleep(0.5)
    assert {rule["health"] for rule in rules.values()} == {"ok"}
    assert rules["PulseReplicaBehind"]["state"] == "inactive"


def test_the_dashboards_queries_are_queries_and_find_what_there_is(server: str) -> None:
    assert len(QUERIES) > 12
    empty = [expression for expression in QUERIES if not query(server, expression)]
    # Rates need some minutes, and Airflow's database has no tables here.
    assert not [
        e for e in empty if "rate(" not in e and "increase(" not in e and "pulse_tasks" not in e and "queue" not in e
    ]
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    assert all(
        target["datasource"]["uid"] == "${source}" for panel in DASHBOARD["panels"] for target in panel["targets"]
    )
