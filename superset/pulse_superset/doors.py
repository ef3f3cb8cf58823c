"""Which of Superset's pages and APIs somebody may open. What is not named here is closed.

This is an allow-list over Superset's own routes, because its welcome page and lists show recent work, and some of its APIs
(for example related owners) list every user, whatever the role.
"""

from __future__ import annotations

from typing import Any

from flask import g, jsonify, redirect, request, url_for
from werkzeug.routing import RequestRedirect

from pulse_superset import answers, branding, embedding, identity, password_pages, rows, shell, sso_pages
from pulse_superset.analytics import resources as analytics
from pulse_superset.connections import STAFF_ROLES
from pulse_superset.landing import landing_path

START = "/pulse/start/"  # the address of the landing dashboard that stays the same when another one becomes it
START_PAGES = ("/", START, "/superset/welcome/", "/dashboard/list/", "/chart/list/")
FOR_EVERYONE = frozenset(
    {
        "/static/<path:filename>",
        "/static/appbuilder/<path:filename>",
        "/pulse/brief/stop/<token>",
        "/pulse/brief/news/",  # says so to whoever is signed out
        shell.MANIFEST,
        shell.ICON,
        password_pages.FORGOT,
        password_pages.SET,
        sso_pages.CHOOSE,
        sso_pages.START,
        sso_pages.BACK,
        "/login/",
        "/logout/",
        "/lang/<string:locale>",
        "/health",
        "/healthcheck",
        "/ping",
        "/superset/language_pack/<lang>/",
        "/api/v1/security/login",
        identity.REFRESH_RULE,
        embedding.PAGE,
        embedding.TOKEN,
    }
)
DASHBOARDS = "/api/v1/dashboard/"
FOR_CLIENTS = {
    rows.RULE: {"GET"},
    analytics.DOCUMENT: {"GET"},
    analytics.PAGE: {"GET"},
    analytics.ROWS: {"GET"},
    branding.PEOPLE: {"GET", "POST"},  # for a client_admin: the page asks
    "/pulse/brief/": {"GET"},
    "/pulse/brief.pdf": {"GET"},
    "/superset/dashboard/<dashboard_id_or_slug>/": {"GET"},
    "/superset/dashboard/p/<key>/": {"GET"},
    "/superset/log/": {"POST"},
    "/api/v1/security/csrf_token/": {"GET"},
    "/api/v1/me/": {"GET"},
    "/api/v1/me/roles/": {"GET"},
    "/api/v1/time_range/": {"GET"},
    "/api/v1/chart/": {"GET"},
    "/api/v1/chart/data": {"POST"},
    "/api/v1/chart/<id_or_uuid>": {"GET"},
    "/api/v1/chart/<int:pk>/data/": {"GET"},
    "/api/v1/chart/favorite_status/": {"GET"},
    # A client's own script looks up what it may request.
    "/api/v1/dataset/": {"GET"},
    "/api/v1/dataset/<id_or_uuid>": {"GET"},
    DASHBOARDS: {"GET"},
    f"{DASHBOARDS}favorite_status/": {"GET"},
    f"{DASHBOARDS}<id_or_slug>": {"GET"},
    f"{DASHBOARDS}<id_or_slug>/charts": {"GET"},
    f"{DASHBOARDS}<id_or_slug>/datasets": {"GET"},
    f"{DASHBOARDS}<id_or_slug>/tabs": {"GET"},
    f"{DASHBOARDS}<pk>/favorites/": {"POST", "DELETE"},
    f"{DASHBOARDS}<int:pk>/filter_state": {"POST"},
    f"{DASHBOARDS}<int:pk>/filter_state/<string:key>": {"GET", "PUT", "DELETE"},
    f"{DASHBOARDS}<pk>/permalink": {"POST"},
    f"{DASHBOARDS}permalink/<string:key>": {"GET"},
}

FOR_GUESTS = {
    "/api/v1/security/csrf_token/": {"GET"},
    "/api/v1/me/roles/": {"GET"},
    "/api/v1/time_range/": {"GET"},
    "/api/v1/chart/data": {"POST"},
    f"{DASHBOARDS}<id_or_slug>": {"GET"},
    f"{DASHBOARDS}<id_or_slug>/charts": {"GET"},
    f"{DASHBOARDS}<id_or_slug>/datasets": {"GET"},
    f"{DASHBOARDS}<id_or_slug>/tabs": {"GET"},
}


def rule() -> str | None:
    """The route of this request; None if there is none (404, or a method that the route does not know)."""
    return None if request.url_rule is None else str(request.url_rule.rule)


def guard() -> Any:
    """Before every request: find out who sent it, then let it in, send it to its dashboard or to the login, or refuse it."""
    try:
        known = identity.of_request()
    except identity.Refused as refused:
        g.pulse_refused = str(refused)
        return _refuse(401, str(refused))
    if isinstance(request.routing_exception, RequestRedirect) or rule() in FOR_EVERYONE:
        return None
    method = "GET" if request.method in ("HEAD", "OPTIONS") else request.method
    if known is not None and known.is_guest:
        return None if method in FOR_GUESTS.get(rule() or "", ()) else _refuse(403, "Forbidden")
    if known is None:
        return _ask_to_log_in()
    if not known.clients and known.roles & STAFF_ROLES:
        return None
    if request.method == "GET" and rule() in START_PAGES:
        return redirect(landing_path())
    if known.clients and method in FOR_CLIENTS.get(rule() or "", ()):
        return None
    return _refuse(403, "Forbidden")


def _ask_to_log_in() -> Any:
    if request.method != "GET" or request.path.startswith("/api/"):
        return _refuse(401, "Log in first.")
    return redirect(url_for("AuthDBView.login", next=request.full_path.rstrip("?")))


def _refuse(status: int, message: str) -> Any:
    """An answer that says no. It also drops the cookies that made us say so, or a browser could never come back."""
    answers.say(message)
    answer = jsonify({"message": message})
    answer.status_code = status
    if status == 401:
        identity.forget_cookie()
        for name in identity.UNREAD_COOKIES:
            if name in request.cookies:
                answer.delete_cookie(name)
    return answer
