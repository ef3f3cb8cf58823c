"""Pages: where clients' users land, their default light or dark mode, and the session in the cookie."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from flask import Blueprint, Flask, g, jsonify, redirect, request
from flask import session as cookie
from flask_login import current_user, user_logged_in
from jinja2 import ChoiceLoader, FileSystemLoader

from pulse_superset import accounts
from pulse_superset.benchmarks import name_the_year
from pulse_superset.landing import landing_path
from pulse_superset.security import COOKIE_KEY

HERE = Path(__file__).resolve().parent
START = "/pulse/start/"  # the address of the landing dashboard that stays the same when another one becomes it
_START_PAGES = ("/", START, "/superset/welcome/", "/dashboard/list/", "/chart/list/")
_EVERYONE = re.compile(
    r"/(static|pulse/static|login|logout|lang|health|healthcheck|ping|superset/language_pack"
    r"|api/v1/security/(login|refresh|csrf_token))(/|$)"
)
_KEY = r"[A-Za-z0-9_-]+"
_FOR_CLIENTS = tuple(
    (methods, re.compile(pattern))
    for methods, pattern in (
        ({"GET"}, rf"/superset/dashboard/(p/)?{_KEY}/"),
        ({"POST"}, r"/superset/log/"),
        ({"GET"}, r"/api/v1/me/(roles/)?"),
        ({"GET"}, r"/api/v1/time_range/"),
        ({"POST"}, r"/api/v1/chart/data"),
        ({"GET"}, rf"/api/v1/chart/{_KEY}(/data/?)?"),
        ({"GET"}, r"/api/v1/dataset/([0-9]+)?"),  # a client's own script looks up what it may request
        ({"GET"}, r"/api/v1/(dashboard|chart)/(favorite_status/)?"),
        ({"GET"}, rf"/api/v1/dashboard/{_KEY}(/(charts|datasets|tabs))?"),
        ({"POST", "DELETE"}, r"/api/v1/dashboard/[0-9]+/favorites/"),
        ({"GET", "POST", "PUT", "DELETE"}, rf"/api/v1/dashboard/[0-9]+/filter_state(/{_KEY})?"),
        ({"GET", "POST"}, rf"/api/v1/dashboard/({_KEY}/)?permalink(/{_KEY})?"),
    )
)


def install(app: Flask) -> None:
    """Superset's FLASK_APP_MUTATOR."""
    app.jinja_loader = ChoiceLoader([FileSystemLoader(HERE / "templates"), app.jinja_loader])
    pages = Blueprint("pulse", __name__, static_folder="static", static_url_path="/pulse/static")
    pages.add_url_rule(START, "start", lambda: redirect(landing_path()))
    app.register_blueprint(pages)
    app.context_processor(lambda: {"pulse_theme": preferred_theme})
    app.before_request(_limit_clients)
    user_logged_in.connect(_keep_session, app)
    app.after_request(_forbid_stores)
    app.after_request(name_the_year)


def _keep_session(_sender: Any, user: Any, **_: Any) -> None:
    """After a form login, put the session that the security manager started into the signed cookie."""
    session = getattr(g, "pulse_session", None)
    if session is not None:
        cookie[COOKIE_KEY] = session.to_dict()


def _limit_clients() -> Any:
    """Send a client's user to the dashboard, allow what a dashboard needs, and refuse everything else.

    This is an allow-list, because Superset's welcome page and lists show recent work, and some of its APIs (for example
    related owners) list every user, whatever the role.
    """
    if _EVERYONE.match(request.path) or not _is_client_user():
        return None
    if request.method == "GET" and request.path in _START_PAGES:
        return redirect(landing_path())
    method = "GET" if request.method in ("HEAD", "OPTIONS") else request.method
    if any(method in methods and pattern.fullmatch(request.path) for methods, pattern in _FOR_CLIENTS):
        return None
    return jsonify({"message": "Forbidden"}), 403


def _is_client_user() -> bool:
    manager = current_app_manager()
    return bool(current_user.is_authenticated and manager.clients_of_user(current_user))


def current_app_manager() -> Any:
    """The running security manager."""
    from superset.extensions import security_manager

    return security_manager


def preferred_theme() -> dict[str, str] | None:
    """Superset's theme mode for a client's user from users.theme_mode; None for everyone else."""
    if not _is_client_user():
        return None
    try:
        account = accounts.find_account(current_user.username)
    except accounts.DatabaseAway:
        return None
    modes = {"light": "default", "dark": "dark", "system": "system"}
    return {"user": str(account.user_id), "mode": modes[account.theme_mode]} if account else None


def _forbid_stores(response: Any) -> Any:
    """Keep answers with clients' numbers out of the caches of proxies and browsers."""
    if request.path.startswith("/api/") or response.mimetype == "text/html":
        response.headers["Cache-Control"] = "private, no-store"
    return response
