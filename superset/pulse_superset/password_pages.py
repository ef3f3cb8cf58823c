"""Forgot password? and the page behind a link, where a person sets a password."""

from __future__ import annotations

import re
from typing import Any

from flask import Blueprint, g, request
from flask_wtf.csrf import generate_csrf

from pulse.addresses import is_address
from pulse.clients.passwords import hash_password
from pulse.clients.weak_passwords import weakness
from pulse.languages import mark
from pulse_superset import accounts, answers, branding, invitations, language, throttle
from pulse_superset.brief import page
from pulse_superset.language import say

FORGOT = "/pulse/forgot/"
SET = "/pulse/password/<token>"
AWAY = mark("Passwords cannot be changed at the moment. Try again in a few minutes.")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


def add_to(pages: Blueprint) -> None:
    """Add the addresses."""
    pages.add_url_rule(FORGOT, "forgot", _forgot, methods=["GET", "POST"])
    pages.add_url_rule(SET, "password", _set, methods=["GET", "POST"])


def away() -> Any:
    """The primary does not answer."""
    answers.say(AWAY)
    return "", 503, {"Retry-After": "60"}


def show(template: str, brand: branding.Brand, mode: str = "system", **values: Any) -> str:
    """A page with a form of ours. Its address may hold a token, which no other server gets to know."""
    html, g.pulse_policy = page.render(template, brand, mode, language.of_request(), csrf=generate_csrf(), **values)
    g.pulse_referrer_policy = "same-origin"
    return html


def _forgot() -> Any:
    """The answer is the same for every address, and so is the work."""
    if request.method == "GET":
        return show("pulse/forgot.html", branding.visitors_brand(), asked=False)
    wait = throttle.ask(request.remote_addr or "")
    if wait:
        g.pulse_wait_seconds = wait
        answers.say(throttle.TOO_MANY, seconds=wait)
        return "", 429
    email = request.form.get("email", "").strip().lower()
    try:
        if is_address(email):
            invitations.request_link(email)
    except accounts.DatabaseAway:
        return away()
    return show("pulse/forgot.html", branding.visitors_brand(), asked=True)


def _set(token: str) -> Any:
    """Opening the link only asks: programs that look into mail open links, and must not use them up."""
    try:
        link = invitations.look(token) if _TOKEN.fullmatch(token) else None
        if link is None:
            return show("pulse/password.html", branding.visitors_brand(), state="gone"), answers.own_page(404)
        brand = branding.brand_of(link.client_id)
        if request.method == "GET":
            return show("pulse/password.html", brand, state="asked", link=link, problem="")
        password = request.form.get("password", "")
        if problem := _problem(password, link.email):
            return show("pulse/password.html", brand, state="asked", link=link, problem=problem)
        state = invitations.take(token, hash_password(password)) or "gone"
    except accounts.DatabaseAway:
        return away()
    return show("pulse/password.html", brand, state=state, link=link), 200 if state == "set" else answers.own_page(404)


def _problem(password: str, email: str) -> str:
    """Why the password cannot be taken, as a sentence; empty if it can."""
    if password != request.form.get("again", ""):
        return say("The two are not the same.")
    if any(ord(character) < 32 or ord(character) == 127 for character in password):
        return say("The password has a character that cannot be typed.")
    why = weakness(password, email, say)
    return say("The password {why}.", why=why) if why else ""
