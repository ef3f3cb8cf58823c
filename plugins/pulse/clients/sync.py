"""Writes what the Variables declare into the tables: one client per transaction, and only rows that differ."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from pulse.clients.explain import Mistake
from pulse.clients.patterns import refusals
from pulse.clients.spec import ClientSpec, SpecError
from pulse.clients.users import sync_users
from pulse.tenancy import ensure_client_role

Connection = psycopg.Connection[Any]


@dataclass(frozen=True)
class SyncResult:
    """What a sync did: the client, and the number of rows that it wrote (0: nothing had changed)."""

    client_id: int
    slug: str
    active: bool
    rows_written: int


class MassDeactivation(Exception):
    """So many Variables are missing at once that it is probably a mistake."""


def connection_id(slug: str, integration_type: str, name: str) -> str:
    """The Airflow Connection that holds an integration's token."""
    return f"{integration_type}__{slug}" + ("" if name == integration_type else f"__{name}")


def sync_client(conn: Connection, slug: str, spec: ClientSpec) -> SyncResult:
    """Upsert a client's rows and its database role as pulse_admin, in one transaction.

    Users and integrations that are no longer declared are deactivated; settings are removed. Triggers end the sessions of
    users whose password, role or activity changes, in the same transaction. Raises SpecError if somebody logs in to another
    client with a user's e-mail address, or if PostgreSQL cannot use a pattern.
    """
    with conn.transaction():
        conn.execute("select set_config('pulse.actor', 'sync_clients', true)")
        if wrong := refusals(conn, spec.settings):
            way_out = f"Correct it in the Variable pulse_client_{slug} and trigger sync_clients."
            mistakes = [Mistake(f"settings.{line.partition(': ')[0]}", line.partition(": ")[2]) for line in wrong]
            raise SpecError("\n".join(f"client {slug}: settings.{line}. {way_out}" for line in wrong), mistakes)
        written = 0
        client_id, rows = _sync_row(conn, slug, spec)
        written += rows
        written += sync_users(conn, client_id, slug, spec)
        written += _sync_settings(conn, client_id, spec)
        written += _sync_integrations(conn, client_id, slug, spec)
        written += int(ensure_client_role(conn, client_id, active=spec.active))
    return SyncResult(client_id, slug, spec.active, written)


def deactivate_missing(
    conn: Connection, declared: set[str], served: Container[str], *, allow_many: bool = False
) -> list[SyncResult]:
    """Deactivate active clients without a Variable, of those that this Airflow serves.

    Raises MassDeactivation, and changes nothing, if this would deactivate all clients, or more than half of more than
    two: a broken secrets backend looks just like that.
    """
    with conn.transaction():
        conn.execute("select set_config('pulse.actor', 'sync_clients', true)")
        rows = conn.execute("select id, slug from core.clients where active order by slug").fetchall()
        active = [row for row in rows if row[1] in served]
        gone = [(client_id, slug) for client_id, slug in active if slug not in declared]
        if gone and not allow_many and (not declared or (len(active) > 2 and len(gone) * 2 > len(active))):
            raise MassDeactivation(
                f"{len(gone)} of {len(active)} active clients no longer have a Variable pulse_client_<slug>"
                f" ({', '.join(slug for _, slug in gone[:5])}, …). Nothing was changed. Restore the Variables, or set the"
                " Variable pulse_allow_mass_deactivation to true and trigger sync_clients."
            )
        for client_id, _ in gone:
            conn.execute("update core.clients set active = false, updated_at = now() where id = %s", [client_id])
            ensure_client_role(conn, client_id, active=False)
    return [SyncResult(client_id, slug, False, 1) for client_id, slug in gone]


def _sync_row(conn: Connection, slug: str, spec: ClientSpec) -> tuple[int, int]:
    declared = spec.model_dump(mode="json", exclude={"users", "settings"}) | {"settings": spec.settings.given()}
    digest = hashlib.sha256(json.dumps(declared, sort_keys=True).encode()).hexdigest()
    values = (slug, spec.name, spec.time_zone, spec.language, spec.active, digest)
    rows = conn.execute(
        "insert into core.clients as t (slug, name, time_zone, language, active, spec_hash)"
        " values (%s, %s, %s, %s, %s, %s)"
        " on conflict (slug) do update set name = excluded.name, time_zone = excluded.time_zone,"
        " language = excluded.language, active = excluded.active, spec_hash = excluded.spec_hash, updated_at = now()"
        " where (t.name, t.time_zone, t.language, t.active, t.spec_hash)"
        " is distinct from (excluded.name, excluded.time_zone, excluded.language, excluded.active, excluded.spec_hash)",
        values,
    ).rowcount
    found = conn.execute("select id from core.clients where slug = %s", [slug]).fetchone()
    assert found is not None
    return int(found[0]), rows


def _sync_settings(conn: Connection, client_id: int, spec: ClientSpec) -> int:
    branding = spec.branding.model_dump()
    branding["app_name"] = branding["app_name"] or spec.name
    sso = spec.sso.model_dump(exclude_unset=True, exclude_none=True)
    wanted = {f"brand.{key}": value for key, value in branding.items()}
    wanted |= {f"sso.{key}": value for key, value in sso.items()} | spec.settings.given()
    wanted |= {f"embed.{key}": value for key, value in spec.embedding.model_dump().items() if value}
    written = conn.execute(
        "delete from core.system_settings where client_id = %s and not setting_key = any (%s)",
        [client_id, list(wanted)],
    ).rowcount
    for key, value in sorted(wanted.items()):
        written += conn.execute(
            "insert into core.system_settings as t (client_id, setting_key, setting_value) values (%s, %s, %s)"
            " on conflict (client_id, setting_key) do update set setting_value = excluded.setting_value,"
            " updated_at = now() where t.setting_value <> excluded.setting_value",
            [client_id, key, Jsonb(value)],
        ).rowcount
    return written


def _sync_integrations(conn: Connection, client_id: int, slug: str, spec: ClientSpec) -> int:
    written = 0
    names = []
    for integration in spec.integrations:
        name = integration.name or integration.type
        names.append(f"{integration.type}/{name}")
        active = integration.active and spec.settings.is_on(name)
        written += conn.execute(
            "insert into core.integrations as t (client_id, integration_type, name, base_url, connection_id,"
            " config_data, schedule_minutes, active) values (%s, %s, %s, %s, %s, %s, %s, %s)"
            " on conflict (client_id, integration_type, name) do update set base_url = excluded.base_url,"
            " connection_id = excluded.connection_id, config_data = excluded.config_data,"
            " schedule_minutes = excluded.schedule_minutes, active = excluded.active, updated_at = now()"
            " where (t.base_url, t.connection_id, t.config_data, t.schedule_minutes, t.active) is distinct from"
            " (excluded.base_url, excluded.connection_id, excluded.config_data, excluded.schedule_minutes,"
            " excluded.active)",
            [
                client_id,
                integration.type,
                name,
                integration.url,
                integration.connection or connection_id(slug, integration.type, name),
                Jsonb(integration.config()),
                spec.schedule_minutes,
                active,
            ],
        ).rowcount
    written += conn.execute(
        "update core.integrations set active = false, updated_at = now()"
        " where client_id = %s and active and not integration_type || '/' || name = any (%s)",
        [client_id, names],
    ).rowcount
    return written
