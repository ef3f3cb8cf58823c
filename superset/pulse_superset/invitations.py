"""What Superset may do about links and people, as pulse_auth on the primary: through functions that ask for a proof.

The proof is a link's token, or a session of a client_admin. Superset never sees a token that it was not shown: links are made and
mailed by Airflow's side (pulse.people).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from flask import request

from pulse_superset import accounts


@dataclass(frozen=True)
class Link:
    """Whose password a link sets. `kind`: declared, invited or reset."""

    client_id: int
    email: str
    full_name: str
    kind: str


@dataclass(frozen=True)
class Person:
    """One line of the page People. `origin`: variable, people or sso. `state`: active, invited, waiting or expired."""

    email: str
    full_name: str
    role: str
    origin: str
    state: str
    problem: str


@contextmanager
def _transaction() -> Iterator[Any]:
    """On the primary; the audit gets to know where the request came from."""
    with accounts.primary.transaction() as cursor:
        cursor.execute("select set_config('pulse.address', %s, true)", (request.remote_addr or "",))
        yield cursor


def request_link(email: str) -> None:
    """Note that somebody has forgotten the password of this address; whether it exists is found out elsewhere."""
    with _transaction() as cursor:
        cursor.execute("select core.request_link(%s)", (email,))


def look(token: str) -> Link | None:
    """Whose link this is; None if it is unknown, used or too old."""
    with _transaction() as cursor:
        cursor.execute("select client_id, email, full_name, kind from core.look_link(%s)", (_digest(token),))
        row = cursor.fetchone()
    return Link(*row) if row else None


def take(token: str, password_hash: str) -> str | None:
    """Set the password and use the link up: 'set', 'elsewhere' (a login at another client), None: no link."""
    with _transaction() as cursor:
        cursor.execute("select core.take_link(%s, %s)", (_digest(token), password_hash))
        row = cursor.fetchone()
    return str(row[0]) if row and row[0] else None


def people(session_hash: str) -> list[Person]:
    """The people of a client_admin's client, the admin among them; nobody for any other session."""
    with _transaction() as cursor:
        cursor.execute("select * from core.people(%s)", (session_hash,))
        return [Person(*row) for row in cursor.fetchall()]


def invite(session_hash: str, email: str, full_name: str) -> str:
    """Invite somebody to the client_admin's client; what came of it, as core.invite_person says."""
    with _transaction() as cursor:
        cursor.execute("select core.invite_person(%s, %s, %s)", (session_hash, email, full_name))
        return str(cursor.fetchone()[0])


def remove(session_hash: str, email: str) -> str:
    """Remove somebody from the client_admin's client; what came of it, as core.remove_person says."""
    with _transaction() as cursor:
        cursor.execute("select core.remove_person(%s, %s)", (session_hash, email))
        return str(cursor.fetchone()[0])


def sso_client(provider: str, domain: str) -> int | None:
    """The client whose people with addresses of this domain the provider signs in."""
    with _transaction() as cursor:
        cursor.execute("select core.sso_client(%s, %s)", (provider, domain))
        row = cursor.fetchone()
    return int(row[0]) if row and row[0] else None


def sso_sign_in(provider: str, everyone: bool, email: str, subject: str, full_name: str, role: str | None) -> str:
    """Whether somebody whom a provider has signed in is a person here: 'in', or why not, as core.sso_sign_in says."""
    with _transaction() as cursor:
        cursor.execute(
            "select core.sso_sign_in(%s, %s, %s, %s, %s, %s)", (provider, everyone, email, subject, full_name, role)
        )
        return str(cursor.fetchone()[0])


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
