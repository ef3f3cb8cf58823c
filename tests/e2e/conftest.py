"""What the end-to-end tests share: logins of the running stack, and a client of their own."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.airflow_api import AirflowApi
from tests.support.stack import login_of


@pytest.fixture(scope="session")
def airflow(stack: dict[str, Any]) -> AirflowApi:
    login = login_of(stack, "airflow", "admin")
    return AirflowApi(stack["addresses"]["airflow"], login["username"], login["password"])


@dataclass
class DeclaredClient:
    """A client as an admin would declare it, pointed at the sandbox's organisation acme."""

    slug: str
    email: str
    password: str
    spec: dict[str, Any]

    @property
    def variable(self) -> str:
        return f"pulse_client_{self.slug}"

    @property
    def dag_id(self) -> str:
        return f"pulse__{self.slug}"


@pytest.fixture(scope="module")
def new_client(stack: dict[str, Any], airflow: AirflowApi) -> Iterator[DeclaredClient]:
    """Variable and Connections of a new client; deactivated at the end."""
    slug = f"e2e_{secrets.token_hex(3)}"
    sandbox = stack["addresses"]["sandbox"]
    email, password = f"ceo@{slug.replace('_', '-')}.example", secrets.token_urlsafe(16)
    spec: dict[str, Any] = {
        "name": "Globex",
        "time_zone": "Europe/Lisbon",
        "schedule_minutes": 1440,
        "branding": {"app_name": "Globex Delivery", "primary_color": "#7A1FA2", "primary_color_dark": "#CE93D8"},
        "users": [{"email": email, "name": "Hank Scorpio", "role": "executive", "password": password}],
        "integrations": [
            {"type": "github", "name": "github", "base_url": f"{sandbox}/github", "organization": "acme"},
            {"type": "jira", "name": "jira", "base_url": f"{sandbox}/jira/acme"},
        ],
    }
    airflow.set_connection(f"github__{slug}", password="ghp_sandbox_acme")
    airflow.set_connection(f"jira__{slug}", login="pulse@acme.example", password="jira_sandbox_acme")
    client = DeclaredClient(slug, email, password, spec)
    yield client
    airflow.set_variable(client.variable, {**spec, "active": False})
    airflow.sync_clients()
    airflow.call("DELETE", f"variables/{client.variable}")
