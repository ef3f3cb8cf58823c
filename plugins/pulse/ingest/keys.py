"""The keys of an integration: tokens that records are pushed with, and secrets that webhooks are signed with.

A key is shown once, when it is made. A token's hash is stored. A webhook's signature can be checked only with the secret, so
that is derived from the row's nonce and PULSE_WEBHOOK_SECRET, which no database has.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import psycopg

from pulse import environ
from pulse.clients.streams import REQUIRED

PREFIX = "/pulse/ingest"
Connection = psycopg.Connection[Any]
Kind = Literal["token", "webhook"]
TOKEN, WEBHOOK = "token", "webhook"
# What each type of integration may have.
KINDS: dict[str, Kind] = {"http_json": "token", "github": "webhook", "jira": "webhook"}


class KeyProblem(ValueError):
    """A key cannot be made; the text says why, and what to do."""


@dataclass(frozen=True)
class NewKey:
    """A key that was just made. `secret` is the token, or what the webhook's sender signs with."""

    id: int
    kind: Kind
    source: str
    integration_type: str
    secret: str = field(repr=False)


@dataclass(frozen=True)
class StoredKey:
    """A key as it is listed; nothing in it opens anything."""

    id: int
    kind: Kind
    source: str
    label: str
    created_at: datetime
    revoked_at: datetime | None


def digest(key: str) -> str:
    """What is stored of a key. Without salt: keys are long and random."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def webhook_secret(nonce: str) -> str:
    """The secret of a webhook. Raises MissingVariable without PULSE_WEBHOOK_SECRET."""
    return hmac.new(environ.WEBHOOK_SECRET.get().encode(), f"webhook:{nonce}".encode(), hashlib.sha256).hexdigest()


def make(admin: Connection, slug: str, source: str, label: str = "") -> NewKey:
    """Make a key of an integration, as pulse_admin; the caller commits. Raises KeyProblem."""
    rows = admin.execute(
        "select c.id, i.id, i.name, i.integration_type from core.clients c"
        " join core.integrations i on i.client_id = c.id and i.active where c.slug = %s and c.active order by i.name",
        [slug],
    ).fetchall()
    found = next((row for row in rows if row[2] == source), None)
    if found is None:
        names = ", ".join(row[2] for row in rows)
        raise KeyProblem(
            f"client {slug} has no active source {source!r}; "
            + (f"it has: {names}" if rows else "declare the client, and trigger sync_clients")
        )
    client_id, integration_id, _, integration_type = found
    kind = KINDS.get(integration_type)
    if kind is None:
        raise KeyProblem(f"client {slug}, {source}: sources of type {integration_type} send nothing to Pulse")
    nonce = secrets.token_hex(16) if kind == WEBHOOK else None
    secret = webhook_secret(nonce) if nonce else f"pulse_{secrets.token_urlsafe(32)}"
    row = admin.execute(
        "insert into core.ingest_keys (client_id, integration_id, kind, key_hash, nonce, label)"
        " values (%s, %s, %s, %s, %s, %s) returning id",
        [client_id, integration_id, kind, digest(secret), nonce, label],
    ).fetchone()
    assert row is not None
    return NewKey(int(row[0]), kind, source, integration_type, secret)


def stored(admin: Connection, slug: str) -> list[StoredKey]:
    """The keys of a client, also the revoked ones."""
    rows = admin.execute(
        "select k.id, k.kind, i.name, k.label, k.created_at, k.revoked_at from core.ingest_keys k"
        " join core.clients c on c.id = k.client_id"
        " join core.integrations i on (i.client_id, i.id) = (k.client_id, k.integration_id)"
        " where c.slug = %s order by k.id",
        [slug],
    ).fetchall()
    return [StoredKey(*row) for row in rows]


def revoke(admin: Connection, slug: str, key_id: int) -> bool:
    """Revoke a client's key, from the next request on. Returns whether there is such a key; the caller commits."""
    done = admin.execute(
        "update core.ingest_keys k set revoked_at = coalesce(k.revoked_at, now()) from core.clients c"
        " where c.id = k.client_id and c.slug = %s and k.id = %s",
        [slug, key_id],
    )
    return done.rowcount > 0


def paths(slug: str, key: NewKey) -> list[str]:
    """Where a key is good, below Airflow's address."""
    if key.kind == WEBHOOK:
        return [f"{PREFIX}/v1/{slug}/webhooks/{key.integration_type}/{key.source}"]
    return [f"{PREFIX}/v1/{slug}/{entity}" for entity in REQUIRED]
