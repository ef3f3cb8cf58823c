"""The brief's addresses. A client's user has exactly one brief; staff choose a client with `?client=<slug>`.

Whoever asks, a brief is read as the login of its client, so that the database decides what is in it.
"""

from __future__ import annotations

import logging
from typing import Any

from flask import Blueprint, Response, g, make_response, request
from flask_login import current_user

from pulse import languages
from pulse.languages import mark
from pulse_superset import accounts, answers, branding, identity, language
from pulse_superset.brief import data, mail, page, pdf

REPORTS = {"weekly": mark("weekly"), "monthly": mark("monthly"), "signals": mark("signals")}
PDF = "/pulse/brief.pdf"
NEWS = "/pulse/brief/news/"
MAIL = "/pulse/brief/mail/"
STOP = "/pulse/brief/stop/<token>"
AWAY = mark("The numbers cannot be read at the moment. Try again in a minute.")

logger = logging.getLogger(__name__)


class Refused(Exception):
    """This brief is not for whoever asks, or there is no such client: the status of the answer."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def add_to(pages: Blueprint) -> None:
    """Add the addresses."""
    from superset.extensions import csrf

    pages.add_url_rule(branding.BRIEF, "brief", _answering(_page))
    pages.add_url_rule(NEWS, "brief_news", _answering(_news))
    pages.add_url_rule(PDF, "brief_pdf", _answering(_pdf))
    pages.add_url_rule(MAIL, "brief_mail", _answering(_mail))
    stop = _answering(_stop)
    # Mail programs send the request of the one click (RFC 8058); the token in its address is what allows it.
    csrf.exempt(stop)
    pages.add_url_rule(STOP, "brief_stop", stop, methods=["GET", "POST"])


def _answering(view: Any) -> Any:
    """The view with its refusals as answers."""

    def answer(**values: Any) -> Any:
        try:
            return view(**values)
        except Refused as refused:
            return "", refused.status
        except accounts.DatabaseAway as away:
            logger.warning("the brief cannot be read: %s", away)
            answers.say(AWAY)
            return "", 503, {"Retry-After": "30"}

    answer.__name__ = view.__name__
    answer.__module__ = __name__
    return answer


def _page() -> Any:
    client = _client()
    if client is None:
        html, g.pulse_policy = page.render(
            "pulse/clients.html", branding.HOUSE, "system", language.of_request(), clients=accounts.active_clients()
        )
        return html
    version = accounts.data_version([client.client_id])  # before the numbers: what comes in between is told as newer
    brief, brand = _read(client.client_id)
    html, g.pulse_policy = page.brief_page(brief, brand, _mode(), version, chosen=not _known().clients)
    return html


def _news() -> Any:
    """The line of an open brief that says whether its numbers are the latest. It asks again by itself, without a script."""
    known = identity.of_request()
    if known is None:
        state, brand, mode, address = "signed_out", branding.HOUSE, "system", branding.BRIEF
    else:
        client = None if known.is_guest else _client()
        if client is None:
            raise Refused(404)
        brand, mode = branding.brand_of(client.client_id), _mode()
        address = branding.BRIEF if known.clients else f"{branding.BRIEF}?client={client.slug}"
        state = "latest" if accounts.data_version([client.client_id]) == request.args.get("version") else "newer"
    html, g.pulse_policy = page.render(
        "pulse/news.html", brand, mode, language.of_request(), state=state, address=address
    )
    return html


def _pdf() -> Any:
    client = _client()
    paper = request.args.get("paper", "a4")
    if client is None or paper not in pdf.PAPERS:
        raise Refused(404)
    brief, brand = _read(client.client_id)
    answer = make_response(pdf.render(brief, brand, paper))
    answer.mimetype = "application/pdf"
    answer.headers["Cache-Control"] = "private, no-store"
    answer.headers["Content-Disposition"] = f'inline; filename="{pdf.file_name(brief)}"'
    return answer


def _mail() -> Any:
    """For the service account: the brief as subject and body of a message."""
    client = _client()
    if client is None:
        raise Refused(404)
    brief, brand = _read(client.client_id)
    return mail.message(brief, brand, scheduled=request.args.get("scheduled") == "1"), {
        "Cache-Control": "private, no-store"
    }


def _stop(token: str) -> Any:
    """A question first: programs that look into mail open its links, and must not stop anything."""
    stopped = accounts.stop_report(token) if request.method == "POST" else None
    if request.method == "POST" and stopped is None:
        raise Refused(404)
    html, g.pulse_policy = page.render(
        "pulse/stop.html", branding.HOUSE, "system", language.of_request(), stopped=REPORTS.get(stopped or "")
    )
    return Response(html, mimetype="text/html")


def _read(client_id: int) -> tuple[data.Brief, branding.Brand]:
    brand = branding.brand_of(client_id)
    return data.read(client_id, _language(), brand.separators), brand


def _known() -> identity.Identity:
    known = identity.of_request()
    if known is None:
        raise Refused(401)
    return known


def _client() -> accounts.Client | None:
    """Whose brief is asked for; None if staff have not chosen yet. Raises Refused."""
    known, wanted = _known(), request.args.get("client")
    found = accounts.active_clients()
    if known.clients:
        # Exactly one role, a client's, as for the login of every query (pulse_superset.connections).
        own = [client for client in found if client.client_id in known.clients]
        if len(known.roles) != 1 or len(own) != 1 or wanted not in (None, own[0].slug):
            raise Refused(403)
        return own[0]
    if wanted is None:
        return None
    chosen = next((client for client in found if client.slug == wanted), None)
    if chosen is None:
        raise Refused(404)
    return chosen


def _language() -> str:
    """The reader's language; staff, and the service account for those who get mail, name one. Raises Refused."""
    wanted = request.args.get("language")
    if wanted is None or _known().clients:
        return language.of_request()
    if wanted not in languages.LANGUAGES:
        raise Refused(404)
    return str(wanted)


def _mode() -> str:
    """The mode that the person prefers; staff have none."""
    account = accounts.find_account(current_user.username) if _known().clients else None
    return account.theme_mode if account else "system"
