"""The demo clients: declared through Airflow's REST API exactly as an admin would declare a real one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stack.airflow import runs
from stack.airflow.api import AirflowApi, HttpError, call
from stack.environment import Settings
from stack.errors import StackError
from stack.options import Options
from stack.secret_file import demo_password
from stack.status import SEEDED, seeded
from stack.steps import Say

EPOCH = "1970-01-01T00:00:00+00:00"


class DerivedPasswords(dict[str, str]):
    """E-mail → derived password, also for e-mails nobody has listed before."""

    def __init__(self, secret: str) -> None:
        super().__init__()
        self._secret = secret

    def __missing__(self, email: str) -> str:
        return demo_password(self._secret, email)


def declare(settings: Settings, options: Options) -> str:
    """Write the Variables and Connections of demo clients that were not declared before; says which.

    Each is declared once only: what an admin changes or deletes later stays so. Raises HttpError.
    """
    note = _note(settings)
    clients = {slug: c for slug, c in _wanted(settings, options).items() if slug not in note["users"]}
    moved = note["sandbox"] != settings.url("sandbox")
    if not clients and not moved:
        return "already there"
    api = runs.login(settings)
    if moved:
        _relocate(api, note["sandbox"], settings.url("sandbox"))
        _write(settings.state, note | {"sandbox": settings.url("sandbox")})
    for slug, client in clients.items():
        for connection_id, fields in client.connections.items():
            api.put_connection(connection_id, fields)
        api.put_variable(f"pulse_client_{slug}", client.variable, "A client of Pulse: see docs/client-variable.md")
        note = _note(settings)
        note["users"][slug] = [{"email": u["email"], "role": u["role"]} for u in client.variable["users"]]
        note["pending"].append(slug)
        note["declared_at"] = datetime.now(UTC).isoformat()
        _write(settings.state, note)
    return ", ".join(clients) or "the sandbox has moved to another port"


def wait_for_numbers(settings: Settings, say: Say) -> str:
    """Wait until clients that were declared and never seen have had a run and an answer in Superset; says which.

    Raises StackError with the failed task's last log lines.
    """
    note = _note(settings)
    if not note["pending"]:
        return "already there"
    _first_runs(runs.login(settings), note["pending"], datetime.fromisoformat(note["declared_at"]), say)
    for slug in note["pending"]:
        say(f"asking Superset as {slug}'s executive")
        _check_dashboard(settings, note["users"][slug][0]["email"])
    _write(settings.state, note | {"pending": []})
    return ", ".join(note["pending"])


def _note(settings: Settings) -> dict[str, Any]:
    return {"sandbox": settings.url("sandbox"), "users": {}, "pending": [], "declared_at": EPOCH} | seeded(
        settings.state
    )


def _wanted(settings: Settings, options: Options) -> Mapping[str, Any]:
    from sandbox import demo

    passwords = DerivedPasswords(settings.secrets["PULSE_DEMO_SECRET"])
    wanted: dict[str, Any] = {}
    if options.demo:
        wanted |= demo.demo_clients(settings.url("sandbox"), passwords)
    if options.recorded:
        wanted["recorded"] = demo.recorded_client(settings.url("sandbox"), passwords)
    return wanted


def _relocate(api: AirflowApi, old: str, new: str) -> None:
    for variable in api.call("GET", "variables", limit=1000)["variables"]:
        if variable["key"].startswith("pulse_client_") and old in str(variable["value"]):
            body = {"key": variable["key"], "value": variable["value"].replace(old, new)}
            api.call("PATCH", f"variables/{variable['key']}", body)


def _write(state: Path, note: dict[str, Any]) -> None:
    partial = state / f"{SEEDED}.new"
    partial.write_text(json.dumps(note, indent=2) + "\n")
    partial.replace(state / SEEDED)


def _first_runs(api: AirflowApi, slugs: list[str], declared_at: datetime, say: Say) -> None:
    runs.wait_dag(api, "sync_clients", say)
    say("sync_clients")
    runs.wait_run(api, "sync_clients", runs.sync_run(api, declared_at), say)
    for slug in slugs:
        runs.wait_dag(api, f"pulse__{slug}", say)
    for slug in slugs:
        runs.wait_run(api, f"pulse__{slug}", runs.newest_run(api, f"pulse__{slug}"), say)


def _check_dashboard(settings: Settings, email: str) -> None:
    """Log in as an executive and ask for the tiles' numbers."""
    base = settings.url("superset")
    try:
        # The dataset's number is asked of staff: executives may read its rows, not the list of datasets.
        staff = _superset_login(base, "staff", settings.secrets["PULSE_SUPERSET_STAFF_PASSWORD"])
        found = call("GET", f"{base}/api/v1/dataset/?q=(page_size:100)", headers=staff)["result"]
        dataset = next((d["id"] for d in found if d["table_name"] == "kpi_current"), None)
        if dataset is None:
            raise StackError("Superset has no dataset kpi_current: ./pulse logs superset says more")
        executive = _superset_login(base, email, demo_password(settings.secrets["PULSE_DEMO_SECRET"], email))
        query = {"columns": ["metric_type", "display_text"], "metrics": [], "filters": [], "row_limit": 100}
        body = {"datasource": {"id": dataset, "type": "table"}, "queries": [query], "result_format": "json"}
        rows = call("POST", f"{base}/api/v1/chart/data", body, executive)["result"][0]["data"]
    except HttpError as error:
        raise StackError(f"Superset refuses {email}: {error}. ./pulse logs superset says more") from error
    if not rows:
        raise StackError(f"Superset answers {email} without a single metric: ./pulse logs superset says more")


def _superset_login(base: str, username: str, password: str) -> dict[str, str]:
    body = {"username": username, "password": password, "provider": "db", "refresh": False}
    return {"Authorization": f"Bearer {call('POST', f'{base}/api/v1/security/login', body)['access_token']}"}
