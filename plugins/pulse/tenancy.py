"""Which PostgreSQL role belongs to whom, and its password.

Only the standard library is used: Airflow, Superset and the launcher all import this module.
"""

import base64
import hashlib
import hmac
import os
import re
from dataclasses import dataclass, field
from typing import Any

from pulse import environ

SERVICE_ROLES = (
    "pulse_owner",
    "pulse_etl",
    "pulse_admin",
    "pulse_ingest",
    "pulse_auth",
    "pulse_staff",
    "pulse_nobody",
)

# PgBouncer asks the replica for the verifiers of its logins with this one.
POOLER_ROLE = "pulse_pooler"

# Logins that only read on the replica, or check a sign-in; a client's login is one of them, too.
READER_ROLES = ("pulse_auth", "pulse_staff", "pulse_nobody")

_CLIENT_ROLE = re.compile(r"pulse_client_([1-9][0-9]{0,9})")
_SCRAM = re.compile(r"SCRAM-SHA-256\$(\d+):([^$]+)\$([^:]+):(.+)")
_SCRAM_ITERATIONS = 4096


def role_password(secret: str, role: str) -> str:
    """Password of a database role: HMAC-SHA256 of its name under one of the installation's secrets (64 hex digits).

    `secret`: PULSE_READER_SECRET for logins that only read, PULSE_ROLE_SECRET for the others. Raises ValueError if it is
    empty, so that a missing setting never becomes a guessable password.
    """
    if not secret:
        raise ValueError("the secret from which database passwords are derived is empty: set it")
    return hmac.new(secret.encode(), role.encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True)
class RoleSecrets:
    """The two secrets that passwords of database roles are derived from.

    Who has `readers` can log in as any client, and read. The superuser, the owner and the ETL are out of reach.
    """

    services: str = field(repr=False)
    readers: str = field(repr=False)

    def password(self, role: str) -> str:
        """The password of a role."""
        reads = role in READER_ROLES or client_of_role(role) is not None
        return role_password(self.readers if reads else self.services, role)


def client_role(client_id: int) -> str:
    """Database login that sees the rows of one client, and nothing else."""
    return f"pulse_client_{_valid(client_id)}"


def superset_role(client_id: int) -> str:
    """Superset role of the users of one client."""
    return f"client_{_valid(client_id)}"


def client_of_role(role: str) -> int | None:
    """The client that a database login belongs to; None for every other role."""
    match = _CLIENT_ROLE.fullmatch(role)
    return int(match[1]) if match else None


def scram_verifier(password: str, salt: bytes | None = None, iterations: int = _SCRAM_ITERATIONS) -> str:
    """The verifier that PostgreSQL stores for a password (RFC 5803), so that the password itself never appears in SQL or a log.

    For ASCII passwords only (ours are hex digits); others would first need SASLprep.
    """
    password.encode("ascii")
    salt = salt or os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${iterations}:{_b64(salt)}${_b64(stored)}:{_b64(server)}"


def verifier_matches(verifier: str | None, password: str) -> bool:
    """Whether a stored verifier belongs to the password; then a second start has nothing to change."""
    match = _SCRAM.fullmatch(verifier or "")
    if not match:
        return False
    again = scram_verifier(password, base64.b64decode(match[2]), int(match[1]))
    return hmac.compare_digest(again, match[0])


def ensure_client_role(connection: Any, client_id: int, *, active: bool, secret: str | None = None) -> bool:
    """Create the login of a client if it is missing, and let it log in only while the client is active.

    `connection` is a psycopg connection as pulse_admin on the primary; the caller commits. Set clients.active too: then an
    open session of the client no longer sees any rows. `secret` defaults to PULSE_READER_SECRET. Returns whether the role
    was created; raises psycopg's ForeignKeyViolation for an unknown client.
    """
    password = role_password(secret or environ.READER_SECRET.get(), client_role(client_id))
    row = connection.execute(
        "select core.ensure_client_role(%s, %s, %s)", [client_id, scram_verifier(password), active]
    ).fetchone()
    return bool(row[0])


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _valid(client_id: int) -> int:
    if isinstance(client_id, bool) or not isinstance(client_id, int) or client_id < 1:
        raise ValueError(f"not a client id: {client_id!r}")
    return client_id
