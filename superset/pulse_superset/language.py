"""The language of an answer: of a client's user the one that is declared, of a visitor the browser's, of staff English.

Superset's own texts come from its translations, by the language in its cookie; ours from pulse.languages.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from flask import g, has_request_context, request
from flask import session as cookie

from pulse import languages
from pulse_superset import accounts

CACHE_SECONDS = 20
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
        else:
            g.pulse_language = of_person(known.user.username) if known.clients else languages.ENGLISH
    found: str = g.pulse_language
    return found


def of_person(email: str) -> str:
    """The language of a client's person, cached for a moment; the last known one while no database answers."""
    with _lock:
        known = _known.get(email)
    if known is not None and time.monotonic() - known[0] < CACHE_SECONDS:
        return known[1]
    try:
        found = accounts.language(email)
    except accounts.DatabaseAway as away:
        logger.warning("the language of a person cannot be read: %s", away)
        return known[1] if known else languages.ENGLISH
    with _lock:
        _known[email] = (time.monotonic(), found)
    return found


def say(text: str, **values: Any) -> str:
    """An English text in the language of this request."""
    return languages.say(of_request(), text, **values)


def choose() -> None:
    """Before a request, once it is known who sent it: Superset's texts are in the same language as ours."""
    if "pulse_identity" in g and cookie.get(COOKIE_KEY) != of_request():
        cookie[COOKIE_KEY] = of_request()
