"""The page People: a client_admin invites and removes people of the same client. The database checks it again, by the session."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, request

from pulse.addresses import is_address
from pulse.texts import has_trick
from pulse_superset import accounts, branding, identity, invitations, password_pages

MAX_NAME = 120
# What came of it, for whoever asked.
SAID = {
    "invited": "An invitation goes to {email}. The link in it works once, and for 48 hours.",
    "removed": "{email} was removed, and is signed out everywhere.",
    "is here": "{email} has a login already. Whoever has forgotten the password gets a new one at the sign-in page.",
    "declared": "{email} was declared by whoever runs Pulse for your company: ask them to change it.",
    "just now": "{email} was invited a moment ago. Wait five minutes before you send another invitation.",
    "too many": "Too many invitations are open, or were sent in the last hour. Try again later.",
    "yourself": "You cannot remove yourself.",
    "unknown": "{email} is not among the people of your company.",
    "address": "That is not an e-mail address: write one, such as ada@example.com.",
    "name": f"Write the name in one line of at most {MAX_NAME} characters.",
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
            said = SAID[_act(session_hash, email)].format(email=email)
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
