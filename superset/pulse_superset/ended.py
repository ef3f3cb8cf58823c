"""Sessions that were signed out: they end for all workers at once, and on the primary as soon as it answers."""

from __future__ import annotations

import logging
import threading
import time

from pulse_superset import sessions, store
from pulse_superset.sessions import Session

RETRY_SECONDS = 5

logger = logging.getLogger(__name__)
_retry = threading.Lock()
_retry_at = 0.0


def note(session: Session) -> None:
    """Sign a session out. Its row on the primary follows at once, or when the primary is back."""
    store.run("delete from pulse_ended_sessions where written and expires_at < :now", now=int(time.time()))
    store.run(
        "insert into pulse_ended_sessions (token_hash, client_id, expires_at, written)"
        " values (:token_hash, :client_id, :expires_at, :written) on conflict do nothing",
        token_hash=session.token_hash,
        client_id=session.client_id,
        expires_at=session.expires_at,
        written=session.client_id == sessions.STAFF,
    )
    write_pending()


def is_ended(session: Session) -> bool:
    """Whether somebody has signed out of the session."""
    return bool(
        store.run("select 1 from pulse_ended_sessions where token_hash = :token_hash", token_hash=session.token_hash)
    )


def write_pending() -> None:
    """End on the primary what is not ended there yet."""
    for client_id, token_hash in store.run(
        "select client_id, token_hash from pulse_ended_sessions where not written limit 100"
    ):
        if not sessions.end(client_id, token_hash):
            return
        store.run("update pulse_ended_sessions set written = true where token_hash = :hash", hash=token_hash)


def write_pending_sometimes() -> None:
    """The same, at most every few seconds in each worker: any request may bring it about."""
    global _retry_at
    with _retry:
        if time.monotonic() < _retry_at:
            return
        _retry_at = time.monotonic() + RETRY_SECONDS
    write_pending()
