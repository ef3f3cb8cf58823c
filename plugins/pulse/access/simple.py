"""For the one-machine stack: the simple auth manager, whose passwords are in a file, with the two roles.

It has no accounts of people. In production use pulse.access.fab.
"""

from __future__ import annotations

from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

from pulse.access.roles import ADMIN, DATA_TEAM, TwoRoles

_ROLES = {"ADMIN": ADMIN, "USER": DATA_TEAM}


class SimpleAccess(TwoRoles, SimpleAuthManager):
    """The simple auth manager's role `admin` is admin, `user` is data_team; the others may do nothing."""

    def role_of(self, user: SimpleAuthManagerUser) -> str:
        return _ROLES.get((user.role or "").upper(), "")
