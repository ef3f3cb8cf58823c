"""Superset's security manager for Pulse: clients' users log in through core.users, staff through Superset's own accounts.

A client's user gets a Superset user with exactly the role `client_<id>`, which decides the database login
(pulse_superset.connections), the row-level-security rule and the permissions. Who a request comes from is decided in
pulse_superset.identity, what it may open in pulse_superset.doors, what a chart may be asked in pulse_superset.bounds.
"""

from __future__ import annotations

import logging
import secrets
from typing import Any

from flask import flash, g, request
from flask_appbuilder.security.utils import is_null_password
from superset.errors import ErrorLevel, SupersetError, SupersetErrorType
from superset.exceptions import SupersetSecurityException
from superset.security import SupersetSecurityManager

from pulse.addresses import is_address
from pulse.languages import mark
from pulse.tenancy import superset_role
from pulse_superset import (
    accounts,
    answers,
    audit,
    bounds,
    ended,
    guests,
    identity,
    language,
    sessions,
    throttle,
    versions,
)
from pulse_superset.connections import client_of_superset_role, clients_of
from pulse_superset.identity import CLAIM, OneIdentity
from pulse_superset.language import say
from pulse_superset.sessions import Session

SERVICE_ACCOUNT = "pulse_service"  # its password is long and random, and the data stops when it cannot log in
SSO_ONLY = mark("Your company signs in with single sign-on: follow the link below the form.")
WRONG = mark("The name or the password is wrong.")

logger = logging.getLogger(__name__)


class PulseSecurityManager(SupersetSecurityManager):  # type: ignore[misc]
    """Login, sessions and limits of the clients' users."""

    # ------------------------------------------------------------------------------------------------------ login

    def auth_user_db(self, username: str | None, password: str | None) -> Any:
        """The user of a form or API login, None if refused: a client's user by e-mail, or one of Superset's own."""
        answers.say(WRONG)
        if not username or not password or "\0" in username or is_null_password(password):
            return None
        try:
            account = accounts.find_account(username)
        except accounts.DatabaseAway as away:
            logger.error("the clients' accounts cannot be read: %s", away)
            account = None
        attempt = None
        if username != SERVICE_ACCOUNT:
            attempt = throttle.begin(self._account_key(account, username), request.remote_addr or "")
            if attempt.wait_seconds:
                return _too_early(attempt)
        user = self._client_login(account, password) if account else self._staff_login(username, password)
        if user is not None and attempt is not None:
            attempt.succeeded()
        if user is None or username != SERVICE_ACCOUNT:  # that a task signs in for its run tells nobody anything
            kind = audit.REFUSED_SIGN_IN if user is None else audit.SIGNED_IN
            audit.note(kind, self._noted(account, username), _kind(), account.client_id if account else None)
        return user

    def _noted(self, account: accounts.Account | None, username: str) -> str:
        """Who tried to sign in. What is no name here may be a password in the wrong field."""
        if account is not None:
            return account.email
        known = is_address(username) or self.find_user(username=username) is not None
        return username if known else "(an unknown name)"

    def _account_key(self, account: accounts.Account | None, username: str) -> str:
        """The same text for every name of one account: an e-mail address in any case, a name and an address of staff."""
        if account is not None:
            return f"client {account.client_id} user {account.user_id}"
        user = self.find_user(username=username) or self.find_user(email=username)
        return f"staff {user.id}" if user is not None else f"nobody {throttle.name_of(username)}"

    def _staff_login(self, username: str, password: str) -> Any:
        user = super().auth_user_db(username, password)
        # Someone whose account was removed from core.users may not log in, even if Superset still has the user.
        if user is None or self.clients_of_user(user):
            return None
        g.pulse_session = sessions.begin_staff(user.id, _kind(), self._stamp(user))
        return user

    def _client_login(self, account: accounts.Account, password: str) -> Any:
        if not accounts.password_matches(account.password_hash, password) or not account.active:
            logger.info("login refused for user %s of client %s", account.user_id, account.client_id)
            return None
        if account.sso_only:
            answers.say(SSO_ONLY)
            if not request.is_json:
                flash(say(SSO_ONLY), "warning")
            return None
        return self.begin_session(account)

    def begin_session(self, account: accounts.Account) -> Any:
        """Superset's user for somebody who has shown who they are, with a new session; None if the client is not ready."""
        user = self._synchronise_user(account)
        if user is None:
            return None
        g.pulse_session = sessions.begin(account, _kind())
        self.update_user_auth_stat(user, True)
        return user

    def _synchronise_user(self, account: accounts.Account) -> Any:
        """Superset's user for an account, created or updated; None if the client is not provisioned yet."""
        role = self.find_role(superset_role(account.client_id))
        if role is None:
            logger.error("role %s does not exist yet: run sync_clients", superset_role(account.client_id))
            return None
        first, _, last = account.full_name.partition(" ")
        user = self.find_user(username=account.email)
        if user is None:
            # The password is never used: clients' users are checked against core.users only.
            unused = secrets.token_urlsafe(32)
            made = self.add_user(account.email, first, last, account.email, [role], password=unused)
            user = made or self.find_user(username=account.email)  # another worker may have created it first
        if user is None or not user.is_active or not self._is_client_user(user):
            logger.error("Superset's user %s is not usable for a client's login", account.email)
            return None
        wanted = (first, last, [role])
        if (user.first_name, user.last_name, list(user.roles)) != wanted or user.groups:
            user.first_name, user.last_name, user.roles, user.groups = *wanted, []
            self.update_user(user)
        return user

    def _is_client_user(self, user: Any) -> bool:
        """Whether a user has only roles of clients, or none. Accounts of staff never qualify."""
        return all(client_of_superset_role(role.name) for role in user.roles)

    # --------------------------------------------------------------------------------------------------- sessions

    def create_login_manager(self, app: Any) -> Any:
        """flask-login with one way of finding the user."""
        manager = OneIdentity(app)
        manager.login_view = "login"
        return manager

    def create_jwt_manager(self, app: Any) -> Any:
        """JWTs carry the session, and of clients' users the `client_id`."""
        manager = super().create_jwt_manager(app)
        manager.additional_claims_loader(self._claims)
        return manager

    @staticmethod
    def _claims(_identity: str) -> dict[str, Any]:
        session = g.get("pulse_session")
        known = g.get("pulse_identity")
        if session is None and known is not None:
            session = known.sessions[-1]  # a refreshed token keeps its session
        if session is None:
            return {}
        client = {} if session.client_id == sessions.STAFF else {"client_id": session.client_id}
        return {**client, CLAIM: session.to_dict()}

    def load_user_jwt(self, _jwt_header: dict[str, Any], jwt_data: dict[str, Any]) -> Any:
        """The user of a JWT, for flask-jwt-extended: the one that this request is known to come from, or nobody."""
        known = identity.of_request()
        return None if known is None or str(known.user_id) != jwt_data["sub"] else known.user

    def session_holds(self, user: Any, clients: set[int], session: Session) -> bool:
        """Whether the session is this user's and has not ended."""
        ended.write_pending_sometimes()
        audit.write_pending_sometimes()
        if clients:
            valid = clients == {session.client_id} and sessions.is_valid(session)
        else:
            of_staff = session.client_id == sessions.STAFF and session.user_id == user.id
            valid = of_staff and sessions.in_time(session) and session.stamp == self._stamp(user)
        return valid and not ended.is_ended(session)

    def on_user_logout(self, user: Any) -> None:
        """End the sessions of the cookie and of the token, and with them the refresh token."""
        found = g.get("pulse_identity")
        identity.end_sessions()
        if found is not None:
            audit.signed_out(found)

    def clients_of_user(self, user: Any) -> set[int]:
        """The clients whose roles a user has; empty for staff and for nobody."""
        return clients_of(role.name for role in self.get_user_roles(user))

    def _stamp(self, user: Any) -> str:
        return sessions.stamp_of(user.password or "", [role.name for role in self.get_user_roles(user)])

    # ----------------------------------------------------------------------------------------------------- access

    def get_rls_cache_key(self, datasource: Any) -> list[str]:
        """The row rule's part of the key of a cached answer, with the version of the data that the reader sees."""
        known = g.get("pulse_identity")
        clients = frozenset(known.clients) if known is not None else frozenset()
        version = versions.cache_key(datasource.table_name, clients)
        return [
            *super().get_rls_cache_key(datasource),
            version,
            f"language {language.of_request()}{language.separators_of_request()}",
        ]

    def _has_view_access(self, user: Any, permission_name: str, view_name: str) -> bool:
        """A guest may do a small part of what the client's role may."""
        if isinstance(user, guests.Guest) and (permission_name, view_name) not in guests.ALLOWED:
            return False
        return bool(super()._has_view_access(user, permission_name, view_name))

    def get_user_roles_permissions(self, user: Any) -> dict[str, list[tuple[str, str]]]:
        """What Superset's pages show and hide buttons by."""
        if isinstance(user, guests.Guest):
            return {"guest": sorted(guests.ALLOWED)}
        found: dict[str, list[tuple[str, str]]] = super().get_user_roles_permissions(user)
        return found

    def raise_for_access(self, *args: Any, **kwargs: Any) -> None:
        """Superset's own checks, and Pulse's: a client's user may not send SQL, nor ask for more than charts need."""
        query_context = kwargs.get("query_context")
        known = g.get("pulse_identity")
        if query_context is not None and known is not None and known.clients:
            try:
                bounds.check(query_context)
                if known.is_guest:
                    guests.check(known.user, query_context)
            except bounds.TooMuch as error:
                answers.say(str(error))
                raise SupersetSecurityException(
                    SupersetError(
                        error_type=SupersetErrorType.DATASOURCE_SECURITY_ACCESS_ERROR,
                        message=str(error),
                        level=ErrorLevel.ERROR,
                    )
                ) from error
        super().raise_for_access(*args, **kwargs)


def _kind() -> str:
    return "api" if request.is_json else "browser"


def _too_early(attempt: throttle.Try) -> None:
    """Say how long to wait; the password was not looked at."""
    logger.warning("login refused for %s s: too many failures, last from %s", attempt.wait_seconds, attempt.address)
    answers.say(throttle.TOO_MANY, seconds=attempt.wait_seconds)
    g.pulse_wait_seconds = attempt.wait_seconds
    if not request.is_json:
        flash(say(throttle.TOO_MANY, seconds=attempt.wait_seconds), "warning")
