"""After a publication, the page where a client's people start is asked ahead, once: the next reader finds the answers ready."""

from __future__ import annotations

import hashlib
import shutil
import time
from pathlib import Path
from typing import Any

from stack.context import existing_stack
from tests.support.stack import client_ids, login_of, raise_version
from tests.support.superset_api import SupersetSession

SECONDS = 60


def person(stack: dict[str, Any], role: str, client: str) -> SupersetSession:
    login = login_of(stack, "superset", role, client)
    return SupersetSession(stack["addresses"]["superset"], login["username"], login["password"])


def ask(reader: SupersetSession, dataset: int, metric_type: str, page: str) -> dict[str, Any]:
    body = {
        "datasource": {"id": dataset, "type": "table"},
        "result_format": "json",
        "result_type": "full",
        "queries": [
            {
                "columns": ["metric_type", "display_text"],
                "filters": [{"col": "metric_type", "op": "==", "val": metric_type}],
                "row_limit": 7,
            }
        ],
    }
    answer = reader.call("POST", "api/v1/chart/data", json=body, headers={"Referer": f"{reader.base_url}{page}"})
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["result"][0])


def test_what_was_asked_on_the_first_page_is_ready_after_a_publication(stack: dict[str, Any]) -> None:
    executive, colleague = person(stack, "executive", "techcorp"), person(stack, "manager", "techcorp")
    stranger = person(stack, "executive", "acme")
    dataset = executive.dataset_id("kpi_current")
    installation = existing_stack()
    assert installation is not None
    client = client_ids(stack)["techcorp"]
    folder = Path(installation.state) / "superset" / "cache" / "questions" / f"client-{client}"
    shutil.rmtree(folder, ignore_errors=True)  # what other tests asked
    first, other = "/superset/dashboard/executive-overview/", "/superset/dashboard/evidence/"
    ask(executive, dataset, "deployment_frequency", first)
    ask(executive, dataset, "lead_time_for_changes", other)
    version = raise_version(stack, "techcorp")
    claimed = folder / hashlib.md5(f"version {version}".encode(), usedforsecurity=False).hexdigest()
    deadline = time.monotonic() + SECONDS
    while not claimed.exists():
        assert time.monotonic() < deadline, "nobody asked ahead"
        time.sleep(0.5)
    time.sleep(3)  # a handful of questions

    told = ask(colleague, dataset, "deployment_frequency", first)
    assert told["is_cached"], "a colleague finds what was asked ahead"
    assert {row["metric_type"] for row in told["data"]} == {"deployment_frequency"}
    assert not ask(colleague, dataset, "lead_time_for_changes", other)["is_cached"], "other pages are not asked ahead"
    theirs = ask(stranger, dataset, "deployment_frequency", first)
    assert not theirs["is_cached"] or theirs["data"] != told["data"]
