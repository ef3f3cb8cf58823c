"""Sessions: what the browser's signed cookie or the JWT carries, and whether it still counts.

A client's user has one row of core.user_sessions per login, looked up at each request; the table stores only the SHA-256 of
the session's random token. A session is valid while its row, its user and its client are active. A login while the primary
is down has no row yet. Its token says so, and the row is written at the first request for which the primary answers. A
logout is noted in Superset's own database first (pulse_superset.ended), which is there when the primary is not.

Staff have no rows: their session carries a stamp of their password and roles, and ends when these change.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from pulse_superset import accounts

LIFETIME_SECONDS = 12 * 3600
STAFF = 0  # stands for the client in a session of staff
# The replica may not have replayed a row that was just written on the primary.
REPLAY_GRACE_SECONDS = 60

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Session:
    """What the cookie or JWT carries. Times are epoch seconds."""

    token: str
    client_id: int
    user_id: int
    kind: str
    created_at: int
    pending: bool
    stamp: str = ""

    @property
    def token_hash(self) -> str:
        """The hash that identifies the session in the database."""
        return hashlib.sha256(self.token.encode()).hexdigest()

    @property
    def expires_at(self) -> int:
        """End of the session, in epoch seconds."""
        return self.created_at + LIFETIME_SECONDS

    def to_dict(self) -> dict[str, Any]:
        """The form that the cookie or JWT carries."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Any) -> Session | None:
        """The session in a cookie or JWT; None if there is none."""
        if not isinstance(data, dict) or set(data) != set(cls.__dataclass_fields__):
            return None
        return cls(**data)


def stamp_of(password_hash: str, roles: Iterable[str]) -> str:
    """What a session of staff remembers of the account; it differs when the password or a role has changed."""
    return hashlib.sha256("\0".join([password_hash, *sorted(roles)]).encode()).hexdigest()


def begin_staff(user_id: int, kind: str, stamp: str) -> Session:
    """Start a session of staff."""
    return Session(secrets.token_urlsafe(32), STAFF, user_id, kind, int(time.time()), pending=False, stamp=stamp)


def begin(account: accounts.Account, kind: str) -> Session:
    """Start a session of kind 'browser' or 'api' and record it, or mark it as pending while the primary is down."""
    token = secrets.token_urlsafe(32)
    session = Session(token, account.client_id, account.user_id, kind, int(time.time()), pending=False)
    if _record(session):
        return session
    return Session(**{**session.to_dict(), "pending": True})


def in_time(session: Session) -> bool:
    """Whether the session has begun and its time is not over."""
    now = time.time()
    return session.created_at <= now + REPLAY_GRACE_SECONDS and now < session.expires_at


def is_valid(session: Session) -> bool:
    """Whether a session of a client's user is valid; it is not while both servers are down."""
    if not in_time(session):
        return False
    try:
        state = accounts.session_state(session.client_id, session.user_id, session.token_hash)
    except accounts.DatabaseAway as away:
        logger.error("sessions cannot be checked: %s", away)
        return False
    if not state.account_active or session.created_at < state.valid_from:
        return False
    if state.recorded:
        return state.active
    if session.pending:
        _record(session)
        return True
    return time.time() < session.created_at + REPLAY_GRACE_SECONDS


def end(client_id: int, token_hash: str) -> bool:
    """End a session of a client's user in the table; False if the primary is down."""
    try:
        accounts.end_session(client_id, token_hash)
    except accounts.DatabaseAway as away:
        logger.warning("a logout could not be recorded: %s", away)
        return False
    return True


def _record(session: Session) -> bool:
    try:
        accounts.record_session(
            session.client_id, session.user_id, session.token_hash, session.kind, session.created_at, session.expires_at
        )
    except accounts.DatabaseAway as away:
        logger.warning("a session is not recorded yet: %s", away)
        return False
    return True
