"""Superset's security manager for Pulse: clients' users log in through core.users, staff through Superset's own accounts.

A client's user gets a Superset user with exactly the role `client_<id>`, which decides the database login
(pulse_superset.connections), the row-level-security rule and the permissions. Their requests may name columns and saved metrics,
never SQL.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Iterator
from typing import Any

from flask import g, request
from flask import session as cookie
from flask_appbuilder.security.utils import is_null_password
from flask_jwt_extended import decode_token, get_jwt, verify_jwt_in_request
from flask_jwt_extended.exceptions import JWTExtendedException
from jwt.exceptions import PyJWTError
from superset.errors import ErrorLevel, SupersetError, SupersetErrorType
from superset.exceptions import SupersetSecurityException
from superset.extensions import cache_manager
from superset.security import SupersetSecurityManager

from pulse.tenancy import superset_role
from pulse_superset import accounts, sessions
from pulse_superset.connections import client_of_superset_role, clients_of

COOKIE_KEY = "pulse_session"
CLAIM = "pulse_session"
FAILURE_WINDOW_SECONDS = 300
FAILURES_PER_ACCOUNT = 10
FAILURES_PER_ADDRESS = 100

logger = logging.getLogger(__name__)


class PulseSecurityManager(SupersetSecurityManager):  # type: ignore[misc]
    """Login, sessions and limits of the clients' users."""

    # ------------------------------------------------------------------------------------------------------ login

    def auth_user_db(self, username: str | None, password: str | None) -> Any:
        """The user of a form or API login, None if refused: a client's user by e-mail, or one of Superset's own."""
        if not username or not password or is_null_password(password):
            return None
        if self._too_many_failures(username):
            logger.warning("login refused: too many failures for %r or from %s", username, request.remote_addr)
            return None
        try:
            account = accounts.find_account(username)
        except accounts.DatabaseAway as away:
            logger.error("the clients' accounts cannot be read: %s", away)
            account = None
        user = self._client_login(account, password) if account else self._staff_login(username, password)
        if user is None:
            self._count_failure(username)
        return user

    def _staff_login(self, username: str, password: str) -> Any:
        user = super().auth_user_db(username, password)
        # Someone whose account was removed from core.users may not log in, even if Superset still has the user.
        return None if user is None or self.clients_of_user(user) else user

    def _client_login(self, account: accounts.Account, password: str) -> Any:
        if not accounts.password_matches(account.password_hash, password) or not account.active:
            logger.info("login refused for user %s of client %s", account.user_id, account.client_id)
            return None
        user = self._synchronise_user(account)
        if user is None:
            return None
        kind = "api" if request.is_json else "browser"
        g.pulse_session = sessions.begin(account, kind)
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

    # --------------------------------------------------------------------------------------------------- throttle

    def _failure_keys(self, username: str) -> tuple[tuple[str, int], tuple[str, int]]:
        who = hashlib.sha256(f"{username.strip().lower()}\0{request.remote_addr}".encode()).hexdigest()
        return (f"pulse-failures-{who}", FAILURES_PER_ACCOUNT), (
            f"pulse-failures-from-{request.remote_addr}",
            FAILURES_PER_ADDRESS,
        )

    def _too_many_failures(self, username: str) -> bool:
        return any((cache_manager.cache.get(key) or 0) >= limit for key, limit in self._failure_keys(username))

    def _count_failure(self, username: str) -> None:
        for key, _ in self._failure_keys(username):
            cache_manager.cache.set(key, (cache_manager.cache.get(key) or 0) + 1, timeout=FAILURE_WINDOW_SECONDS)

    # --------------------------------------------------------------------------------------------------- sessions

    def create_jwt_manager(self, app: Any) -> Any:
        """JWTs of clients' users carry `client_id` and the session."""
        manager = super().create_jwt_manager(app)
        manager.additional_claims_loader(self._claims)
        return manager

    @staticmethod
    def _claims(_identity: str) -> dict[str, Any]:
        session = getattr(g, "pulse_session", None)
        if session is None and verify_jwt_in_request(optional=True, refresh=True):
            session = sessions.Session.from_dict(get_jwt().get(CLAIM))  # a refreshed token keeps its session
        return {} if session is None else {"client_id": session.client_id, CLAIM: session.to_dict()}

    def load_user(self, pk: int | str) -> Any:
        """The user of a browser's cookie; None if the session is over."""
        user = super().load_user(int(pk))
        if user is None or not self.clients_of_user(user):
            return user
        session = sessions.Session.from_dict(cookie.get(COOKIE_KEY))
        return user if self._session_holds(user, session) else None

    def load_user_jwt(self, _jwt_header: dict[str, Any], jwt_data: dict[str, Any]) -> Any:
        """The user of a JWT; None if the session is over."""
        user = super().load_user(int(jwt_data["sub"]))
        if user is None:
            return None
        if self.clients_of_user(user):
            session = sessions.Session.from_dict(jwt_data.get(CLAIM))
            if not self._session_holds(user, session):
                return None
            g.pulse_session = session
        g.user = user
        return user

    def request_loader(self, request: Any) -> Any:
        """Accept a bearer token for every request, including pages, not only for API methods that require it."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return super().request_loader(request)
        try:
            data = decode_token(token)
        except (PyJWTError, JWTExtendedException):
            return None
        return self.load_user_jwt({}, data) if data.get("type") == "access" else None

    def _session_holds(self, user: Any, session: sessions.Session | None) -> bool:
        if session is None or self.clients_of_user(user) != {session.client_id}:
            return False
        if cache_manager.cache.get(f"pulse-ended-{session.token_hash}"):
            return False
        return sessions.is_valid(session)

    def on_user_logout(self, user: Any) -> None:
        """End the session in the table or, while the primary is down, in the cache that all workers share."""
        session = sessions.Session.from_dict(cookie.pop(COOKIE_KEY, None))
        if session is not None and not sessions.end(session):
            cache_manager.cache.set(f"pulse-ended-{session.token_hash}", True, timeout=sessions.LIFETIME_SECONDS)

    def clients_of_user(self, user: Any) -> set[int]:
        """The clients whose roles a user has; empty for staff and for nobody."""
        return clients_of(role.name for role in self.get_user_roles(user))

    # ----------------------------------------------------------------------------------------------------- access

    def raise_for_access(self, *args: Any, **kwargs: Any) -> None:
        """Superset's own checks, and Pulse's: a client's user may not send SQL."""
        query_context = kwargs.get("query_context")
        user = getattr(g, "user", None)
        if query_context is not None and user is not None and self.clients_of_user(user):
            names = {column.column_name for column in getattr(query_context.datasource, "columns", ())}
            for query in query_context.queries:
                if any(text not in names for text in _sql_in(vars(query))):
                    raise SupersetSecurityException(
                        SupersetError(
                            error_type=SupersetErrorType.DATASOURCE_SECURITY_ACCESS_ERROR,
                            message="Only the columns and metrics of a dataset may be asked for, not SQL.",
                            level=ErrorLevel.ERROR,
                        )
                    )
        super().raise_for_access(*args, **kwargs)


def _sql_in(value: Any, key: str = "") -> Iterator[str]:
    """SQL text anywhere in a query: ad-hoc expressions, and free `where` and `having` clauses.

    The axis of a time series arrives as an expression that is only a column's name; the caller lets those pass.
    """
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _sql_in(inner, str(name))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _sql_in(inner, key)
    elif key in ("sqlExpression", "where", "having") and value:
        yield str(value)
