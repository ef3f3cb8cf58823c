"""The demo clients, declared as an admin would: one Variable and two Connections each."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass
from datetime import date
from typing import Any

from sandbox.world.recorded import LOGIN as RECORDED_ORGANISATION
from sandbox.world.recorded import SLUG as RECORDED_SLUG

SLUGS = ("techcorp", "acme", RECORDED_SLUG)


@dataclass(frozen=True)
class DemoClient:
    """What Airflow needs for one client."""

    variable: dict[str, Any]
    connections: dict[str, dict[str, Any]]


def demo_clients(sandbox_url: str, passwords: dict[str, str]) -> dict[str, DemoClient]:
    """TechCorp and Acme on the sandbox. `passwords`: by e-mail address, see demo_users."""
    techcorp = {
        "app_name": "TechCorp Delivery",
        "logo": _logo("TechCorp", "#0E7C86", "M4 4h24v6h-9v18h-6V10H4z"),
        "primary_color": "#0E7C86",
        "primary_color_dark": "#4CC2CC",
        "accent_color": "#F2A541",
    }
    acme = {
        "app_name": "Acme Engineering",
        "logo": _logo("Acme", "#B3261E", "M16 3 30 29h-7l-7-14-7 14H2z"),
        "primary_color": "#B3261E",
        "primary_color_dark": "#FF8A80",
        "accent_color": "#3C6E9F",
    }
    # Acme has said neither where its items wait, nor what an hour costs, nor what it wants to reach: its pages say how to.
    by = f"{date.today().year + 1}-06-30"
    said = {
        "targets.deployment_frequency": {"value": 5, "by": by},
        "targets.lead_time_for_changes": {"value": 24, "by": by},
        "targets.change_failure_rate": {"value": 5, "by": by},
        "work.waiting_statuses": ["In Review"],
        "cost.currency": "EUR",
        "cost.hour_of_failure": 900,
        "cost.hour_of_work": 85,
    }
    return {
        "techcorp": _client(
            sandbox_url, passwords, "techcorp", "TechCorp", "Europe/Berlin", techcorp, "techcorp", said
        ),
        "acme": _client(sandbox_url, passwords, "acme", "Acme", "America/Chicago", acme, "acme"),
    }


def recorded_client(sandbox_url: str, passwords: dict[str, str]) -> DemoClient:
    """The client that uses the recorded payloads."""
    brand = {"app_name": "Recorded world", "primary_color": "#5B5F97", "primary_color_dark": "#A6AAE0"}
    return _client(sandbox_url, passwords, RECORDED_SLUG, "Recorded", "Asia/Shanghai", brand, RECORDED_ORGANISATION)


def demo_users(slug: str) -> list[dict[str, str]]:
    """The users of a demo client, without passwords."""
    users = [{"email": f"ceo@{slug}.example", "name": "Chief Executive", "role": "executive"}]
    if slug != RECORDED_SLUG:
        users.append({"email": f"manager@{slug}.example", "name": "Engineering Manager", "role": "manager"})
    return users


def _client(
    sandbox_url: str,
    passwords: dict[str, str],
    slug: str,
    name: str,
    zone: str,
    brand: dict[str, str],
    owner: str,
    settings: dict[str, Any] | None = None,
) -> DemoClient:
    variable = {
        "name": name,
        "time_zone": zone,
        "schedule_minutes": 30,
        "branding": brand,
        "users": [{**user, "scrypt": password_hash(passwords[user["email"]])} for user in demo_users(slug)],
        "settings": {
            "dora.incident_rule": {"source": "jira", "issue_types": ["Incident"], "labels": ["incident"]},
            **(settings or {}),
        },
        "integrations": [
            {"type": "github", "name": "github", "base_url": f"{sandbox_url}/github", "organization": owner},
            {"type": "jira", "name": "jira", "base_url": f"{sandbox_url}/jira/{slug}"},
        ],
    }
    connections = {
        f"github__{slug}": {
            "conn_type": "pulse_github",
            "password": f"ghp_sandbox_{owner}",
            "extra": json.dumps({"organization": owner, "base_url": f"{sandbox_url}/github"}),
        },
        f"jira__{slug}": {
            "conn_type": "pulse_jira",
            "login": f"pulse@{slug}.example",
            "password": f"jira_sandbox_{slug}",
            "extra": json.dumps({"base_url": f"{sandbox_url}/jira/{slug}"}),
        },
    }
    return DemoClient(variable, connections)


def password_hash(password: str) -> str:
    """A password's hash as the Variable holds it (docs/client-variable.md, Passwords)."""
    salt = secrets.token_urlsafe(12)
    digest = hashlib.scrypt(password.encode(), salt=salt.encode(), n=32768, r=8, p=1, maxmem=132 * 32768 * 8)
    return f"scrypt:32768:8:1${salt}${digest.hex()}"


def _logo(name: str, colour: str, path: str) -> str:
    """A wordmark that is readable on light and dark: a coloured tile, and the name in a mid-tone of the brand."""
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 168 40" role="img" aria-label="{name}">'
        f'<rect width="40" height="40" rx="9" fill="{colour}"/><path transform="translate(4 4)" fill="#fff" d="{path}"/>'
        f'<text x="50" y="28" font-family="Inter,Helvetica,Arial,sans-serif" font-size="23" font-weight="700"'
        f' fill="{colour}">{name}</text></svg>'
    )
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
