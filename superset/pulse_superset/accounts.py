"""Reading accounts, brands and sessions of the clients' users as pulse_auth.

Everything is read from the replica, so that logins and dashboards go on while the primary is stopped, and from the
primary only when the replica does not answer. Sessions are written on the primary. Standard library and psycopg2 only.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import queue
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg2
from psycopg2.extensions import TRANSACTION_STATUS_IDLE

from pulse.tenancy import role_password

LOGIN = "pulse_auth"
IDLE_CONNECTIONS = 3
RETRY_SECONDS = 5

_SCRYPT_LIMIT = 1 << 20  # of n * r: 32 MB * 128 / 4; more is a typing error or an attack


class DatabaseAway(Exception):
    """Neither the replica nor, where it may be asked, the primary answered."""


@dataclass(frozen=True)
class Account:
    """A client's user as declared in the client's Variable."""

    client_id: int
    user_id: int
    email: str
    full_name: str
    role: str
    theme_mode: str
    password_hash: str
    active: bool  # the user and the client


@dataclass(frozen=True)
class SessionState:
    """What the database knows of a session; recorded is False when it has no row (yet)."""

    account_active: bool
    recorded: bool
    active: bool


class Server:
    """Connections to one PostgreSQL server: a few idle ones are kept, and a stopped server is not asked at each request."""

    def __init__(self, kind: str, default_port: int) -> None:
        self._kind = kind
        self._default_port = default_port
        self._idle: queue.LifoQueue[Any] = queue.LifoQueue(IDLE_CONNECTIONS)
        self._away_until = 0.0

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        """A cursor in a transaction of its own. Raises DatabaseAway when the server cannot be reached."""
        connection = self._connection()
        try:
            with connection, connection.cursor() as cursor:
                yield cursor
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
            connection.close()
            raise DatabaseAway(f"{self._kind}: {error}") from error
        finally:
            self._give_back(connection)

    def _connection(self) -> Any:
        while True:
            try:
                connection = self._idle.get_nowait()
            except queue.Empty:
                return self._open()
            if self._is_alive(connection):
                return connection
            connection.close()

    @staticmethod
    def _is_alive(connection: Any) -> bool:
        """Whether the server is still at the other end: after a restart every idle connection is dead."""
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute("select 1")
        except psycopg2.Error:
            return False
        return True

    def _open(self) -> Any:
        if time.monotonic() < self._away_until:
            raise DatabaseAway(f"{self._kind} did not answer a moment ago")
        prefix = f"PULSE_{self._kind.upper()}"
        try:
            return psycopg2.connect(
                host=os.environ.get(f"{prefix}_HOST", "127.0.0.1"),
                port=os.environ.get(f"{prefix}_PORT", self._default_port),
                dbname=os.environ.get("PULSE_DATABASE", "pulse"),
                user=LOGIN,
                password=role_password(os.environ["PULSE_ROLE_SECRET"], LOGIN),
                connect_timeout=2,
                application_name="pulse superset login",
            )
        except psycopg2.OperationalError as error:
            self._away_until = time.monotonic() + RETRY_SECONDS
            raise DatabaseAway(f"{self._kind}: {error}") from error

    def _give_back(self, connection: Any) -> None:
        if connection.closed or connection.info.transaction_status != TRANSACTION_STATUS_IDLE:
            connection.close()
            return
        try:
            self._idle.put_nowait(connection)
        except queue.Full:
            connection.close()


replica = Server("replica", 5433)
primary = Server("primary", 5432)


def _read(sql: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    """Rows from the replica, or from the primary when the replica is away."""
    for server in (replica, primary):
        try:
            with server.transaction() as cursor:
                cursor.execute(sql, values)
                return list(cursor.fetchall())
        except DatabaseAway:
            if server is primary:
                raise
    raise AssertionError("unreachable")


_ACCOUNT = """
    select u.client_id, u.id, u.email, u.full_name, u.role, u.theme_mode, u.password_hash, u.active and c.active
    from core.users u join core.clients c on c.id = u.client_id
    where u.email = %s
"""


def find_account(email: str) -> Account | None:
    """The client's user with this e-mail address. Raises DatabaseAway."""
    rows = _read(_ACCOUNT, (email.strip().lower(),))
    return Account(*rows[0]) if rows else None


_SESSION = """
    select u.active and c.active, s.id is not null, coalesce(s.active and s.expires_at > now(), false)
    from core.users u
    join core.clients c on c.id = u.client_id
    left join core.user_sessions s on s.client_id = u.client_id and s.user_id = u.id and s.token_hash = %s
    where u.client_id = %s and u.id = %s
"""


def session_state(client_id: int, user_id: int, token_hash: str) -> SessionState:
    """State of a session and of the account it belongs to. Raises DatabaseAway."""
    rows = _read(_SESSION, (token_hash, client_id, user_id))
    return SessionState(*rows[0]) if rows else SessionState(False, False, False)


_RECORD = """
    insert into core.user_sessions (client_id, user_id, token_hash, kind, created_at, expires_at)
    values (%s, %s, %s, %s, to_timestamp(%s), to_timestamp(%s))
    on conflict (client_id, token_hash) do nothing
"""
_FORGET_OLD = (
    "delete from core.user_sessions where client_id = %s and user_id = %s and expires_at < now() - interval '30 days'"
)


def record_session(
    client_id: int, user_id: int, token_hash: str, kind: str, created_at: float, expires_at: float
) -> None:
    """Write a session's row (times in epoch seconds) and remove the user's long expired ones. Raises DatabaseAway."""
    with primary.transaction() as cursor:
        cursor.execute(_RECORD, (client_id, user_id, token_hash, kind, created_at, expires_at))
        cursor.execute(_FORGET_OLD, (client_id, user_id))


def end_session(client_id: int, token_hash: str) -> None:
    """Set a session's `active` to false (logout). Raises DatabaseAway."""
    with primary.transaction() as cursor:
        cursor.execute(
            "update core.user_sessions set active = false where client_id = %s and token_hash = %s and active",
            (client_id, token_hash),
        )


def brand_settings(client_id: int) -> dict[str, Any]:
    """The client's name and its `brand.*` settings (without the prefix). Raises DatabaseAway."""
    rows = _read(
        "select c.name, s.setting_key, s.setting_value from core.clients c left join core.system_settings s"
        " on s.client_id = c.id and s.setting_key like 'brand.%%' where c.id = %s",
        (client_id,),
    )
    settings: dict[str, Any] = {key.removeprefix("brand."): value for _, key, value in rows if key}
    if rows:
        settings["client_name"] = rows[0][0]
    return settings


def password_matches(stored: str, password: str) -> bool:
    """Whether a password belongs to a werkzeug-style hash `scrypt:n:r:p$salt$hex`, compared in constant time."""
    try:
        method, salt, expected = stored.split("$", 2)
        name, n, r, p = method.split(":")
        cost = (int(n), int(r), int(p))
    except ValueError:
        return False
    if name != "scrypt" or cost[0] * cost[1] > _SCRYPT_LIMIT or not 1 <= cost[2] <= 4:
        return False
    try:
        digest = hashlib.scrypt(
            password.encode(),
            salt=salt.encode(),
            n=cost[0],
            r=cost[1],
            p=cost[2],
            maxmem=132 * cost[0] * cost[1] * cost[2] + 4096,
        )
    except ValueError:
        return False
    return hmac.compare_digest(digest.hex(), expected.lower())
