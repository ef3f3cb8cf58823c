"""The people whom a client's Variable names. It rules them: who is no longer named loses the login, whoever had invited them.

People whom the page People or the sign-in provider brought are left alone until the Variable names them.
"""

from __future__ import annotations

from typing import Any

import psycopg

from pulse import environ
from pulse.clients.explain import Mistake
from pulse.clients.passwords import hash_password, verifies
from pulse.clients.spec import ClientSpec, SpecError, User
from pulse.people import links

Connection = psycopg.Connection[Any]

_UPSERT = (
    "insert into core.users as t (client_id, email, full_name, password_hash, declared_hash, origin, role, theme_mode, reports,"
    " language, active) values (%s, %s, %s, %s, %s, 'variable', %s, %s, %s, %s, %s) on conflict (email) do update set"
    " full_name = excluded.full_name, password_hash = excluded.password_hash, declared_hash = excluded.declared_hash,"
    " origin = excluded.origin, role = excluded.role, theme_mode = excluded.theme_mode, reports = excluded.reports,"
    " language = excluded.language, active = excluded.active, updated_at = now()"
    " where (t.full_name, t.password_hash, t.declared_hash, t.origin, t.role, t.theme_mode, t.reports, t.language,"
    " t.active) is distinct"
    " from (excluded.full_name, excluded.password_hash, excluded.declared_hash, excluded.origin, excluded.role,"
    " excluded.theme_mode, excluded.reports, excluded.language, excluded.active)"
)


def sync_users(conn: Connection, client_id: int, slug: str, spec: ClientSpec) -> int:
    """Write the people of a client, and ask for the invitations of those who are new and have no password; the rows written.

    Raises SpecError if an address, a domain or a host name belongs to another client, or there is no such sign-in provider.
    """
    _refuse_unknown_provider(slug, spec)
    _refuse_domains_of_others(conn, client_id, slug, spec)
    _refuse_host_of_others(conn, client_id, slug, spec)
    written = 0
    for user in spec.users:
        row = conn.execute(
            "select u.client_id, u.password_hash, u.declared_hash, u.active, c.slug, u.active and c.active from core.users u"
            " join core.clients c on c.id = u.client_id where u.email = %s",
            [user.email],
        ).fetchone()
        if row is not None and row[0] != client_id:
            if row[5]:
                rule = (
                    f"{user.email} is already a user of client {row[4]}. A login names only an e-mail address, so the address"
                    " can belong to only one client: use another one, or remove it there first"
                )
                raise SpecError(f"client {slug}: users: {rule}.", [Mistake("users", rule)])
            written += _free_address(conn, row[0], user.email)
            row = None
        stored, declared, active = (row[1], row[2], row[3]) if row else ("", "", False)
        password, declared = _hashes(user, stored, declared)
        person = [client_id, user.email, user.name, password, declared, user.role, user.theme_mode, user.reports]
        written += conn.execute(_UPSERT, [*person, user.language, spec.active]).rowcount
        if spec.active and not password and not active:
            written += links.ask(conn, client_id, user.email, user.name, "declared", "the Variable")
    return written + _end_reports_and_logins(conn, client_id, spec)


def _free_address(conn: Connection, client_id: int, email: str) -> int:
    """Nobody logs in with it any more: the person's old account keeps its history, without the address."""
    conn.execute("delete from core.password_links where client_id = %s and email = %s", [client_id, email])
    return conn.execute(
        "update core.users set email = 'gone:' || id, updated_at = now() where client_id = %s and email = %s",
        [client_id, email],
    ).rowcount


def _refuse_unknown_provider(slug: str, spec: ClientSpec) -> None:
    """With `only`, nobody of the client could sign in."""
    names = environ.OIDC_NAMES.get()
    if spec.sso.provider is not None and spec.sso.provider not in names:
        there = f"there are: {', '.join(names)}" if names else "there is none"
        rule = (
            f"this installation has no provider '{spec.sso.provider}' ({there}). Correct the name, or have an operator add it"
            f" to {environ.OIDC_PROVIDERS.name} and start Pulse again"
        )
        raise SpecError(f"client {slug}: sso.provider: {rule}.", [Mistake("sso.provider", rule)])


def _refuse_domains_of_others(conn: Connection, client_id: int, slug: str, spec: ClientSpec) -> None:
    rows = conn.execute(
        "select d.domain, c.slug from core.system_settings s join core.clients c on c.id = s.client_id"
        " cross join jsonb_array_elements_text(s.setting_value) d (domain)"
        " where s.setting_key = 'sso.domains' and s.client_id <> %s and d.domain = any (%s) order by 1, 2",
        [client_id, spec.sso.domains],
    ).fetchall()
    if rows:
        rule = (
            f"'{rows[0][0]}' is a domain of client {rows[0][1]}. People of a domain are of one client: remove it from one of"
            " the two"
        )
        raise SpecError(f"client {slug}: sso.domains: {rule}.", [Mistake("sso.domains", rule)])


def _refuse_host_of_others(conn: Connection, client_id: int, slug: str, spec: ClientSpec) -> None:
    row = conn.execute(
        "select c.slug from core.system_settings s join core.clients c on c.id = s.client_id"
        " where s.setting_key = 'brand.host_name' and s.setting_value = to_jsonb(%s::text) and s.client_id <> %s",
        [spec.branding.host_name, client_id],
    ).fetchone()
    if row is not None:
        rule = f"'{spec.branding.host_name}' is the host name of client {row[0]}. Give each client its own, or remove it from one"
        raise SpecError(f"client {slug}: branding.host_name: {rule}.", [Mistake("branding.host_name", rule)])


def _hashes(user: User, stored: str, declared: str) -> tuple[str, str]:
    """The hash of the person's password, and of the declared one. What the person has set stays until the Variable changes."""
    if user.hash is not None:
        return (stored if user.hash == declared else user.hash), user.hash
    if user.password is not None:
        clear = user.password.get_secret_value()
        if verifies(clear, declared):
            return stored, declared
        made = hash_password(clear)
        return made, made
    return stored, ""


def _end_reports_and_logins(conn: Connection, client_id: int, spec: ClientSpec) -> int:
    named = [user.email for user in spec.users]
    # Whoever stopped a report gets it again when the Variable asks for it anew.
    written = conn.execute(
        "delete from core.reports_stopped s using core.users u where s.client_id = %s"
        " and (u.client_id, u.id) = (s.client_id, s.user_id) and not s.report = any (u.reports)",
        [client_id],
    ).rowcount
    # The password goes, too: whoever is named again begins anew.
    written += conn.execute(
        "update core.users set active = false, password_hash = '', declared_hash = '', sso_subject = '', updated_at = now()"
        " where client_id = %s and origin = 'variable' and not email = any (%s) and (active or password_hash <> '')",
        [client_id, named],
    ).rowcount
    written += conn.execute(
        "delete from core.password_links l where l.client_id = %s and l.kind <> 'invited' and not l.email = any (%s)"
        " and not exists (select from core.users u where (u.client_id, u.email) = (l.client_id, l.email) and u.active)",
        [client_id, named],
    ).rowcount
    return written
