"""Embedding: the page that a client's own site shows in a frame, and the route that gives that site guest tokens.

Each dashboard of each client has an address of its own, so that the page knows before anybody is known which origins may frame
it. The address is derived from a secret: nobody finds out which clients embed by trying. Superset's own page checks only a
Referer, has one address for all clients, and signs the visitor out.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
from typing import Any
from uuid import UUID

from flask import Blueprint, current_app, g, jsonify, request
from flask_login import AnonymousUserMixin

from pulse_superset import accounts, answers, audit, guests

PAGE = "/embedded/<uuid>"
TOKEN = "/pulse/embed/token"
KEY_HEADER = "X-Pulse-Embed-Key"
AWAY = "Embedding cannot be looked up at the moment. Try again in a minute."
WRONG_KEY = f"The header {KEY_HEADER} has no key that counts: ./pulse embed make"
_FRAMES = re.compile(r"frame-ancestors [^;]*")

logger = logging.getLogger(__name__)


def add_to(pages: Blueprint) -> None:
    """Add the route for tokens."""
    from superset.extensions import csrf

    csrf.exempt(give_token)  # the key in a header is what allows it, and no page of another site can send one
    pages.add_url_rule(TOKEN, "embed_token", give_token, methods=["POST"])


def page_id(client_id: int, dashboard: str) -> str:
    """What the embedding SDK calls the dashboard's id."""
    secret = current_app.config["GUEST_TOKEN_JWT_SECRET"].encode()
    digest = hmac.new(secret, f"page {client_id} {dashboard}".encode(), hashlib.sha256).digest()
    return str(UUID(bytes=digest[:16], version=4))


def give_token() -> Any:
    """A guest token for a dashboard, for whoever has a key."""
    body = request.get_json(silent=True)
    dashboard = body.get("dashboard") if isinstance(body, dict) else None
    try:
        key = accounts.embed_key(_digest(request.headers.get(KEY_HEADER, "")))
    except accounts.DatabaseAway as away:
        logger.warning("embedding cannot be looked up: %s", away)
        return _refuse(503, AWAY)
    if key is None:
        return _refuse(401, WRONG_KEY)
    if not isinstance(body, dict) or set(body) != {"dashboard"} or dashboard not in key.dashboards:
        return _refuse(400, f'Send {{"dashboard": …}} with one of: {", ".join(key.dashboards)}.')
    audit.note(audit.GUEST, f"embedding key {key.key_id} {key.label}".strip(), str(dashboard), key.client_id)
    ticket = guests.Ticket(key.client_id, key.key_id, str(dashboard))
    answer = jsonify(
        token=guests.make(ticket), expires_in=guests.LIFETIME_SECONDS, id=page_id(key.client_id, str(dashboard))
    )
    answer.headers["Cache-Control"] = "no-store"
    return answer


def show() -> Any:
    """The page in the frame, in place of Superset's own; None for every other request.

    It holds no number: it waits for the site around it to hand over a guest token. To be called before each request, the last.
    """
    if request.url_rule is None or request.url_rule.rule != PAGE:
        return None
    try:
        found = _find(str((request.view_args or {})["uuid"]))
    except accounts.DatabaseAway as away:
        logger.warning("embedding cannot be looked up: %s", away)
        return _refuse(503, AWAY)
    if found is None:
        return _refuse(404, "Not found")
    from superset.extensions import appbuilder
    from superset.utils import json
    from superset.views.base import cached_common_bootstrap_data

    # Whoever is signed in in this browser is not who looks at this page.
    g.pulse_identity, g.user = None, AnonymousUserMixin()
    g.pulse_embedded_client = found.client_id
    g.pulse_frame_ancestors = found.origins
    common = cached_common_bootstrap_data.uncached(None, None)  # Superset keeps one for all visitors: no client's brand
    data = {
        "config": {"GUEST_TOKEN_HEADER_NAME": guests.HEADER},
        "common": common,
        "embedded": {"dashboard_id": found.dashboard},
    }
    view = next(view for view in appbuilder.baseviews if type(view).__name__ == "EmbeddedView")
    text = json.dumps(data, default=json.pessimistic_json_iso_dttm_ser)
    page = view.render_template("superset/spa.html", entry="embedded", bootstrap_data=text)
    # Links lead to pages for who is signed in. No page of Pulse but this one may be framed, so they open in a tab.
    return page.replace("<head>", '<head><base target="_blank">', 1)


def frame(response: Any) -> Any:
    """After a request, the last: the page may be framed by its client's sites, and by nobody else."""
    origins = g.get("pulse_frame_ancestors")
    if origins and response.status_code == 200:
        policy = response.headers["Content-Security-Policy"]
        response.headers["Content-Security-Policy"] = _FRAMES.sub("frame-ancestors " + " ".join(origins), policy)
        del response.headers["X-Frame-Options"]
    return response


def _find(identifier: str) -> accounts.Embedded | None:
    for one in accounts.embedded():
        if hmac.compare_digest(page_id(one.client_id, one.dashboard).encode(), identifier.encode()):
            return one
    return None


def _refuse(status: int, message: str) -> Any:
    answers.say(message)
    answer = jsonify(message=message)
    answer.status_code = status
    return answer


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
