"""Airflow's REST API as the tests use it: one login, JSON in and out."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import requests

T = TypeVar("T")


def wait_for(what: str, probe: Callable[[], T | None], seconds: float, every: float = 0.5) -> T:
    """Return the first truthy answer of `probe`; AssertionError naming `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    last: Any = None
    while time.monotonic() < deadline:
        last = probe()
        if last:
            return last
        time.sleep(every)
    raise AssertionError(f"waited {seconds:.0f} s for {what}; last answer: {last!r}")


class AirflowApi:
    """A logged-in session with the Airflow of a running stack."""

    def __init__(self, base_url: str, username: str, password: str) -> None:
        self.base_url = base_url.rstrip("/")
        self.session = requests.Session()
        answer = self.session.post(
            f"{self.base_url}/auth/token", json={"username": username, "password": password}, timeout=30
        )
        answer.raise_for_status()
        self.session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def call(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        return self.session.request(method, f"{self.base_url}/api/v2/{path}", timeout=60, **kwargs)

    def get(self, path: str, **params: Any) -> Any:
        answer = self.call("GET", path, params=params)
        answer.raise_for_status()
        return answer.json()

    def variable(self, key: str) -> dict[str, Any]:
        return dict(json.loads(self.get(f"variables/{key}")["value"]))

    def set_variable(self, key: str, value: Any) -> None:
        body = {"key": key, "value": json.dumps(value)}
        answer = self.call("POST", "variables", json=body)
        if answer.status_code == 409:
            answer = self.call("PATCH", f"variables/{key}", json=body)
        answer.raise_for_status()

    def change_clients(self, slugs: Iterable[str], change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """Change the Variables of clients as an admin does; returns when they are synchronised."""
        before = {slug: self.variable(f"pulse_client_{slug}") for slug in slugs}
        after = {slug: change(variable) for slug, variable in before.items()}
        for slug, variable in after.items():
            if variable != before[slug]:
                self.set_variable(f"pulse_client_{slug}", variable)
        if after != before:
            assert self.sync_clients() == "success"

    def set_connection(self, conn_id: str, **fields: Any) -> None:
        body = {"connection_id": conn_id, "conn_type": "http", **fields}
        answer = self.call("POST", "connections", json=body)
        if answer.status_code == 409:
            answer = self.call("PATCH", f"connections/{conn_id}", json=body)
        answer.raise_for_status()

    def trigger(self, dag_id: str, **params: Any) -> str:
        """Start a run with these params; returns its id."""
        answer = self.call("POST", f"dags/{dag_id}/dagRuns", json={"logical_date": None, "conf": params})
        answer.raise_for_status()
        return str(answer.json()["dag_run_id"])

    def run_state(self, dag_id: str, run_id: str) -> str:
        return str(self.get(f"dags/{dag_id}/dagRuns/{run_id}")["state"])

    def wait_run(self, dag_id: str, run_id: str, seconds: float = 300) -> str:
        """The final state of a run."""
        return wait_for(
            f"{dag_id} run {run_id} to end",
            lambda: ((state := self.run_state(dag_id, run_id)) in ("success", "failed") and state) or None,
            seconds,
        )

    def latest_run(self, dag_id: str) -> dict[str, Any] | None:
        runs = self.get(f"dags/{dag_id}/dagRuns", order_by="-run_after", limit=1)["dag_runs"]
        return runs[0] if runs else None

    def active_dags(self) -> set[str]:
        return {dag["dag_id"] for dag in self.get("dags", limit=100, exclude_stale=True)["dags"]}

    def sync_clients(self) -> str:
        """Run sync_clients now, wait until it ends, and return its state."""
        run_id = wait_for("sync_clients to accept a run", lambda: self._try_trigger("sync_clients"), 60)
        return self.wait_run("sync_clients", run_id)

    def _try_trigger(self, dag_id: str) -> str | None:
        try:
            return self.trigger(dag_id)
        except requests.HTTPError as error:
            if error.response.status_code in (404, 409):
                return None
            raise
