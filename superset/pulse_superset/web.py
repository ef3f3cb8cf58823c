"""Pages: what Superset's application gets from Pulse, the default light or dark mode, and the session in the cookie."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask import Blueprint, Flask, g, redirect, request
from flask import session as cookie
from flask.sessions import SecureCookieSessionInterface
from flask_login import current_user, user_logged_in
from jinja2 import ChoiceLoader, FileSystemLoader

from pulse import environ
from pulse_superset import (
    accounts,
    answers,
    audit,
    bounds,
    client_cache,
    doors,
    embedding,
    identity,
    in_words,
    language,
    links,
    maintenance,
    measure,
    packs,
    painted,
    password_pages,
    people,
    people_page,
    rows,
    shell,
    sso_pages,
    turns,
    warming,
)
from pulse_superset.analytics import views as analytics
from pulse_superset.benchmarks import name_the_year
from pulse_superset.brief import views as brief
from pulse_superset.edge import Edge, TrustedProxies
from pulse_superset.identity import COOKIE_KEY
from pulse_superset.landing import landing_path

HERE = Path(__file__).resolve().parent
_THROWN_AWAY_BYTES = 1 << 20


class CookieInterface(SecureCookieSessionInterface):  # type: ignore[misc]
    """The session cookie is for https only where the visitor came by https, whatever the settings say."""

    def get_cookie_secure(self, app: Flask) -> bool:
        return bool(app.config["SESSION_COOKIE_SECURE"] or request.is_secure)


def install(app: Flask) -> None:
    """Superset's FLASK_APP_MUTATOR."""
    app.wsgi_app = Edge(measure.Measured(turns.Gate(app.wsgi_app)), TrustedProxies(environ.TRUSTED_PROXIES.get()))
    app.session_interface = CookieInterface()
    app.jinja_loader = ChoiceLoader([FileSystemLoader(HERE / "templates"), app.jinja_loader])
    pages = Blueprint("pulse", __name__)
    pages.add_url_rule(doors.START, "start", lambda: redirect(landing_path()))
    pages.add_url_rule(rows.RULE, "rows", rows.show)
    brief.add_to(pages)
    analytics.add_to(pages)
    embedding.add_to(pages)
    maintenance.add_to(pages)
    shell.add_to(pages)
    password_pages.add_to(pages)
    people_page.add_to(pages)
    sso_pages.add_to(pages)
    app.register_blueprint(pages)
    app.context_processor(
        lambda: {
            "pulse_theme": preferred_theme,
            "pulse_sso": bool(sso_pages.known()),
            "say": language.say,
            "pulse_language": language.of_request,
        }
    )
    people.install()
    client_cache.share()
    # Before anything of Superset's runs: wait for a turn, then find out who it is and what they may open.
    app.before_request_funcs.setdefault(None, [])[:0] = [
        turns.take,
        doors.guard,
        language.choose,
        packs.serve,
        _limit_body,
    ]
    app.before_request(embedding.show)
    app.teardown_request(turns.give_back)
    user_logged_in.connect(_keep_session, app)
    # Flask calls these in reverse order; the first one after all that Superset adds.
    app.after_request_funcs.setdefault(None, [])[:0] = [_own_policy]
    app.after_request(name_the_year)
    app.after_request(in_words.translate)
    app.after_request(painted.paint)
    app.after_request(warming.note)
    app.after_request(_finish)
    app.after_request(shell.finish_page)
    app.after_request(shell.say_brand)
    app.after_request(audit.look)
    app.after_request(answers.plain)


def _limit_body() -> Any:
    """A client's user, or a visitor, sends small requests only."""
    known = identity.of_request()
    if known is not None and not known.clients:
        return None
    saves = request.method in ("POST", "PUT") and (doors.rule() or "").partition("<")[0] == doors.DASHBOARDS
    request.max_content_length = links.MAX_BYTES if saves else bounds.MAX_BODY_BYTES
    if (request.content_length or 0) > request.max_content_length:
        # Read and thrown away, or the sender finds a broken connection in place of the answer.
        request.environ["wsgi.input"].read(min(request.content_length or 0, _THROWN_AWAY_BYTES))
        return "", 413
    if known is not None and known.user_id is not None and saves and (doors.rule() or "").endswith("/permalink"):
        links.forget_old(known.user_id)
    return None


def _keep_session(_sender: Any, user: Any, **_: Any) -> None:
    """After a form login, put the session that the security manager started into the signed cookie."""
    session = g.get("pulse_session")
    if session is not None:
        cookie[COOKIE_KEY] = session.to_dict()


def preferred_theme() -> dict[str, str] | None:
    """Superset's theme mode for a client's user from users.theme_mode; None for everyone else."""
    known = g.get("pulse_identity")
    if known is None or not known.clients:
        return None
    try:
        account = accounts.find_account(current_user.username)
    except accounts.DatabaseAway:
        return None
    modes = {"light": "default", "dark": "dark", "system": "system"}
    return {"user": str(account.user_id), "mode": modes[account.theme_mode]} if account else None


def _own_policy(response: Any) -> Any:
    """A page of ours brings a narrower content security policy than Superset's."""
    if "pulse_policy" in g:
        response.headers["Content-Security-Policy"] = g.pulse_policy
    if "pulse_referrer_policy" in g:
        response.headers["Referrer-Policy"] = g.pulse_referrer_policy
    return embedding.frame(response)


def _finish(response: Any) -> Any:
    """Keep answers with clients' numbers out of the caches of proxies and browsers; say when a login may be tried again."""
    if request.path.startswith("/api/") or response.mimetype == "text/html":
        response.headers["Cache-Control"] = "private, no-store"
    wait = g.get("pulse_wait_seconds")
    if wait is not None:
        response.headers["Retry-After"] = str(wait)
        if request.path.startswith("/api/"):
            response.status_code = 429
    return response
