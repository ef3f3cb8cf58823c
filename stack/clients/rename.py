"""Gives a client another slug. Its number stays, and with it its rows, database login and Superset role."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import psycopg

from pulse.clients.spec import VARIABLE_PREFIX, ClientSpec
from pulse.clients.sync import connection_id

Connection = psycopg.Connection[Any]


def new_names(spec: ClientSpec, old: str, new: str, shared: Iterable[str]) -> dict[str, str]:
    """The Connections that are called after the client, by their old names, with the new ones.

    Without `shared`: those that other clients use, too, keep their names.
    """
    found = {}
    for one in spec.integrations:
        name = one.name or one.type
        if not one.connection:
            found[connection_id(old, one.type, name)] = connection_id(new, one.type, name)
    return {before: after for before, after in found.items() if before not in set(shared)}


def keep_shared(variable: dict[str, Any], old: str, shared: Iterable[str]) -> bool:
    """Write into a Variable which of its Connections keep their old names; whether there is one."""
    kept = False
    for one in variable.get("integrations", []):
        held_by = connection_id(old, one["type"], one.get("name") or one["type"])
        if not one.get("connection") and held_by in set(shared):
            one["connection"] = held_by
            kept = True
    return kept


def rename_in_airflow(airflow: Connection, old: str, new: str, names: Mapping[str, str]) -> list[str]:
    """Rename the Variable and the Connections; returns the new names of those that there were.

    `airflow`: Airflow's own database. The encrypted values stay as they are.
    """
    with airflow.transaction():
        renamed = airflow.execute(
            "update variable set key = %s where key = %s returning key",
            [f"{VARIABLE_PREFIX}{new}", f"{VARIABLE_PREFIX}{old}"],
        ).fetchall()
        for before, after in names.items():
            renamed += airflow.execute(
                "update connection set conn_id = %s where conn_id = %s returning conn_id", [after, before]
            ).fetchall()
    return [row[0] for row in renamed]


def rename_in_tables(clients: Connection, old: str, new: str, names: Mapping[str, str]) -> None:
    """Rename the client and its integrations' Connections in the clients' database, as pulse_admin. Raises KeyError if there
    is no such client."""
    with clients.transaction():
        row = clients.execute(
            "update core.clients set slug = %s, updated_at = now() where slug = %s returning id", [new, old]
        ).fetchone()
        if row is None:
            raise KeyError(old)
        clients.execute("delete from core.sync_state where slug = %s", [old])
        for before, after in names.items():
            clients.execute(
                "update core.integrations set connection_id = %s where client_id = %s and connection_id = %s",
                [after, row[0], before],
            )
