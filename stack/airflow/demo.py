"""The demo clients: declared through Airflow's REST API exactly as an admin would declare a real one."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from stack import files
from stack.airflow import runs
from stack.airflow.api import AirflowApi, HttpError, JsonApi
from stack.errors import StackError
from stack.options import Options
from stack.secret_file import demo_password
from stack.settings import Settings
from stack.steps import Say

NOTE = "seeded.json"


class DerivedPasswords(dict[str, str]):
    """E-mail → derived password, for any e-mail."""

    def __init__(self, secret: str) -> None:
        super().__init__()
        self._secret = secret

    def __missing__(self, email: str) -> str:
        return demo_password(self._secret, email)


@dataclass
class Note:
    """What was declared: users by client, clients without numbers yet, and the sandbox's address at that time."""

    sandbox: str
    users: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    pending: list[str] = field(default_factory=list)
    declared_at: str = "1970-01-01T00:00:00+00:00"

    @classmethod
    def read(cls, settings: Settings) -> Note:
        """The note in the state folder; an empty one if nothing has been declared yet."""
        return cls(**{"sandbox": settings.url("sandbox"), **files.read_json(settings.state / NOTE)})

    def write(self, state: Path) -> None:
        """Keep it."""
        files.replace_json(state / NOTE, asdict(self))


def declare(settings: Settings, options: Options) -> str:
    """Write the Variables and Connections of demo clients that were not declared before; says which.

    Each is declared once only: what an admin changes or deletes later stays so. Raises HttpError.
    """
    note, address = Note.read(settings), settings.url("sandbox")
    clients = {slug: c for slug, c in _wanted(settings, options).items() if slug not in note.users}
    moved = note.sandbox != address
    if not clients and not moved:
        return "already there"
    api = runs.login(settings)
    if moved:
        _relocate(api, note.sandbox, address, DerivedPasswords(settings.secrets["PULSE_DEMO_SECRET"]))
        note.sandbox = address
        note.write(settings.state)
    for slug, client in clients.items():
        put_client(api, slug, client)
        note.users[slug] = [{"email": u["email"], "role": u["role"]} for u in client.variable["users"]]
        note.pending.append(slug)
        note.declared_at = datetime.now(UTC).isoformat()
        note.write(settings.state)
    return ", ".join(clients) or "the sandbox has moved to another port"


def put_client(api: AirflowApi, slug: str, client: Any) -> None:
    """Write the Connections and the Variable of one client (sandbox.demo.DemoClient). Raises HttpError."""
    for connection_id, fields in client.connections.items():
        api.put_connection(connection_id, fields)
    api.put_variable(f"pulse_client_{slug}", client.variable, "A client of Pulse: see docs/client-variable.md")


def wait_for_numbers(settings: Settings, say: Say) -> str:
    """Wait until clients that were declared and never seen have had a run and an answer in Superset; says which.

    Raises StackError with the failed task's last log lines.
    """
    note = Note.read(settings)
    if not note.pending:
        return "already there"
    _wait_first_runs(runs.login(settings), note, say)
    for slug in note.pending:
        say(f"asking Superset as {slug}'s executive")
        _check_dashboard(settings, note.users[slug][0]["email"])
    done, note.pending = note.pending, []
    note.write(settings.state)
    return ", ".join(done)


def _wanted(settings: Settings, options: Options) -> dict[str, Any]:
    from sandbox import demo

    passwords = DerivedPasswords(settings.secrets["PULSE_DEMO_SECRET"])
    wanted: dict[str, Any] = demo.demo_clients(settings.url("sandbox"), passwords) if options.demo else {}
    if options.recorded:
        wanted["recorded"] = demo.recorded_client(settings.url("sandbox"), passwords)
    return wanted


def _relocate(api: AirflowApi, old: str, new: str, passwords: DerivedPasswords) -> None:
    """Write the sandbox's new address where the old one is named. Raises StackError for a Variable that Airflow hides."""
    for variable in api.call("GET", "variables", limit=1000)["variables"]:
        key, text = variable["key"], str(variable["value"])
        if key.startswith("pulse_client_") and old in text:
            moved = _with_hashes(json.loads(text.replace(old, new)), passwords)
            if "***" in json.dumps(moved):
                raise StackError(
                    f"the sandbox has moved to {new}, but Airflow hides a part of the Variable {key}, so that it cannot be"
                    f" written again: replace {old} there by hand, and the hidden keys as docs/client-variable.md says"
                )
            body = {"key": key, "value": json.dumps(moved, ensure_ascii=False)}
            api.call("PATCH", f"variables/{key}", body)
    for connection in api.call("GET", "connections", limit=1000)["connections"]:
        if old in str(connection["extra"]):
            body = {name: connection[name] for name in ("connection_id", "conn_type")}
            body["extra"] = connection["extra"].replace(old, new)
            api.call("PATCH", f"connections/{quote(body['connection_id'], safe='')}", body, update_mask="extra")


def _with_hashes(variable: dict[str, Any], passwords: DerivedPasswords) -> dict[str, Any]:
    """A demo client's Variable of an older installation, whose passwords Airflow hides, with their hashes instead."""
    from sandbox import demo

    known = {user["email"] for slug in demo.SLUGS for user in demo.demo_users(slug)}
    users = variable.get("users", [])
    for user in users:
        if user.get("email") in known and "password" in user:
            user["scrypt"] = demo.password_hash(passwords[user["email"]])
            del user["password"]
    return variable


def _wait_first_runs(api: AirflowApi, note: Note, say: Say) -> None:
    """Wait for a run of sync_clients that reads the Variables as declared, then for one of each client."""
    declared_at = datetime.fromisoformat(note.declared_at)
    for dag_ids in (["sync_clients"], [f"pulse__{slug}" for slug in note.pending]):
        for dag_id in dag_ids:
            runs.wait_dag(api, dag_id, say)
        for dag_id in dag_ids:
            runs.wait_run(api, dag_id, runs.run_since(api, dag_id, declared_at), say)


def _check_dashboard(settings: Settings, email: str) -> None:
    """Log in as an executive and ask for the tiles' numbers."""
    try:
        # Staff look up the dataset's number: executives may read its rows, but not the list of datasets.
        staff = _superset(settings, "staff", settings.secrets["PULSE_SUPERSET_STAFF_PASSWORD"])
        found = staff.call("GET", "/api/v1/dataset/", q="(page_size:100)")["result"]
        dataset = next((d["id"] for d in found if d["table_name"] == "kpi_current"), None)
        if dataset is None:
            raise StackError("Superset has no dataset kpi_current: ./pulse logs superset says more")
        executive = _superset(settings, email, demo_password(settings.secrets["PULSE_DEMO_SECRET"], email))
        query = {"columns": ["metric_type", "display_text"], "metrics": [], "filters": [], "row_limit": 100}
        body = {"datasource": {"id": dataset, "type": "table"}, "queries": [query], "result_format": "json"}
        rows = executive.call("POST", "/api/v1/chart/data", body)["result"][0]["data"]
    except HttpError as error:
        raise StackError(f"Superset refuses {email}: {error}. ./pulse logs superset says more") from error
    if not rows:
        raise StackError(f"Superset answers {email} without a single metric: ./pulse logs superset says more")


def _superset(settings: Settings, username: str, password: str) -> JsonApi:
    api = JsonApi(settings.url("superset"))
    login = {"username": username, "password": password, "provider": "db", "refresh": False}
    api.log_in("/api/v1/security/login", login)
    return api
