"""What runs where, and who may log in: for people and, as JSON, for scripts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from stack.airflow.demo import Note
from stack.context import Stack
from stack.health import Health
from stack.ports import LOOPBACK
from stack.secret_file import demo_password
from stack.settings import Settings


@dataclass(frozen=True)
class Login:
    """A login that ./pulse up has made."""

    system: str
    client: str | None
    role: str
    username: str
    password: str


def addresses(stack: Stack) -> dict[str, str]:
    """Where each service listens."""
    databases = {"primary": "pulse", "replica": "pulse", "meta": "airflow"}
    found = {name: stack.settings.url(name) for name in ("airflow", "superset")}
    for server, database in databases.items():
        found[server] = f"postgresql://{LOOPBACK}:{getattr(stack.settings.ports, server)}/{database}"
    return found | ({"sandbox": stack.settings.url("sandbox")} if stack.options.sandbox else {})


def logins(settings: Settings) -> list[Login]:
    """Every login that the launcher knows: staff and Airflow's, then the demo clients' users."""
    secrets = settings.secrets
    found = [
        Login("airflow", None, "admin", "admin", secrets["PULSE_AIRFLOW_ADMIN_PASSWORD"]),
        Login("airflow", None, "data_team", "data_team", secrets["PULSE_AIRFLOW_DATA_TEAM_PASSWORD"]),
        Login("superset", None, "staff", "staff", secrets["PULSE_SUPERSET_STAFF_PASSWORD"]),
    ]
    secret = secrets["PULSE_DEMO_SECRET"]
    found += [
        Login("superset", slug, user["role"], user["email"], demo_password(secret, user["email"]))
        for slug, users in Note.read(settings).users.items()
        for user in users
    ]
    return found


def report(stack: Stack | None, health: list[Health]) -> dict[str, Any]:
    """The content of ./pulse status --json; `stack` None: nothing has ever been started."""
    running = [h for h in health if h.state == "RUNNING"]
    return {
        "state": "stopped" if not running else "running" if len(running) == len(health) else "partial",
        "healthy": bool(health) and all(h.healthy for h in health),
        "processes": [asdict(h) for h in health],
        "addresses": addresses(stack) if stack else {},
        "logins": [asdict(login) for login in logins(stack.settings)] if stack else [],
    }


def processes_table(health: list[dict[str, Any]]) -> str:
    """Processes as a table."""
    rows = [
        ("ok" if h["healthy"] else "NOT OK", h["name"], h["state"].lower(), str(h["pid"] or ""), h["detail"][:100])
        for h in health
    ]
    return table(("", "process", "state", "pid", ""), rows)


def access_table(status: dict[str, Any]) -> str:
    """Addresses and logins as a table."""
    where = status["addresses"]
    rows = [
        (
            f"{login['client'] or 'Pulse'} {login['role']}".replace("data_team", "data team"),
            where[login["system"]],
            login["username"],
            login["password"],
        )
        for login in sorted(status["logins"], key=lambda login: (login["system"] != "superset", login["client"] or ""))
    ]
    lines = [table(("who", "where", "user", "password"), rows), ""]
    lines += [f"{name:<9} {url}" for name, url in where.items() if name not in ("airflow", "superset")]
    return "\n".join(lines)


def table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Columns as wide as they need to be."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in [header, tuple("─" * width for width in widths), *rows]
    ]
    return "\n".join(lines)
