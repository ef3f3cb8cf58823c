"""Signing requests to GitHub: with a plain token, or as a GitHub App whose private key gets tokens for one hour each.

A Connection whose password is a private key (PEM) belongs to an App; its login is the App's id or client id. GitHub calls
the one-hour token an installation token. Its form and length may change, so nothing here looks inside.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import requests

from pulse.errors import AccessLost, AuthError, ConfigError, Where
from pulse.sources.base import Credential, Integration
from pulse.sources.http import Auth, HttpClient, TokenAuth
from pulse.warehouse.runs import RunStats

# A token is replaced this long before it expires, so that no call outlives it.
RENEW_BEFORE = timedelta(minutes=10)
JWT_SECONDS = 540
RENEW_AGAIN_SECONDS = 60.0
CLOCK_SKEW_SECONDS = 60
_KEY_HEADER = "-----BEGIN"


def auth_for(integration: Integration, credential: Credential, stats: RunStats) -> Auth:
    """How to sign the requests of an integration. Raises ConfigError for an App without an id."""
    if not credential.token.lstrip().startswith(_KEY_HEADER):
        return TokenAuth(credential.token)
    if not credential.login:
        raise ConfigError(
            client=integration.client_slug,
            source=integration.name,
            message="the Connection holds a private key but no App id",
            remedy=f"set the GitHub App's id or client id as the login of {integration.connection_id}",
        )
    return AppAuth(integration, credential, stats)


class _JwtAuth:
    """Signs as the App itself, which GitHub accepts only for requesting installation tokens."""

    def __init__(self, app_id: str, key: str, where: Where, connection_id: str) -> None:
        self.app_id = app_id
        self.key = key
        self.where = where
        self.connection_id = connection_id

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        now = int(time.time())
        claims = {"iat": now - CLOCK_SKEW_SECONDS, "exp": now + JWT_SECONDS, "iss": self.app_id}
        try:
            signed = jwt.encode(claims, self.key, algorithm="RS256")
        except (ValueError, TypeError, jwt.PyJWTError):
            # The original message may contain parts of the key.
            raise ConfigError(
                **self.where,
                message="the Connection's private key cannot be read",
                remedy=f"put the whole PEM file, with its line breaks, into the password of {self.connection_id}",
            ) from None
        request.headers["Authorization"] = f"Bearer {signed}"
        return request

    def renew(self) -> bool:
        return False

    def secrets(self) -> tuple[str, ...]:
        return (self.key,)


class AppAuth:
    """Signs as a GitHub App's installation at the integration's organisation.

    It gets a token when the first request is signed, the next one before that expires, and another if GitHub refuses it.
    """

    def __init__(self, integration: Integration, credential: Credential, stats: RunStats) -> None:
        assert credential.login is not None
        self.base_url = integration.base_url.rstrip("/")
        self.owner = str(integration.config["organization"])
        self.installation = integration.config.get("installation_id")
        self.where: Where = {"client": integration.client_slug, "source": integration.name}
        key = credential.token.replace("\\n", "\n").strip()
        self.http = HttpClient(
            _JwtAuth(credential.login, key, self.where, integration.connection_id),
            **self.where,
            stats=stats,
            headers={},
        )
        self._key = key
        self._token = ""
        self._mask = credential.mask
        self._ends_at = datetime.fromtimestamp(0, UTC)
        self._renewed_at = -RENEW_AGAIN_SECONDS

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if datetime.now(UTC) > self._ends_at - RENEW_BEFORE:
            self._get_token()
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def renew(self) -> bool:
        """Get another token after a 401; False if the refused one is too young to have expired."""
        if time.monotonic() - self._renewed_at < RENEW_AGAIN_SECONDS:
            return False
        self._renewed_at = time.monotonic()
        self._get_token()
        return True

    def secrets(self) -> tuple[str, ...]:
        return tuple(secret for secret in (self._token, self._key) if secret)

    def _get_token(self) -> None:
        response = self._ask("POST", f"app/installations/{self._installation()}/access_tokens")
        self._token = str(response["token"])
        if self._mask is not None:
            self._mask(self._token)
        # By our clock, because that is the one it is compared with; GitHub's tokens last an hour.
        self._ends_at = datetime.now(UTC) + timedelta(hours=1)

    def _installation(self) -> str:
        """The id of the App's installation at the owner: declared, or looked up."""
        if self.installation is None:
            try:
                self.installation = self._ask("GET", f"orgs/{self.owner}/installation")["id"]
            except AccessLost:
                self.installation = self._ask("GET", f"users/{self.owner}/installation")["id"]
        return str(self.installation)

    def _ask(self, method: str, path: str) -> dict[str, Any]:
        try:
            body: dict[str, Any] = self.http.call(method, f"{self.base_url}/{path}").body
        except AuthError as error:
            raise AuthError(
                **self.where,
                status=error.status,
                message="GitHub refuses the App's key, or the App may not do this",
                remedy="check the App's id (login) and private key (password) of the Connection, and that the App is"
                f" installed at {self.owner}",
            ) from error
        return body
