"""What an installation is made of: folders, ports, secrets, and where each server is."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pulse.tenancy import RoleSecrets
from stack.paths import ROOT
from stack.ports import LOOPBACK, StackPorts


@dataclass(frozen=True)
class Settings:
    """Everything the environments are made from."""

    state: Path
    ports: StackPorts
    secrets: dict[str, str] = field(repr=False)
    hosts: dict[str, str] = field(default_factory=dict)  # by service; loopback where not given
    root: Path = ROOT
    sandbox: bool = True  # whether it runs, so that sources may read it

    @property
    def role_secrets(self) -> RoleSecrets:
        """What the passwords of database roles are derived from."""
        return RoleSecrets(self.secrets["PULSE_ROLE_SECRET"], self.secrets["PULSE_READER_SECRET"])

    def host(self, service: str) -> str:
        """Where primary, replica, meta, airflow, superset or sandbox listens."""
        return self.hosts.get(service, LOOPBACK)

    def url(self, service: str) -> str:
        """http:// address of airflow, superset or sandbox."""
        return f"http://{self.host(service)}:{getattr(self.ports, service)}"

    def database_url(self, role: str, server: str, database: str = "pulse", scheme: str = "postgresql") -> str:
        """URL of a role's login on primary, replica or meta, password included."""
        password = self.role_secrets.password(role)
        return f"{scheme}://{role}:{password}@{self.host(server)}:{getattr(self.ports, server)}/{database}"
