"""The keys with which a client's own application asks for guest tokens (docs/embedding.md).

`python -m pulse.embedding make|list|revoke CLIENT`, in a container of Airflow, is what `./pulse embed` is elsewhere.
"""

from __future__ import annotations

import argparse
import hashlib
import secrets
import sys
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from pulse.warehouse.connect import connect

Connection = psycopg.Connection[Any]
TOKEN_PATH = "/pulse/embed/token"
KEY_HEADER = "X-Pulse-Embed-Key"


class KeyProblem(ValueError):
    """A key cannot be made or revoked; the text says why, and what to do."""


@dataclass(frozen=True)
class StoredKey:
    """A key as it is listed; nothing in it opens anything."""

    id: int
    label: str
    created_at: datetime
    revoked_at: datetime | None


def make(admin: Connection, slug: str, label: str = "") -> tuple[int, str]:
    """Make a key, as pulse_admin; the caller commits. Returns its id and the key, of which only the hash is stored.

    Raises KeyProblem if the client embeds nothing, or the label is not one short line.
    """
    if len(label) > 100 or not label.isprintable():
        raise KeyProblem("a label is one line of at most 100 characters")
    found = admin.execute(
        "select c.id, exists (select from core.system_settings s where s.client_id = c.id"
        " and s.setting_key = 'embed.origins') from core.clients c where c.slug = %s and c.active",
        [slug],
    ).fetchone()
    if found is None:
        raise KeyProblem(f"there is no active client {slug}: declare it, and trigger sync_clients")
    if not found[1]:
        raise KeyProblem(
            f"client {slug} embeds nothing: set embedding.origins and embedding.dashboards in the Variable"
            f" pulse_client_{slug}, and trigger sync_clients"
        )
    key = f"pulse_embed_{secrets.token_urlsafe(32)}"
    row = admin.execute(
        "insert into core.embed_keys (client_id, key_hash, label) values (%s, %s, %s) returning id",
        [found[0], hashlib.sha256(key.encode()).hexdigest(), label],
    ).fetchone()
    assert row is not None
    return int(row[0]), key


def stored(admin: Connection, slug: str) -> list[StoredKey]:
    """The keys of a client, also the revoked ones."""
    rows = admin.execute(
        "select k.id, k.label, k.created_at, k.revoked_at from core.embed_keys k"
        " join core.clients c on c.id = k.client_id where c.slug = %s order by k.id",
        [slug],
    ).fetchall()
    return [StoredKey(*row) for row in rows]


def revoke(admin: Connection, slug: str, key_id: int) -> None:
    """Revoke a key, and every token made with it; the caller commits. Raises KeyProblem if the client has no such key."""
    done = admin.execute(
        "update core.embed_keys k set revoked_at = coalesce(k.revoked_at, now()) from core.clients c"
        " where c.id = k.client_id and c.slug = %s and k.id = %s",
        [slug, key_id],
    )
    if not done.rowcount:
        raise KeyProblem(f"client {slug} has no embedding key {key_id}: ./pulse embed list {slug}")


def run(arguments: argparse.Namespace, admin: Connection, superset: str) -> None:
    """Do an action, say what was done, and commit. Raises KeyProblem."""
    with admin.transaction():
        if arguments.action == "list":
            for one in stored(admin, arguments.client):
                state = f"revoked {one.revoked_at:%Y-%m-%d}" if one.revoked_at else "in use"
                print(f"{one.id:>4}  {one.created_at:%Y-%m-%d}  {state}  {one.label}")
        elif arguments.action == "revoke":
            revoke(admin, arguments.client, arguments.id)
            print(f"Embedding key {arguments.id} of {arguments.client} is revoked.")
        else:
            key_id, key = make(admin, arguments.client, arguments.label)
            print(
                f"{key}\n\nThis is embedding key {key_id} of {arguments.client}. It is shown once. Ask for tokens with"
            )
            print(f"  POST {superset}{TOKEN_PATH}, header {KEY_HEADER}")


def main() -> int:
    """Do what the command line says; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m pulse.embedding", description=__doc__)
    parser.add_argument("action", choices=("make", "list", "revoke"))
    parser.add_argument("client")
    parser.add_argument("id", nargs="?", type=int, help="the key to revoke")
    parser.add_argument("--label", default="", help="which application uses a new key")
    try:
        with closing(connect("pulse_admin", options="-c pulse.actor=by_hand")) as admin:
            run(parser.parse_args(), admin, "")
    except KeyProblem as problem:
        print(f"pulse: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
