"""Brings Superset in line with the assets and the clients. Idempotent: it changes only what differs.

A base rule (`1 = 0`) closes every dataset, and one rule per client (`client_id = <id>`) opens it; a common group key makes
Superset combine the two with OR. This is the second wall; the first is the client's own database login.
"""

from __future__ import annotations

import hashlib
import json
import logging
from typing import Any
from urllib.parse import urlsplit

from pulse.superset.api import SupersetApi, SupersetError
from pulse.superset.assets import Assets, build_bundle, dashboard_slug, database_bundle, load
from pulse.superset.installed import imported_hash, known_ids, remove_retired, view_columns
from pulse.superset.permissions import STAFF, VIEWER
from pulse.tenancy import superset_role

__all__ = [
    "SupersetApi",
    "SupersetError",
    "api_from_connection",
    "assets_are_current",
    "client_digest",
    "ensure_assets",
    "ensure_client",
    "has_role",
]

CONNECTION_ID = "pulse_superset"
DATABASE_NAME = "pulse"
STAFF_ROLE = "pulse_staff"
ADMIN_ROLE = "Admin"
BASE_RULE = "pulse: closed"
RULE_GROUP = "client"
# How all clients are served: clients' users may read none of these, and neither may their database roles.
FOR_STAFF = "operations_"
# Published reference values, the same for everyone. They contain no client's rows and no client_id to filter by.
REFERENCE_DATASETS = frozenset({"benchmarks"})

logger = logging.getLogger(__name__)


def api_from_connection(conn_id: str = CONNECTION_ID) -> SupersetApi:
    """The API client for an Airflow Connection (http or https, host, port, login and password of the service account).

    Raises SupersetError if the Connection has no host.
    """
    from airflow.sdk import BaseHook

    connection = BaseHook.get_connection(conn_id)
    if not connection.host:
        raise SupersetError(f"Connection {conn_id} has no host: set it to Superset's address")
    scheme = connection.schema if connection.schema in ("http", "https") else connection.conn_type
    host = connection.host if "://" in connection.host else f"{scheme or 'http'}://{connection.host}"
    port = f":{connection.port}" if connection.port and urlsplit(host).port is None else ""
    return SupersetApi(f"{host}{port}", connection.login or "", connection.password or "")


def ensure_assets(api: SupersetApi) -> bool:
    """Import superset/assets if they or the views' columns changed, and close every dataset. Returns whether it imported.

    The hash of the last import is kept in the dashboards' metadata. Raises AssetError for a faulty file, and SupersetError,
    also if a dataset of the clients' database is left without the base rule.
    """
    assets = load()
    if api.find("database/", "database_name", DATABASE_NAME) is None:
        api.upload("assets/import/", "bundle", database_bundle(assets))
    views = view_columns(api, DATABASE_NAME, assets.datasets)
    digest = build_bundle(assets, views).digest
    imported = not _is_imported(api, assets, digest)
    if imported:
        api.upload("assets/import/", "bundle", build_bundle(assets, views, known_ids(api, assets)).content)
        logger.info("Superset's assets imported: %s", digest[:12])
        remove_retired(api, assets)
    datasets = pulse_datasets(api)
    missing = set(assets.datasets) - set(datasets)
    if missing:
        raise SupersetError(f"datasets are missing after the import: {', '.join(sorted(missing))}")
    exempt = [_role_id(api, ADMIN_ROLE), _ensure_role(api, STAFF_ROLE)]
    _ensure_rule(api, BASE_RULE, "Base", "1 = 0", exempt, _tenant_ids(datasets))
    _ensure_permissions(api, STAFF_ROLE, STAFF | _dataset_permissions(datasets))
    return imported


def ensure_client(api: SupersetApi, client_id: int, slug: str, active: bool) -> None:
    """Set role, permissions and row-level-security rule of one client; an inactive client's role may do nothing.

    Needs ensure_assets first. Raises SupersetError.
    """
    role = superset_role(client_id)
    role_id = _ensure_role(api, role)
    datasets = pulse_datasets(api)
    if not datasets:
        raise SupersetError(f"client {slug}: Superset has no datasets yet; ensure_assets has to run first")
    _ensure_rule(api, f"pulse: {role}", "Regular", f"client_id = {int(client_id)}", [role_id], _tenant_ids(datasets))
    own = {name: row for name, row in datasets.items() if not name.startswith(FOR_STAFF)}
    _ensure_permissions(api, role, (VIEWER | _dataset_permissions(own)) if active else frozenset())
    _assert_closed(api, datasets, role)


def client_digest(client_id: int, active: bool, datasets: dict[str, dict[str, Any]]) -> str:
    """A hash of all that ensure_client makes of a client: while it stays the same, there is nothing to do."""
    wanted = [
        superset_role(client_id),
        active,
        sorted(VIEWER),
        sorted((name, row["id"]) for name, row in datasets.items()),
    ]
    return hashlib.sha256(json.dumps(wanted).encode()).hexdigest()


def has_role(api: SupersetApi, client_id: int) -> bool:
    """Whether Superset has the client's role."""
    return api.find("security/roles/", "name", superset_role(client_id)) is not None


def pulse_datasets(api: SupersetApi) -> dict[str, dict[str, Any]]:
    """Every dataset of the clients' database by table name, whoever created it."""
    found: dict[str, dict[str, Any]] = {}
    for row in api.every("dataset/"):
        if row["database"]["database_name"] == DATABASE_NAME:
            if row["table_name"] in found:
                raise SupersetError(
                    f"two datasets are called {row['table_name']}: remove the one that does not come from the assets"
                )
            found[row["table_name"]] = row
    return found


def assets_are_current(api: SupersetApi) -> bool:
    """Whether Superset has what superset/assets and the database say. Raises AssetError and SupersetError."""
    if api.find("database/", "database_name", DATABASE_NAME) is None:
        return False
    assets = load()
    return _is_imported(api, assets, build_bundle(assets, view_columns(api, DATABASE_NAME, assets.datasets)).digest)


def _is_imported(api: SupersetApi, assets: Assets, digest: str) -> bool:
    return all(imported_hash(api, dashboard_slug(name)) == digest for name in assets.dashboards)


def _tenant_ids(datasets: dict[str, dict[str, Any]]) -> list[int]:
    return sorted(int(row["id"]) for name, row in datasets.items() if name not in REFERENCE_DATASETS)


def _dataset_permissions(datasets: dict[str, dict[str, Any]]) -> frozenset[tuple[str, str]]:
    return frozenset(
        ("datasource_access", f"[{DATABASE_NAME}].[{name}](id:{row['id']})") for name, row in datasets.items()
    )


def _role_id(api: SupersetApi, name: str) -> int:
    row = api.find("security/roles/", "name", name)
    if row is None:
        raise SupersetError(f"Superset has no role {name}: run superset/bootstrap.py")
    return int(row["id"])


def _ensure_role(api: SupersetApi, name: str) -> int:
    row = api.find("security/roles/", "name", name)
    return int(row["id"]) if row else int(api.post("security/roles/", {"name": name})["id"])


def _ensure_permissions(api: SupersetApi, role: str, wanted: frozenset[tuple[str, str]]) -> None:
    role_id = _role_id(api, role)
    ids = {pair: api.permission_id(*pair) for pair in sorted(wanted)}
    unknown = [f"{permission} on {view}" for (permission, view), number in ids.items() if number is None]
    if unknown:
        raise SupersetError(f"this Superset does not have the permissions {', '.join(unknown)}")
    given = {int(row["id"]) for row in api.get(f"security/roles/{role_id}/permissions/")["result"]}
    if given != set(ids.values()):
        numbers = sorted(number for number in ids.values() if number is not None)
        api.post(f"security/roles/{role_id}/permissions", {"permission_view_menu_ids": numbers})


def _ensure_rule(api: SupersetApi, name: str, kind: str, clause: str, roles: list[int], tables: list[int]) -> None:
    """Create a row-level-security rule or bring it to these values."""
    body = {
        "name": name,
        "filter_type": kind,
        "clause": clause,
        "group_key": RULE_GROUP,
        "roles": sorted(roles),
        "tables": tables,
        "description": "Made by Pulse (plugins/pulse/superset/provision.py): changes are undone.",
    }
    row = api.find("rowlevelsecurity/", "name", name)
    if row is None:
        api.post("rowlevelsecurity/", body)
    elif _rule(api.get(f"rowlevelsecurity/{row['id']}")["result"]) != body:
        api.put(f"rowlevelsecurity/{row['id']}", body)


def _rule(result: dict[str, Any]) -> dict[str, Any]:
    plain = {key: result.get(key) for key in ("name", "filter_type", "clause", "group_key", "description")}
    return plain | {key: sorted(int(item["id"]) for item in result[key]) for key in ("roles", "tables")}


def _assert_closed(api: SupersetApi, datasets: dict[str, dict[str, Any]], role: str) -> None:
    """Check that every dataset of the clients' database has the base rule and the client's. Raises SupersetError."""
    for name in (BASE_RULE, f"pulse: {role}"):
        row = api.find("rowlevelsecurity/", "name", name)
        covered = set(_rule(api.get(f"rowlevelsecurity/{row['id']}")["result"])["tables"]) if row else set()
        open_ids = set(_tenant_ids(datasets)) - covered
        if open_ids:
            names = sorted(table for table, dataset in datasets.items() if int(dataset["id"]) in open_ids)
            raise SupersetError(f"rule {name!r} does not cover the datasets {', '.join(names)}: run ensure_assets")
