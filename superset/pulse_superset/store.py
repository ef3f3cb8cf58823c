"""Pulse's tables in Superset's own database, which all workers share and which is there when the primary is not.

superset/bootstrap.py creates them. They hold no password and no token.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Integer, MetaData, Table, Text, func, text

metadata = MetaData()

# Sessions that somebody has signed out of. `written`: core.user_sessions on the primary says so too.
ended_sessions = Table(
    "pulse_ended_sessions",
    metadata,
    Column("token_hash", Text, primary_key=True),
    Column("client_id", Integer, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("written", Boolean, nullable=False),
)

# Logins that were tried, by account and by address: a name and when the next one may be tried.
login_attempts = Table(
    "pulse_login_attempts",
    metadata,
    Column("key", Text, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("next_at", DateTime(timezone=True), nullable=False),
)

# Addresses that an account was logged in from: guesses from elsewhere do not slow these down.
known_addresses = Table(
    "pulse_known_addresses",
    metadata,
    Column("key", Text, primary_key=True),
    Column("seen_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

# Events that the audit on the primary does not have yet.
audit_events = Table(
    "pulse_audit_events",
    metadata,
    Column("ref", Text, primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("kind", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("client_id", Integer),
    Column("what", Text, nullable=False),
)


def create() -> None:
    """Create the tables that are missing. Needs Superset's application."""
    metadata.create_all(_engine())


def run(statement: str, **values: Any) -> list[Any]:
    """Run a statement in a transaction of its own; its rows, if it returns any."""
    with _engine().begin() as connection:
        result = connection.execute(text(statement), values)
        return list(result) if result.returns_rows else []


def _engine() -> Any:
    from superset.extensions import db

    return db.engine
