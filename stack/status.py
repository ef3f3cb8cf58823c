"""What runs where, and who may log in: for people and, as JSON, for scripts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stack.environment import Settings
from stack.health import Health
from stack.ports import LOOPBACK
from stack.secret_file import demo_password

SEEDED = "seeded.json"


@dataclass(frozen=True)
class Login:
    """A login that ./pulse up has made."""

    system: str
    client: str | None
    role: str
    username: str
    password: str


def addresses(settings: Settings, *, sandbox: bool) -> dict[str, str]:
    """Where each service listens."""
    servers = ("primary", "replica", "meta")
    found = {name: settings.url(name) for name in ("airflow", "superset")}
    found |= {name: f"postgresql://{LOOPBACK}:{getattr(settings.ports, name)}/pulse" for name in servers[:2]}
    found["meta"] = f"postgresql://{LOOPBACK}:{settings.ports.meta}/airflow"
    if sandbox:
        found["sandbox"] = settings.url("sandbox")
    return found


def seeded(state: Path) -> dict[str, Any]:
    """What the demo seeding has left as a note: clients, their users, the sandbox's address."""
    try:
        note: dict[str, Any] = json.loads((state / SEEDED).read_text())
    except (OSError, ValueError):
        return {}
    return note


def logins(settings: Settings) -> list[Login]:
    """Every login that the launcher knows: staff and Airflow's, then the demo clients' users."""
    secrets = settings.secrets
    found = [
        Login("airflow", None, "admin", "admin", secrets["PULSE_AIRFLOW_ADMIN_PASSWORD"]),
        Login("airflow", None, "data_team", "data_team", secrets["PULSE_AIRFLOW_DATA_TEAM_PASSWORD"]),
        Login("superset", None, "staff", "staff", secrets["PULSE_SUPERSET_STAFF_PASSWORD"]),
    ]
    for slug, users in seeded(settings.state).get("users", {}).items():
        found += [
            Login(
                "superset",
                slug,
                user["role"],
                user["email"],
                demo_password(secrets["PULSE_DEMO_SECRET"], user["email"]),
            )
            for user in users
        ]
    return found


def report(settings: Settings, health: list[Health], *, sandbox: bool) -> dict[str, Any]:
    """The content of ./pulse status --json."""
    running = [h for h in health if h.state == "RUNNING"]
    state = "running" if len(running) == len(health) else "partial" if running else "stopped"
    return {
        "state": state,
        "healthy": bool(health) and all(h.healthy for h in health),
        "processes": [asdict(h) for h in health],
        "addresses": addresses(settings, sandbox=sandbox),
        "logins": [asdict(login) for login in logins(settings)],
    }


def stopped_report() -> dict[str, Any]:
    """The same when nothing has ever been started."""
    return {"state": "stopped", "healthy": False, "processes": [], "addresses": {}, "logins": []}


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
