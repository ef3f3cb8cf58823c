"""Reading accounts, brands and sessions of the clients' users as pulse_auth.

Everything is read from the replica, so that logins and dashboards keep working while the primary is down, and from the
primary only if the replica does not answer. Sessions are written on the primary. Needs only psycopg2 and the standard
library.
"""

from __future__ import annotations

import hashlib
import queue
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg2
from psycopg2.extensions import TRANSACTION_STATUS_IDLE
from werkzeug.security import check_password_hash

from pulse import environ
from pulse.languages import ENGLISH
from pulse.tenancy import role_password

LOGIN = "pulse_auth"
IDLE_CONNECTIONS = 3
RETRY_SECONDS = 5

# The third is which of several hosts (host1,host2) is meant, by libpq's names.
_ADDRESSES = {
    "primary": (environ.PRIMARY_HOST, environ.PRIMARY_PORT, "read-write"),
    "replica": (environ.REPLICA_HOST, environ.REPLICA_PORT, "any"),
}
_SCRYPT_LIMIT = 1 << 20  # the limit of n * r: 32 MB * 128 / 4; more is a typing error or an attack


class DatabaseAway(Exception):
    """Neither the replica nor, if it may be used, the primary answered."""


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
    sso_only: bool  # the client wants people with this address to come through its sign-in provider


@dataclass(frozen=True)
class SessionState:
    """What the database knows about a session. `recorded` is False if it has no row (yet).

    Sessions that began before `valid_from` (epoch seconds) ended when the person's password, role or address changed.
    """

    account_active: bool
    recorded: bool
    active: bool
    valid_from: int


class Server:
    """Connections to one PostgreSQL server. It keeps a few idle ones, and does not try a stopped server at every request."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._idle: queue.LifoQueue[Any] = queue.LifoQueue(IDLE_CONNECTIONS)
        self._away_until = 0.0

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        """A cursor in a transaction of its own. Raises DatabaseAway if the server cannot be reached."""
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
        """Whether the connection still works; after a server restart, every idle connection is dead."""
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute("select 1")
        except psycopg2.Error:
            return False
        return True

    def _open(self) -> Any:
        if time.monotonic() < self._away_until:
            raise DatabaseAway(f"{self._kind} did not answer a moment ago")
        host, port, meant = _ADDRESSES[self._kind]
        try:
            return psycopg2.connect(
                host=host.get(),
                port=port.get(),
                target_session_attrs=meant,
                dbname=environ.DATABASE.get(),
                user=LOGIN,
                password=role_password(environ.READER_SECRET.get(), LOGIN),
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


replica = Server("replica")
primary = Server("primary")


def _read(sql: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    """Rows from the replica, or from the primary if the replica is down."""
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
    select u.client_id, u.id, u.email, u.full_name, u.role,
           coalesce(u.theme_mode, (select m.setting_value #>> '{}' from core.system_settings m
                                   where (m.client_id, m.setting_key) = (c.id, 'brand.theme_mode')), 'system'),
           u.password_hash, u.active and c.active,
           exists (select from core.system_settings o
                   join core.system_settings d on d.client_id = o.client_id and d.setting_key = 'sso.domains'
                   where o.client_id = u.client_id and o.setting_key = 'sso.only' and o.setting_value = 'true'::jsonb
                     and d.setting_value ? split_part(u.email, '@', 2))
    from core.users u join core.clients c on c.id = u.client_id
    where u.email = %s
"""


def find_account(email: str) -> Account | None:
    """The client's user with this e-mail address. Raises DatabaseAway."""
    rows = _read(_ACCOUNT, (email.strip().lower(),))
    return Account(*rows[0]) if rows else None


def is_client_admin(email: str) -> bool:
    """Whether this person manages the people of their client. Raises DatabaseAway."""
    account = find_account(email)
    return account is not None and account.active and account.role == "client_admin"


_SESSION = """
    select u.active and c.active, s.id is not null, coalesce(s.active and s.expires_at > now(), false),
           floor(extract(epoch from u.sessions_from))::bigint
    from core.users u
    join core.clients c on c.id = u.client_id
    left join core.user_sessions s on s.client_id = u.client_id and s.user_id = u.id and s.token_hash = %s
    where u.client_id = %s and u.id = %s
"""


def session_state(client_id: int, user_id: int, token_hash: str) -> SessionState:
    """The state of a session and of its account. Raises DatabaseAway."""
    rows = _read(_SESSION, (token_hash, client_id, user_id))
    return SessionState(*rows[0]) if rows else SessionState(False, False, False, 0)


_RECORD = """
    insert into core.user_sessions (client_id, user_id, token_hash, kind, created_at, expires_at)
    select u.client_id, u.id, v.token_hash, v.kind, v.created_at, v.expires_at
    from (values (%s, %s, %s, %s, to_timestamp(%s), to_timestamp(%s)))
        as v (client_id, user_id, token_hash, kind, created_at, expires_at)
    join core.users u on u.client_id = v.client_id and u.id = v.user_id
        and v.created_at >= date_trunc('second', u.sessions_from)
    on conflict (client_id, token_hash) do nothing
"""
_FORGET_OLD = (
    "delete from core.user_sessions where client_id = %s and user_id = %s and expires_at < now() - interval '30 days'"
)


def record_session(
    client_id: int, user_id: int, token_hash: str, kind: str, created_at: float, expires_at: float
) -> None:
    """Write a session's row (times in epoch seconds) and delete the user's long expired ones. Raises DatabaseAway.

    A session that began before the person's password changed gets no row.
    """
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


_VERSIONS = """
    select coalesce(string_agg(client_id || ':' || version, ',' order by client_id), '') from core.data_versions
    where %s = '{}'::integer[] or client_id = any(%s)
"""


def data_version(clients: list[int]) -> str:
    """The versions of the data of these clients, or of all if there are none. Raises DatabaseAway."""
    return str(_read(_VERSIONS, (clients, clients))[0][0])


def data_versions() -> dict[int, int]:
    """The version of the data of each client. Raises DatabaseAway."""
    return {
        int(client): int(version) for client, version in _read("select client_id, version from core.data_versions", ())
    }


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


def language(email: str) -> str:
    """The language of a client's person, or else of the client; English for anybody else. Raises DatabaseAway."""
    rows = _read(
        "select coalesce(u.language, c.language) from core.users u join core.clients c on c.id = u.client_id where u.email = %s",
        (email,),
    )
    return str(rows[0][0]) if rows else ENGLISH


def client_language(client_id: int) -> str:
    """A client's language. Raises DatabaseAway."""
    rows = _read("select language from core.clients where id = %s", (client_id,))
    return str(rows[0][0]) if rows else ENGLISH


def number_format(client_id: int) -> str:
    """How a client wants numbers written; empty: as the reader's language has it. Raises DatabaseAway."""
    rows = _read(
        "select setting_value #>> '{}' from core.system_settings"
        " where client_id = %s and setting_key = 'brand.number_format'",
        (client_id,),
    )
    return str(rows[0][0] or "") if rows else ""


def sign_in_client(host: str, slug: str) -> int | None:
    """The active client whose brand the sign-in page has at this host name, or for this slug. Raises DatabaseAway."""
    rows = _read(
        "select c.id from core.clients c join core.system_settings s on s.client_id = c.id where c.active and ("
        " s.setting_key = 'brand.host_name' and s.setting_value = to_jsonb(%s::text)"
        " or s.setting_key = 'brand.on_sign_in_page' and s.setting_value = 'true' and c.slug = %s)"
        " order by s.setting_key desc limit 1",
        (host, slug),
    )
    return int(rows[0][0]) if rows else None


def sso_roles(client_id: int) -> dict[str, str]:
    """The roles that a claim of the client's sign-in provider gives, by the claim's value. Raises DatabaseAway."""
    rows = _read(
        "select setting_value from core.system_settings where client_id = %s and setting_key = 'sso.roles'",
        (client_id,),
    )
    return dict(rows[0][0]) if rows else {}


@dataclass(frozen=True)
class EmbedKey:
    """A key that counts, and what its client embeds."""

    client_id: int
    key_id: int
    label: str
    origins: list[str]
    dashboards: list[str]


def embed_key(
    key_hash: str | None = None, *, client_id: int | None = None, key_id: int | None = None
) -> EmbedKey | None:
    """An embedding key by its hash, or by client and id; None if it does not count. Raises DatabaseAway."""
    rows = _read(
        "select client_id, key_id, label, origins, dashboards from core.embed_key(%s, %s, %s)",
        (key_hash, client_id, key_id),
    )
    return EmbedKey(*rows[0]) if rows else None


@dataclass(frozen=True)
class Embedded:
    """A dashboard that sites of a client may show in a frame."""

    client_id: int
    origins: list[str]
    dashboard: str


def embedded() -> list[Embedded]:
    """Every dashboard that an active client embeds. Raises DatabaseAway."""
    rows = _read(
        "select o.client_id, o.setting_value, jsonb_array_elements_text(d.setting_value) from core.system_settings o"
        " join core.system_settings d on d.client_id = o.client_id and d.setting_key = 'embed.dashboards'"
        " join core.clients c on c.id = o.client_id and c.active where o.setting_key = 'embed.origins'",
        (),
    )
    return [Embedded(*row) for row in rows]


@dataclass(frozen=True)
class Client:
    """An active client."""

    client_id: int
    slug: str
    name: str


def active_clients() -> list[Client]:
    """The active clients by name. Raises DatabaseAway."""
    return [Client(*row) for row in _read("select id, slug, name from core.clients where active order by name, id", ())]


def stop_report(token: str) -> str | None:
    """Stop the report that the message with this token was; None if there is no such message. Raises DatabaseAway."""
    with primary.transaction() as cursor:
        cursor.execute("select core.stop_report(%s)", (hashlib.sha256(token.encode()).hexdigest(),))
        row = cursor.fetchone()
    return str(row[0]) if row and row[0] else None


def password_matches(stored: str, password: str) -> bool:
    """Whether a password belongs to a werkzeug-style hash `scrypt:n:r:p$salt$hex`; False for any other notation."""
    try:
        name, n, r, p = stored.partition("$")[0].split(":")
        if name != "scrypt" or int(n) * int(r) > _SCRYPT_LIMIT or not 1 <= int(p) <= 4:
            return False
        return check_password_hash(stored, password)
    except ValueError:
        return False
