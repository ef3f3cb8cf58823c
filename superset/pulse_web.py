"""Pages: where clients' users land, their default light or dark mode, and the session kept in the cookie."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pulse_accounts as accounts
from flask import Blueprint, Flask, g, jsonify, redirect, request
from flask import session as cookie
from flask_login import current_user, user_logged_in
from jinja2 import ChoiceLoader, FileSystemLoader
from pulse_security import COOKIE_KEY

HERE = Path(__file__).resolve().parent
HOME = "/superset/dashboard/executive-overview/"
_PICK_LIST = re.compile(r"^/api/v1/\w+/(related|distinct)/")


def install(app: Flask) -> None:
    """Superset's FLASK_APP_MUTATOR."""
    app.jinja_loader = ChoiceLoader([FileSystemLoader(HERE / "templates"), app.jinja_loader])
    app.register_blueprint(Blueprint("pulse", __name__, static_folder="static", static_url_path="/pulse/static"))
    app.context_processor(lambda: {"pulse_theme": preferred_theme})
    app.before_request(_clients_go_to_their_dashboard)
    app.before_request(_clients_see_no_other_accounts)
    user_logged_in.connect(_keep_session, app)
    app.after_request(_forbid_stores)


def _keep_session(_sender: Any, user: Any, **_: Any) -> None:
    """After a form login: the session begun by the security manager goes into the signed cookie."""
    session = getattr(g, "pulse_session", None)
    if session is not None:
        cookie[COOKIE_KEY] = session.to_dict()


def _clients_go_to_their_dashboard() -> Any:
    """Superset's welcome page lists charts and recent work: an executive wants the dashboard."""
    is_start = request.method == "GET" and request.path in (
        "/",
        "/superset/welcome/",
        "/dashboard/list/",
        "/chart/list/",
    )
    return redirect(HOME) if is_start and _is_client_user() else None


def _clients_see_no_other_accounts() -> Any:
    """Superset's pick lists (owners, roles, creators) name every account there is, of all clients."""
    if _PICK_LIST.search(request.path) and _is_client_user():
        return jsonify({"message": "Forbidden"}), 403
    return None


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
    """Answers with clients' numbers are for this user's screen only, not for a proxy's or browser's store."""
    if request.path.startswith("/api/") or response.mimetype == "text/html":
        response.headers["Cache-Control"] = "private, no-store"
    return response
