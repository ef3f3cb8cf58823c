"""What the audit (audit.events on the primary) gets to know from Superset: sign-ins, refusals, downloads.

An event is noted in Superset's own database first, which is there when the primary is not, and written to the primary at once or
when that is back. Who asks for too much, again and again, cannot fill a disk: each person's events of a kind are counted.
"""

from __future__ import annotations

import logging
import re
import threading
import time
import uuid
from collections import OrderedDict
from datetime import UTC, datetime
from typing import Any

from flask import g, request

from pulse.texts import one_line
from pulse_superset import accounts, identity, store

SIGNED_IN, REFUSED_SIGN_IN, SIGNED_OUT = "signed in", "sign in refused", "signed out"
REFUSED, DOWNLOADED = "refused", "downloaded"
GUEST = "guest token made"
MOST_A_MINUTE = 30  # of one kind, by one person; one more row says that there were more
REMEMBERED = 10_000
RETRY_SECONDS = 5
MOST_WAITING = 100_000
_FILES = (
    "text/csv",
    "application/pdf",
    "application/zip",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
)
_FILE_NAME = re.compile(r'filename="?([^";]+)')

logger = logging.getLogger(__name__)


class Counts:
    """How many events of a kind somebody has had in this minute."""

    def __init__(self) -> None:
        self._counts: OrderedDict[tuple[str, str], tuple[int, int]] = OrderedDict()
        self._lock = threading.Lock()

    def next(self, kind: str, who: str) -> int:
        """The number of this event, from 1."""
        minute, key = int(time.monotonic() // 60), (kind, who)
        with self._lock:
            began, count = self._counts.pop(key, (minute, 0))
            count = count + 1 if began == minute else 1
            self._counts[key] = minute, count
            while len(self._counts) > REMEMBERED:
                self._counts.popitem(last=False)
        return count


_counts = Counts()
_retry = threading.Lock()
_retry_at = 0.0


def note(kind: str, who: str, what: str = "", client_id: int | None = None) -> None:
    """Add an event of this request's address. Never raises: what somebody does must not fail because it cannot be noted."""
    number = _counts.next(kind, who)
    if number > MOST_A_MINUTE + 1:
        return
    if number > MOST_A_MINUTE:
        what = "and more of the same in this minute"
    try:
        store.run(
            "insert into pulse_audit_events (ref, at, kind, who, address, client_id, what)"
            " select :ref, :at, :kind, :who, :address, :client_id, :what"
            " where (select count(*) from pulse_audit_events) < :most",
            ref=str(uuid.uuid4()),
            at=datetime.now(UTC),
            kind=kind,
            who=_clean(who),
            address=request.remote_addr or "",
            client_id=client_id,
            what=_clean(what),
            most=MOST_WAITING,
        )
        write_pending()
    except Exception:
        logger.exception("an event could not be noted: %s", kind)


def write_pending() -> None:
    """Write to the primary what is not there yet."""
    rows = store.run(
        "select ref, at, kind, who, address, client_id, what from pulse_audit_events order by at limit 200"
    )
    if not rows:
        return
    try:
        with accounts.primary.transaction() as cursor:
            for ref, at, kind, who, address, client_id, what in rows:
                cursor.execute(
                    "select audit.note(%s, %s, %s, %s, %s, %s, %s::uuid)",
                    (kind, who, address, client_id, what, at, ref),
                )
    except accounts.DatabaseAway as away:
        logger.warning("events are not written yet: %s", away)
        return
    store.run("delete from pulse_audit_events where ref = any (:refs)", refs=[row[0] for row in rows])


def write_pending_sometimes() -> None:
    """The same, at most every few seconds in each worker: any request may bring it about."""
    global _retry_at
    with _retry:
        if time.monotonic() < _retry_at:
            return
        _retry_at = time.monotonic() + RETRY_SECONDS
    write_pending()


def look(response: Any) -> Any:
    """After a request: note a refusal, and what leaves as a file."""
    known = g.get("pulse_identity")
    if known is None:
        if response.status_code == 401 and "pulse_refused" in g:
            note(REFUSED, f"visitor at {request.remote_addr}", f"{_route()}: {g.pulse_refused}")
        return response
    if response.status_code in (401, 403, 429):
        note(REFUSED, known.user.username, _route(), _client_of(known))
    elif response.status_code == 200 and _is_file(response):
        note(DOWNLOADED, known.user.username, _download(response), _client_of(known))
    return response


def signed_out(found: identity.Identity) -> None:
    """Note a logout."""
    note(SIGNED_OUT, found.user.username, "", _client_of(found))


def _client_of(known: identity.Identity) -> int | None:
    return next(iter(known.clients), None)


def _is_file(response: Any) -> bool:
    return response.mimetype in _FILES or "attachment" in response.headers.get("Content-Disposition", "")


def _route() -> str:
    return f"{request.method} {request.url_rule.rule if request.url_rule is not None else request.path[:100]}"


def _download(response: Any) -> str:
    """Which file, and of which chart or dataset."""
    name = _FILE_NAME.search(response.headers.get("Content-Disposition", ""))
    body = request.get_json(silent=True) if request.is_json else None
    asked = body if isinstance(body, dict) else {}
    source = asked.get("datasource")
    form = asked.get("form_data")
    parts = [_route(), name[1] if name else response.mimetype]
    if isinstance(source, dict):
        parts.append(f"dataset {source.get('id')}")
    if isinstance(form, dict) and form.get("slice_id"):
        parts.append(f"chart {form['slice_id']}")
    if client := request.args.get("client"):
        parts.append(f"client {client}")
    return ", ".join(parts)


def _clean(text: str) -> str:
    """What people send is one line, without a character that the database refuses."""
    return one_line(text.encode("utf-8", "replace").decode())[:500]
