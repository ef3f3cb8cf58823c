"""Gives a client another slug. Its number stays, and with it its rows, database login and Superset role."""

from __future__ import annotations

from typing import Any

import psycopg

from pulse.clients.spec import VARIABLE_PREFIX

Connection = psycopg.Connection[Any]


def rename_in_airflow(airflow: Connection, old: str, new: str) -> list[str]:
    """Rename the Variable and the Connections that are called after the client; returns their new names.

    `airflow`: Airflow's own database. The encrypted values stay as they are.
    """
    with airflow.transaction():
        renamed = airflow.execute(
            "update variable set key = %s where key = %s returning key",
            [f"{VARIABLE_PREFIX}{new}", f"{VARIABLE_PREFIX}{old}"],
        ).fetchall()
        renamed += airflow.execute(
            "update connection set conn_id = regexp_replace(conn_id, %s, %s) where conn_id ~ %s returning conn_id",
            [f"^([a-z_]+?)__{old}(__.*)?$", rf"\1__{new}\2", f"^[a-z_]+?__{old}(__.*)?$"],
        ).fetchall()
    return sorted(row[0] for row in renamed)


def rename_in_tables(clients: Connection, old: str, new: str) -> None:
    """Rename the client and its integrations' Connections in the clients' database, as pulse_admin. Raises KeyError if there
    is no such client."""
    with clients.transaction():
        row = clients.execute(
            "update core.clients set slug = %s, updated_at = now() where slug = %s returning id", [new, old]
        ).fetchone()
        if row is None:
            raise KeyError(old)
        clients.execute(
            "update core.integrations set connection_id = regexp_replace(connection_id, %s, %s) where client_id = %s",
            [f"^([a-z_]+?)__{old}(__.*)?$", rf"\1__{new}\2", row[0]],
        )
