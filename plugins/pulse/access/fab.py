"""For production: accounts of people in Airflow's database (Flask-AppBuilder), with the two roles.

Its accounts are made on the command line (`airflow users create`) or under Security in Airflow's menu, as an admin.
`python -m pulse.access.fab` makes the role data_team and the first two accounts.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.fab.auth_manager.fab_auth_manager import FabAuthManager

from pulse import environ
from pulse.access.roles import ADMIN, DATA_TEAM, TwoRoles

FIRST_ACCOUNTS = {
    "admin": ("Admin", environ.AIRFLOW_ADMIN_PASSWORD),
    DATA_TEAM: (DATA_TEAM, environ.AIRFLOW_DATA_TEAM_PASSWORD),
}


class FabAccess(TwoRoles, FabAuthManager):
    """FAB's role `Admin` is admin, `data_team` is data_team; FAB's other roles may do nothing."""

    def role_of(self, user: Any) -> str:
        names = {role.name for role in getattr(user, "roles", ())}
        return ADMIN if "Admin" in names else DATA_TEAM if DATA_TEAM in names else ""


def make_first_accounts() -> None:
    """The role data_team (without any right of FAB's own), and the accounts that are missing.

    An account that exists keeps its password: its owner may have changed it.
    """
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

    with get_application_builder() as builder:
        security = builder.sm
        security.add_role(DATA_TEAM)
        for name, (role, password) in FIRST_ACCOUNTS.items():
            if security.find_user(name) is None:
                email = f"{name}@localhost"
                if not security.add_user(name, name, "Pulse", email, security.find_role(role), password.get()):
                    raise SystemExit(f"Airflow could not make the account {name}: its log says why")


if __name__ == "__main__":
    make_first_accounts()
