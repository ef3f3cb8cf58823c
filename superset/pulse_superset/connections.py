"""Which database login a query runs as: the wall between clients (DB_CONNECTION_MUTATOR).

The asset YAML contains a placeholder address without a password. Host, port, login and password are filled in here for
each query, from the user's roles. A user who is not staff and does not have exactly one role, a client's, gets a login
without any rights.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import partial
from typing import Any

import psycopg2.extensions
from flask import g, has_request_context
from sqlalchemy.engine import URL

from pulse import environ
from pulse.languages import ENGLISH
from pulse.tenancy import client_role, role_password
from pulse_superset import language

PLACEHOLDER_HOST = "pulse-replica"
STAFF_ROLES = frozenset({"Admin", "pulse_staff"})
STAFF_LOGIN = "pulse_staff"
NOBODY_LOGIN = "pulse_nobody"
CONNECT_TIMEOUT_SECONDS = 5

_SUPERSET_ROLE = re.compile(r"client_([1-9][0-9]{0,9})")


def client_of_superset_role(name: str) -> int | None:
    """Client id of a Superset role `client_<id>`; None for every other role."""
    match = _SUPERSET_ROLE.fullmatch(name)
    return int(match[1]) if match else None


def clients_of(role_names: Iterable[str]) -> set[int]:
    """The clients whose roles are among these."""
    return {client for name in role_names if (client := client_of_superset_role(name)) is not None}


def login_for(role_names: Iterable[str]) -> str:
    """Database login for a user with these Superset roles; fails closed."""
    names = set(role_names)
    clients = clients_of(names)
    if clients:
        return client_role(clients.pop()) if len(names) == 1 else NOBODY_LOGIN
    return STAFF_LOGIN if names & STAFF_ROLES else NOBODY_LOGIN


def _speaking(chosen: tuple[str, str], dsn: str, **options: Any) -> Any:
    """A connection whose texts are in a language, with these separators.

    Set by a statement, because PgBouncer passes no startup option on.
    """
    connection = psycopg2.extensions.connection(dsn, **options)
    with connection, connection.cursor() as cursor:
        cursor.execute("set pulse.language = %s; set pulse.separators = %s", chosen)
    return connection


def mutate_connection(
    uri: URL, params: dict[str, Any], username: str | None, security_manager: Any, source: Any = None
) -> tuple[URL, dict[str, Any]]:
    """Superset's hook: fills in the replica's address and the login of this request's user."""
    if uri.host != PLACEHOLDER_HOST:
        return uri, params
    user = getattr(g, "user", None) if has_request_context() or g else None
    roles: list[str] = []
    # Superset logs and caches by `username`, so it must be the user whose roles are checked.
    if user is not None and username is not None and getattr(user, "username", None) == username:
        roles = [role.name for role in security_manager.get_user_roles(user)]
    login = login_for(roles)
    uri = uri.set(
        username=login,
        password=role_password(environ.READER_SECRET.get(), login),
        host=environ.REPLICA_HOST.get(),
        port=environ.REPLICA_PORT.get(),
        database="pulse",
    )
    connect_args = {
        **params.get("connect_args", {}),
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "application_name": "pulse superset",
    }
    chosen = language.of_request(), language.separators_of_request()
    if chosen != (ENGLISH, ""):
        connect_args["connection_factory"] = partial(_speaking, chosen)
    return uri, {**params, "connect_args": connect_args}
