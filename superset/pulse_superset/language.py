"""The language of an answer: of a client's user the one that is declared, of a visitor the browser's, of staff English.

Superset's own texts come from its translations, by the language in its cookie; ours from pulse.languages.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from flask import g, has_request_context, request
from flask import session as cookie

from pulse import languages
from pulse_superset import accounts

CACHE_SECONDS = 3  # as a brand is kept
COOKIE_KEY = "locale"  # Superset's own name

logger = logging.getLogger(__name__)
_known: dict[str, tuple[float, str]] = {}
_lock = threading.Lock()


def of_request() -> str:
    """The language of whoever sent this request; English outside of one."""
    if not has_request_context():
        return languages.ENGLISH
    if "pulse_language" not in g:
        known = g.get("pulse_identity")
        if known is None:
            g.pulse_language = languages.best(request.headers.get("Accept-Language"))
        elif not known.clients:
            g.pulse_language = languages.ENGLISH
        else:
            g.pulse_language = of_guest(*known.clients) if known.is_guest else of_person(known.user.username)
    found: str = g.pulse_language
    return found


def of_person(email: str) -> str:
    """The language of a client's person."""
    return _lately(f"person {email}", lambda: accounts.language(email), languages.ENGLISH)


def of_guest(client_id: int) -> str:
    """The language of a client, which a guest of an embedded dashboard reads."""
    return _lately(f"guest {client_id}", lambda: accounts.client_language(client_id), languages.ENGLISH)


def _lately(key: str, read: Callable[[], str], otherwise: str) -> str:
    """What was read a moment ago, or is read now; the last known while no database answers."""
    with _lock:
        known = _known.get(key)
    if known is not None and time.monotonic() - known[0] < CACHE_SECONDS:
        return known[1]
    try:
        found = read()
    except accounts.DatabaseAway as away:
        logger.warning("the language of an answer cannot be read: %s", away)
        return known[1] if known else otherwise
    with _lock:
        _known[key] = (time.monotonic(), found)
    return found


def separators_of_request() -> str:
    """The separators of numbers that the reader's client has chosen; empty: those of the language."""
    known = g.get("pulse_identity") if has_request_context() else None
    if known is None or len(known.clients) != 1:
        return ""
    (client_id,) = known.clients
    return _lately(f"client {client_id}", lambda: languages.separators_of(accounts.number_format(client_id)), "")


def say(text: str, **values: Any) -> str:
    """An English text in the language of this request."""
    return languages.say(of_request(), text, **values)


def choose() -> None:
    """Before a request, once it is known who sent it: Superset's texts are in the same language as ours.

    Superset reads the language from the cookie, which no guest has.
    """
    if "pulse_identity" not in g or (g.pulse_identity is not None and g.pulse_identity.is_guest):
        return
    if cookie.get(COOKIE_KEY) != of_request():
        cookie[COOKIE_KEY] = of_request()
