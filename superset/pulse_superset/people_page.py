"""The page People: a client_admin invites and removes people of the same client. The database checks it again, by the session."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, request

from pulse.addresses import is_address
from pulse.languages import mark
from pulse.texts import has_trick
from pulse_superset import accounts, branding, identity, invitations, password_pages
from pulse_superset.language import say

MAX_NAME = 120
# What came of it, for whoever asked.
SAID = {
    "invited": mark("An invitation goes to {email}. The link in it works once, and for 48 hours."),
    "removed": mark("{email} was removed, and is signed out everywhere."),
    "is here": mark(
        "{email} has a login already. Whoever has forgotten the password gets a new one at the sign-in page."
    ),
    "declared": mark("{email} was declared by whoever runs Pulse for your company: ask them to change it."),
    "just now": mark("{email} was invited a moment ago. Wait five minutes before you send another invitation."),
    "too many": mark("Too many invitations are open, or were sent in the last hour. Try again later."),
    "yourself": mark("You cannot remove yourself."),
    "unknown": mark("{email} is not among the people of your company."),
    "address": mark("That is not an e-mail address: write one, such as ada@example.com."),
    "name": mark("Write the name in one line of at most {longest} characters."),
}


def add_to(pages: Blueprint) -> None:
    """Add the address."""
    pages.add_url_rule(branding.PEOPLE, "people", _show, methods=["GET", "POST"])


def _show() -> Any:
    known = identity.of_request()
    if known is None or len(known.clients) != 1 or len(known.roles) != 1:
        return "", 403
    (client_id,) = known.clients
    session_hash = known.sessions[-1].token_hash
    try:
        if not (people := invitations.people(session_hash)):
            return "", 403
        said = ""
        if request.method == "POST":
            email = request.form.get("email", "").strip().lower()
            said = say(SAID[_act(session_hash, email)], email=email, longest=MAX_NAME)
            people = invitations.people(session_hash)
        account = accounts.find_account(known.user.username)
    except accounts.DatabaseAway:
        return password_pages.away()
    mode = account.theme_mode if account else "system"
    return password_pages.show("pulse/people.html", branding.brand_of(client_id), mode, people=people, said=said)


def _act(session_hash: str, email: str) -> str:
    name = request.form.get("name", "").strip()
    if not is_address(email):
        return "address"
    if len(name) > MAX_NAME or has_trick(name):
        return "name"
    if request.form.get("action") == "remove":
        return invitations.remove(session_hash, email)
    return invitations.invite(session_hash, email, name)
