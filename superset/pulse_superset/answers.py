"""What a refusal or an error says: to clients' users and visitors no SQL, no host, no version, whatever went wrong.

The original goes to the log, with a number that the person can name.
"""

from __future__ import annotations

import logging
import secrets
from html import escape
from typing import Any

from flask import g, jsonify, make_response, request

from pulse.languages import mark
from pulse_superset import language
from pulse_superset.connections import STAFF_ROLES
from pulse_superset.landing import landing_path

MESSAGES = {
    400: mark("This request cannot be answered."),
    401: mark("Log in first."),
    403: mark("Forbidden"),
    404: mark("Not found"),
    405: mark("Not allowed here."),
    413: mark("This request is too large."),
    422: mark("This request cannot be answered."),
    429: mark("Too many tries. Try again in a moment."),
    503: mark("Too many requests at once. Try again in a moment."),
}
LINKS = "/superset/dashboard/p/"
NO_LINK = mark("This link leads to no view of yours: it is mistyped, or too old, or was shared in another company.")
WRONG = mark("Something went wrong. Try again in a moment.")
_PAGE = """<!doctype html><html lang="{3}"><head><meta charset="utf-8"><title>{0}</title></head>
<body style="font-family: sans-serif; margin: 4rem"><p>{0}</p><p><a href="{1}">{2}</a></p></body></html>
"""

logger = logging.getLogger(__name__)


def say(message: str, **values: Any) -> None:
    """Let this message of ours through, whatever status the answer gets: an English text that the catalogue knows."""
    g.pulse_message = language.say(message, **values)


def own_page(status: int) -> int:
    """The status of a page of ours that says by itself what is wrong: it is left as it is."""
    g.pulse_own_status = status
    return status


def plain(response: Any) -> Any:
    """After a request: in place of an error's own text, a plain one."""
    if response.status_code < 400 or _is_staff() or response.status_code == g.get("pulse_own_status"):
        return response
    message = g.get("pulse_message")
    if message is None:
        known = NO_LINK if response.status_code == 404 and request.path.startswith(LINKS) else None
        message = language.say(known or MESSAGES.get(response.status_code, WRONG))
        if response.status_code not in (401, 403, 404, 405, 503):
            number = secrets.token_hex(4)
            message = language.say("{message} (Number {number})", message=message, number=number)
            logger.warning("error %s, answered to %s: %s", number, request.path, _text(response))
    return _with_body(response, message)


def _with_body(response: Any, message: str) -> Any:
    if request.path.startswith("/api/") or (response.mimetype == "application/json" and not _is_opened()):
        error = {"message": message, "error_type": "GENERIC_BACKEND_ERROR", "level": "error", "extra": None}
        answer = jsonify({"message": message, "errors": [error]})
    else:
        answer = make_response(
            _PAGE.format(
                escape(message), landing_path(), escape(language.say("To the dashboard")), language.of_request()
            )
        )
    answer.status_code = response.status_code
    for name in ("Retry-After", "Allow", "Location", "WWW-Authenticate"):
        if name in response.headers:
            answer.headers[name] = response.headers[name]
    for value in response.headers.getlist("Set-Cookie"):
        answer.headers.add("Set-Cookie", value)
    return answer


def _is_opened() -> bool:
    """Whether a person has opened this address in a browser; scripts take any type, or JSON."""
    return request.method == "GET" and any(kind == "text/html" for kind in request.accept_mimetypes.values())


def _is_staff() -> bool:
    found = g.get("pulse_identity")
    return found is not None and not found.clients and bool(found.roles & STAFF_ROLES)


def _text(response: Any) -> str:
    return "" if response.direct_passthrough else str(response.get_data(as_text=True))[:2000]
