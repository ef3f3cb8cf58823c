"""Each request of a client's user, and of a visitor, waits for its turn (pulse_superset.share) before anything is looked up."""

from __future__ import annotations

from typing import Any

from flask import g, jsonify, request

from pulse_superset import answers, identity, sessions
from pulse_superset.share import Busy, Queue

_FREE_OF_CHARGE = ("static", "appbuilder.static", "pulse.static", "health.health")
_queue = Queue()


def take() -> Any:
    """Before a request: wait for a place, or say that there is none."""
    person = None if request.endpoint in _FREE_OF_CHARGE else _person()
    if person is None:
        return None
    try:
        g.pulse_turn = _queue.enter(person)
    except Busy:
        message = "Too many requests at once. Try again in a moment."
        answers.say(message)
        answer = jsonify({"message": message})
        answer.status_code = 503  # the status that Superset's pages repeat by themselves
        answer.headers["Retry-After"] = "2"
        return answer
    return None


def give_back(_error: BaseException | None = None) -> None:
    """After a request."""
    ticket = g.pop("pulse_turn", None)
    if ticket is not None:
        _queue.leave(ticket)


def _person() -> str | None:
    """Whose turn it is: the user that the signed credentials name, or the address; None for staff."""
    try:
        found = identity.credentials()
    except identity.Refused:
        return f"address {request.remote_addr}"
    if not found.subjects:
        return f"address {request.remote_addr}"
    if all(session is not None and session.client_id == sessions.STAFF for session in found.sessions):
        return None
    return f"user {min(found.subjects)}"
