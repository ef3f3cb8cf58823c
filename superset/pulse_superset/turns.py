"""Each request of a client's user, and of a visitor, waits for its turn (pulse_superset.share) before anything is looked up.

What is refused must cost next to nothing, or refusals would be the attack. So a credential that was seen before is known by its
hash, and refused before the application is asked at all.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections import OrderedDict
from typing import Any

from flask import g, request

from pulse_superset import identity, sessions
from pulse_superset.share import Busy, Queue

MESSAGE = "Too many requests at once. Try again in a moment."
REMEMBERED = 10_000
_FREE_OF_CHARGE = ("/static/", "/pulse/icon.svg", "/health")
_BODY = json.dumps(
    {"message": MESSAGE, "errors": [{"message": MESSAGE, "error_type": "GENERIC_BACKEND_ERROR"}]}
).encode()
_queue = Queue()


class Credentials:
    """Whose credential is whose, by its hash: what was found out at an earlier request of this worker."""

    def __init__(self) -> None:
        self._people: OrderedDict[bytes, str] = OrderedDict()
        self._lock = threading.Lock()

    def person(self, environ: dict[str, Any]) -> str | None:
        """Who sent this credential before; None if nobody did."""
        with self._lock:
            return self._people.get(self._key(environ))

    def remember(self, environ: dict[str, Any], person: str) -> None:
        """Note whose credential this is."""
        with self._lock:
            self._people[self._key(environ)] = person
            while len(self._people) > REMEMBERED:
                self._people.popitem(last=False)

    @staticmethod
    def _key(environ: dict[str, Any]) -> bytes:
        parts = (
            environ.get(name, "") for name in ("HTTP_AUTHORIZATION", "HTTP_X_GUESTTOKEN", "HTTP_COOKIE", "REMOTE_ADDR")
        )
        return hashlib.sha256("\0".join(parts).encode()).digest()


_credentials = Credentials()


class Gate:
    """WSGI: refuses what would be refused anyway, before the application is asked."""

    def __init__(self, application: Any) -> None:
        self._application = application

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        person = _credentials.person(environ)
        free = environ.get("PATH_INFO", "").startswith(_FREE_OF_CHARGE)
        if not free and person is not None and _queue.is_full(person):
            # The status that Superset's pages repeat by themselves.
            headers = [("Content-Type", "application/json"), ("Content-Length", str(len(_BODY))), ("Retry-After", "2")]
            start_response("503 Service Unavailable", headers)
            return [_BODY]
        return self._application(environ, start_response)


def take() -> Any:
    """Before a request: wait for a place, or say that there is none."""
    person = None if request.path.startswith(_FREE_OF_CHARGE) else _person()
    if person is None:
        return None
    _credentials.remember(request.environ, person)
    try:
        g.pulse_turn = _queue.enter(person), time.thread_time()
    except Busy:
        return _BODY, 503, {"Content-Type": "application/json", "Retry-After": "2"}
    return None


def give_back(_error: BaseException | None = None) -> None:
    """After a request."""
    turn = g.pop("pulse_turn", None)
    if turn is not None:
        ticket, started = turn
        _queue.leave(ticket, time.thread_time() - started)


def _person() -> str | None:
    """Whose turn it is: the user that the signed credentials name, or the address; None for staff."""
    try:
        found = identity.credentials()
    except identity.Refused:
        return f"address {request.remote_addr}"
    if found.guest is not None:
        return f"guest of client {found.guest.client_id} at {request.remote_addr}"
    if not found.subjects:
        return f"address {request.remote_addr}"
    if all(session is not None and session.client_id == sessions.STAFF for session in found.sessions):
        return None
    return f"user {min(found.subjects)}"
