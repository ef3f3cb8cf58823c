"""Who sent a request: decided here, once, for flask-login and flask-jwt-extended alike.

Superset's pages and APIs ask two libraries who the user is, and each reads headers and cookies in its own way. Whoever finds
a header that only one of them understands is nobody to the first and somebody to the second. So both are given the answer of
`of_request`. It knows three ways: the signed cookie of the login form, `Authorization: Bearer <token>` in exactly this form, and
the guest token of an embedded dashboard. A request with any other credential is refused, and so is one whose credentials do not
agree.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from flask import g, request
from flask import session as cookie
from flask_jwt_extended import decode_token
from flask_jwt_extended.exceptions import JWTExtendedException
from flask_login import LoginManager
from jwt.exceptions import PyJWTError

from pulse_superset import ended, guests
from pulse_superset.sessions import Session

COOKIE_KEY = "pulse_session"
CLAIM = "pulse_session"
REFRESH_RULE = "/api/v1/security/refresh"
# What Superset or its libraries could take for a credential, if some setting or the next version made them read it.
UNREAD_HEADERS = ("X-API-Key",)
UNREAD_COOKIES = ("remember_token",)
_TOKEN = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_BEARER = re.compile(f"Bearer ({_TOKEN.pattern})")


class Refused(Exception):
    """The request carries a credential that is not read, not valid, or not in line with another one. Says which."""


@dataclass(frozen=True)
class Credentials:
    """What the request carries, before anybody is looked up. All are signed by us, so their content can be trusted."""

    cookie: dict[str, Any] | None
    token: dict[str, Any] | None
    guest: guests.Ticket | None = None

    @property
    def subjects(self) -> set[str]:
        """The ids of Superset's users that the credentials name."""
        return {
            str(found) for found in (self.cookie and self.cookie["id"], self.token and self.token.get("sub")) if found
        }

    @property
    def sessions(self) -> list[Session | None]:
        """The session in each credential; None for one without."""
        return [Session.from_dict(found.get(CLAIM)) for found in (self.cookie, self.token) if found is not None]


@dataclass(frozen=True)
class Identity:
    """Superset's user, the clients whose roles the user has (none for staff), and the sessions of the credentials.

    A guest has a client's role, no id and no session.
    """

    user: Any
    user_id: int | None
    clients: frozenset[int]
    roles: frozenset[str]
    sessions: tuple[Session, ...]

    @property
    def is_guest(self) -> bool:
        """Whether somebody looks at an embedded dashboard."""
        return isinstance(self.user, guests.Guest)


class OneIdentity(LoginManager):  # type: ignore[misc]
    """flask-login without its own ways of finding a user (session, remember-me cookie, headers)."""

    def _load_user(self) -> None:
        try:
            found = of_request()
        except Refused:
            found = None  # the request is refused before anything asks; if something does, it is nobody's
        self._update_request_context_with_user(None if found is None else found.user)


def credentials() -> Credentials:
    """The credentials of this request, read once. Raises Refused."""
    if "pulse_credentials" not in g:
        g.pulse_credentials = _read()
    found: Credentials = g.pulse_credentials
    return found


def of_request() -> Identity | None:
    """Who sent this request; None for a visitor. Raises Refused."""
    if "pulse_identity" not in g:
        g.pulse_identity = _decide(credentials())
    found: Identity | None = g.pulse_identity
    return found


def _read() -> Credentials:
    for name in UNREAD_HEADERS:
        if name in request.headers:
            raise Refused(f"The header {name} is not accepted here.")
    for name in UNREAD_COOKIES:
        if name in request.cookies:
            raise Refused(f"The cookie {name} is not accepted here.")
    found = Credentials(_from_cookie(), _from_header(), _from_guest_header())
    if found.guest is not None and found.token is not None:
        raise Refused("A guest token and another token are two people.")
    return found


def _from_guest_header() -> guests.Ticket | None:
    given = request.headers.getlist(guests.HEADER)
    if not given:
        return None
    if len(given) > 1 or not _TOKEN.fullmatch(given[0]):
        raise Refused(f"The header {guests.HEADER} must be one token.")
    try:
        return guests.read(given[0])
    except guests.NoGuest as error:
        raise Refused(str(error)) from error


def _from_cookie() -> dict[str, Any] | None:
    user_id = cookie.get("_user_id")
    return None if user_id is None else {"id": user_id, CLAIM: cookie.get(COOKIE_KEY)}


def _from_header() -> dict[str, Any] | None:
    given = request.headers.getlist("Authorization")
    if not given:
        return None
    match = _BEARER.fullmatch(given[0])
    if match is None or len(given) > 1:
        raise Refused("The header Authorization must be 'Bearer', one space, and a token.")
    try:
        data: dict[str, Any] = decode_token(match[1])
    except (PyJWTError, JWTExtendedException) as error:
        raise Refused("The token is not valid, or not any more.") from error
    wanted = "refresh" if request.url_rule is not None and request.url_rule.rule == REFRESH_RULE else "access"
    if data.get("type") != wanted:
        raise Refused(f"This is not a token for {wanted}.")
    return data


def _decide(given: Credentials) -> Identity | None:
    if given.guest is not None:
        return _as_guest(given, given.guest)
    subjects = given.subjects
    if not subjects:
        return None
    if len(subjects) > 1:
        raise Refused("The cookie and the token belong to different people.")
    identity = _look_up(subjects.pop(), given.sessions)
    if identity is None and given.token is not None:
        raise Refused("The session of this token or cookie has ended.")
    if identity is None:
        forget_cookie()
    return identity


def _as_guest(given: Credentials, ticket: guests.Ticket) -> Identity:
    """A guest, also where the browser has the cookie of a person of the same client: the guest may do less."""
    person = _look_up(str(given.cookie["id"]), given.sessions) if given.cookie is not None else None
    if person is not None and person.clients != {ticket.client_id}:
        raise Refused("The cookie and the guest token belong to different clients.")
    try:
        guest = guests.admit(ticket)
    except guests.NoGuest as error:
        raise Refused(str(error)) from error
    roles = frozenset(role.name for role in guest.roles)
    return Identity(guest, None, frozenset({ticket.client_id}), roles, ())


def _look_up(subject: str, given: list[Session | None]) -> Identity | None:
    from superset.extensions import security_manager

    user = security_manager.get_user_by_id(int(subject)) if subject.isdecimal() else None
    if user is None or not user.is_active:
        return None
    held = tuple(session for session in given if session is not None)
    clients = security_manager.clients_of_user(user)
    roles = frozenset(role.name for role in security_manager.get_user_roles(user))
    if len(held) != len(given) or not all(security_manager.session_holds(user, clients, session) for session in held):
        return None
    return Identity(user, user.id, frozenset(clients), roles, held)


def forget_cookie() -> None:
    """Drop the user from the browser's cookie."""
    for key in ("_user_id", "_fresh", "_id", COOKIE_KEY):
        cookie.pop(key, None)


def end_sessions() -> None:
    """Logout: end every session that this request was known by."""
    found = g.get("pulse_identity")
    for session in found.sessions if found is not None else ():
        ended.note(session)
    forget_cookie()
