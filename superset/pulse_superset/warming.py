"""After a publication, what a client's people asked for lately on the page where they start is asked again, once.

Whoever opens that page then finds the answers ready. The questions are kept as browsers sent them, because Superset's key of an
answer is made of them. A thread of each worker looks at the versions of the data (pulse_superset.versions), which rise only when
something was written; one worker asks for a client and version.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, g, request
from flask_caching.backends.filesystemcache import FileSystemCache

from pulse import environ
from pulse_superset import accounts, versions
from pulse_superset.identity import Identity
from pulse_superset.landing import landing_path

EVERY_SECONDS = 5
MOST_QUESTIONS = 40  # of a client; a page has about ten
LONGEST_SECONDS = 20  # for a client; what is left is asked by whoever opens the page
QUESTIONS = "questions"
KEPT_SECONDS = 7 * 86400
DATA = "/api/v1/chart/data"
_ENDPOINT = "ChartDataRestApi.data"

logger = logging.getLogger(__name__)
_lock = threading.Lock()


def note(response: Any) -> Any:
    """An after_request hook: keep a question of the first page, under the client of the person who asked."""
    known = g.get("pulse_identity")
    from_first_page = urlsplit(request.headers.get("Referer", "")).path == landing_path()
    if (
        request.path == DATA
        and response.status_code == 200
        and from_first_page
        and known is not None
        and len(known.clients) == 1
    ):
        (client_id,) = known.clients
        body = request.get_data(as_text=True)
        with _lock:
            cache = _cache(client_id)
            kept = [one for one in cache.get(QUESTIONS) or [] if one["body"] != body]
            kept.append({"user_id": known.user_id, "body": body})
            cache.set(QUESTIONS, kept[-MOST_QUESTIONS:])
    return response


def start(app: Flask) -> threading.Event:
    """Begin to watch, in a thread that ends with its process, or when the event is set."""
    stop = threading.Event()
    threading.Thread(target=_watch, args=(app, stop), name="warming", daemon=True).start()
    return stop


def _watch(app: Flask, stop: threading.Event) -> None:
    seen: dict[int, int] | None = None
    while not stop.wait(EVERY_SECONDS):
        try:
            found = accounts.data_versions()
            for client_id, version in found.items():
                if seen is not None and seen.get(client_id) != version:
                    ask_again(app, client_id, version)
            seen = found
        except Exception as error:  # an installation that is being upgraded; the next time it may work
            logger.warning("nothing could be asked ahead: %s", error)


def ask_again(app: Flask, client_id: int, version: int) -> int:
    """Ask a client's questions again, unless another worker does; how many were asked."""
    cache, asked, until = _cache(client_id), 0, time.monotonic() + LONGEST_SECONDS
    questions = cache.get(QUESTIONS) or []
    if not questions or not cache.add(f"version {version}", True):
        return 0
    versions.forget()
    for question in reversed(questions):  # the newest first
        if time.monotonic() < until and _ask(app, client_id, question["user_id"], question["body"]):
            asked += 1
    logger.info("client %s: %s of %s questions were asked ahead", client_id, asked, len(questions))
    return asked


def _ask(app: Flask, client_id: int, user_id: int, body: str) -> bool:
    """Whether the question was answered, as the person who asked it, who must still be of the client."""
    from superset.extensions import security_manager

    with app.test_request_context(DATA, method="POST", data=body, content_type="application/json"):
        user = security_manager.get_user_by_id(user_id)
        if user is None or not user.is_active or security_manager.clients_of_user(user) != {client_id}:
            return False
        roles = frozenset(role.name for role in security_manager.get_user_roles(user))
        g.pulse_identity = Identity(user, user.id, frozenset({client_id}), roles, ())
        g.user = user
        return bool(app.make_response(app.view_functions[_ENDPOINT]()).status_code == 200)


def _cache(client_id: int) -> FileSystemCache:
    """A folder for each client, as for the answers: a purge takes it away."""
    folder = environ.STATE.get() / "superset" / "cache" / "questions" / f"client-{client_id}"
    return FileSystemCache(str(folder), threshold=500, default_timeout=KEPT_SECONDS)
