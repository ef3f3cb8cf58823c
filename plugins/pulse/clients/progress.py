"""What sync_clients has done already (core.sync_state), so that a client of whom nothing changed costs next to nothing."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Container, Iterable
from typing import Any, Literal

import psycopg

from pulse import environ
from pulse.version import version

Connection = psycopg.Connection[Any]
# So many clients does each run look at although nothing is known to differ: in the tables that costs next to nothing.
IN_TURN = {"declared_at": 50, "provisioned_at": 5}


def digest(text: str) -> str:
    """A hash of a Variable that tells nothing of what it holds, and of what else decides what a sync makes of it."""
    key = f"{version()} {environ.READER_SECRET.given() or ''} {environ.OIDC_NAMES.get()}"
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()


def declared(conn: Connection) -> dict[str, str]:
    """The digest of each Variable that is in the tables, by slug. All functions here work as pulse_admin."""
    return dict(conn.execute("select slug, declared from core.sync_state").fetchall())


def provisioned(conn: Connection) -> dict[str, str]:
    """The digest of what each client has in Superset, by slug."""
    return dict(conn.execute("select slug, provisioned from core.sync_state").fetchall())


def longest_ago(conn: Connection, when: Literal["declared_at", "provisioned_at"]) -> set[str]:
    """Those that were looked at longest ago, of the clients that there are."""
    there = "declared <> ''" if when == "declared_at" else "slug in (select slug from core.clients)"
    query = f"select slug from core.sync_state where {there} order by {when}, slug limit {IN_TURN[when]}"
    return {slug for (slug,) in conn.execute(query.encode()).fetchall()}


def restless(conn: Connection) -> set[str]:
    """Those that every run looks at: a fault is noted, or an invitation of the last day is not out."""
    rows = conn.execute(
        "select slug from core.declaration_faults union"
        " select c.slug from core.password_links l join core.clients c on c.id = l.client_id"
        " where (l.send_at is not null or l.problem <> '') and l.asked_at > now() - interval '1 day'"
    ).fetchall()
    return {slug for (slug,) in rows}


def note_declared(conn: Connection, slug: str, text: str) -> None:
    """A Variable is in the tables."""
    with conn.transaction():
        conn.execute(
            "insert into core.sync_state as t (slug, declared, declared_at) values (%s, %s, now())"
            " on conflict (slug) do update set declared = excluded.declared, declared_at = excluded.declared_at",
            [slug, digest(text)],
        )


def note_provisioned(conn: Connection, slug: str, wanted: str) -> None:
    """Superset has what the client needs."""
    conn.execute(
        "insert into core.sync_state as t (slug, provisioned, provisioned_at) values (%s, %s, now())"
        " on conflict (slug) do update set provisioned = excluded.provisioned, provisioned_at = excluded.provisioned_at",
        [slug, wanted],
    )


def forget(conn: Connection, slugs: Iterable[str]) -> None:
    """The tables no longer are as these Variables say."""
    with conn.transaction():
        conn.execute("update core.sync_state set declared = '' where slug = any (%s)", [list(slugs)])


def forget_others(conn: Connection, slugs: Collection[str], served: Container[str]) -> None:
    """Of the clients that this Airflow serves, only these have a Variable."""
    with conn.transaction():
        forget(conn, [slug for slug in declared(conn) if slug not in slugs and slug in served])
