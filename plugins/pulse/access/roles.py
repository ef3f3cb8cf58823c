"""The roles admin and data_team, the same with each auth manager.

An admin may do what the auth manager allows. The data team may read, trigger and clear, and nothing else. Airflow asks for
the same right for clearing a run and for setting its state, so the request's own route decides between them.
"""

from __future__ import annotations

import re
from typing import Any

from airflow.api_fastapi.auth.managers.base_auth_manager import BaseAuthManager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.common.types import MenuItem

from pulse.access.route import ROUTE
from pulse.access.walls import Walls

ADMIN, DATA_TEAM = "admin", "data_team"

_DAG = r"/api/v2/dags/[^/]+"
# What the data team may change: the right that Airflow asks for, and the routes that may use it.
_CHANGES: dict[tuple[str, DagAccessEntity], re.Pattern[str]] = {
    ("POST", DagAccessEntity.RUN): re.compile(rf"POST {_DAG}/dagRuns"),
    ("PUT", DagAccessEntity.RUN): re.compile(rf"POST {_DAG}/(dagRuns/[^/]+/clear|clearDagRuns)"),
    ("PUT", DagAccessEntity.TASK_INSTANCE): re.compile(rf"POST {_DAG}/clearTaskInstances"),
}
# DAGs that write what only an admin may write, from what only an admin may see: for the data team there is none of them.
_OF_ADMINS = ("onboard_client",)
# The audit log holds the arguments of command lines, which may be secrets.
_UNREAD = (DagAccessEntity.AUDIT_LOG,)
_MENU = (
    *(
        MenuItem.ASSETS,
        MenuItem.DAGS,
        MenuItem.DEADLINES,
        MenuItem.DOCS,
        MenuItem.JOBS,
        MenuItem.PLUGINS,
        MenuItem.POOLS,
    ),
    *(MenuItem.PROVIDERS, MenuItem.XCOMS),
)


class TwoRoles(BaseAuthManager[Any]):
    """Narrows an auth manager to the two roles. It comes before the auth manager among a class's bases."""

    def role_of(self, user: Any) -> str:
        """ADMIN, DATA_TEAM, or empty for anybody else, who may do nothing."""
        raise NotImplementedError

    def _reads(self, user: Any, method: Any) -> bool:
        return self.role_of(user) == DATA_TEAM and str(method) in ("GET", "MENU")

    def is_authorized_dag(self, *, method: Any, user: Any, access_entity: Any = None, details: Any = None) -> bool:
        if self.role_of(user) == ADMIN:
            return bool(
                super().is_authorized_dag(method=method, user=user, access_entity=access_entity, details=details)
            )
        if getattr(details, "id", None) in _OF_ADMINS:
            return False
        if self._reads(user, method):
            return access_entity not in _UNREAD
        routes = _CHANGES.get((str(method), access_entity))
        return self.role_of(user) == DATA_TEAM and bool(routes and routes.fullmatch(_without_root(ROUTE.get())))

    def is_authorized_backfill(self, *, method: Any, user: Any, details: Any = None) -> bool:
        """Asked by some versions of FAB's auth manager instead of is_authorized_dag."""
        return self.role_of(user) == ADMIN or self._reads(user, method)

    def is_authorized_configuration(self, *, method: Any, user: Any, details: Any = None) -> bool:
        return self.role_of(user) == ADMIN and super().is_authorized_configuration(
            method=method, user=user, details=details
        )

    def is_authorized_connection(self, *, method: Any, user: Any, details: Any = None) -> bool:
        return self.role_of(user) == ADMIN and super().is_authorized_connection(
            method=method, user=user, details=details
        )

    def is_authorized_variable(self, *, method: Any, user: Any, details: Any = None) -> bool:
        return self.role_of(user) == ADMIN and super().is_authorized_variable(method=method, user=user, details=details)

    def is_authorized_asset(self, *, method: Any, user: Any, details: Any = None) -> bool:
        return self.role_of(user) == ADMIN or self._reads(user, method)

    def is_authorized_asset_alias(self, *, method: Any, user: Any, details: Any = None) -> bool:
        return self.role_of(user) == ADMIN or self._reads(user, method)

    def is_authorized_pool(self, *, method: Any, user: Any, details: Any = None) -> bool:
        return self.role_of(user) == ADMIN or self._reads(user, method)

    def is_authorized_view(self, *, access_view: Any, user: Any) -> bool:
        return self.role_of(user) in (ADMIN, DATA_TEAM)

    def is_authorized_custom_view(self, *, method: Any, resource_name: str, user: Any) -> bool:
        return self.role_of(user) == ADMIN and super().is_authorized_custom_view(
            method=method, resource_name=resource_name, user=user
        )

    def is_authorized_hitl_task(self, *, assigned_users: set[str], user: Any) -> bool:
        return self.role_of(user) == ADMIN

    def filter_authorized_menu_items(self, menu_items: list[MenuItem], *, user: Any) -> list[MenuItem]:
        role = self.role_of(user)
        return [item for item in menu_items if role == ADMIN or (role == DATA_TEAM and item in _MENU)]

    def get_authorized_dag_ids(self, *, user: Any, method: Any = "GET", **kwargs: Any) -> set[str]:
        """By is_authorized_dag, whatever the auth manager has stored for single DAGs."""
        found: set[str] = BaseAuthManager.get_authorized_dag_ids(self, user=user, method=method, **kwargs)
        return found

    def get_fastapi_middlewares(self) -> list[Any]:
        return [*super().get_fastapi_middlewares(), (Walls, {})]


def _without_root(route: str) -> str:
    """A route without the path that Airflow's address may begin with."""
    method, _, path = route.partition(" ")
    start = path.find("/api/v2/")
    return f"{method} {path[start:]}" if start >= 0 else route
