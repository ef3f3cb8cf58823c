"""GitHub Apps: their public keys, and the installation tokens that were issued."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import Any

import jwt


@dataclass
class App:
    """An App that is installed at one organisation."""

    app_id: str
    public_key: str
    organisation: str
    token_seconds: float = 3600


class Apps:
    """All Apps. Tokens are long, and expire by the real clock, like a JWT."""

    def __init__(self) -> None:
        self._apps: dict[str, App] = {}
        self._tokens: dict[str, tuple[str, float]] = {}

    def add(self, body: dict[str, Any]) -> None:
        """Install an App."""
        app = App(**body)
        self._apps[app.app_id] = app

    def signed_by(self, token: str) -> App | None:
        """The App whose key signed a JWT, if the JWT is valid now and lives for at most ten minutes."""
        try:
            issuer = str(jwt.decode(token, options={"verify_signature": False}).get("iss"))
            app = self._apps.get(issuer)
            claims = jwt.decode(token, app.public_key, algorithms=["RS256"]) if app else {}
        except jwt.PyJWTError:
            return None
        return app if app and claims["exp"] - time.time() <= 600 else None

    def give_token(self, app: App) -> tuple[str, float]:
        """A new installation token, and when it expires (epoch seconds)."""
        ends = time.time() + app.token_seconds
        token = f"ghs_{app.app_id}_{secrets.token_hex(180)}"
        self._tokens[token] = (app.organisation, ends)
        return token, ends

    def organisation_of(self, token: str) -> str | None:
        """The organisation that a token was issued for; None if the token is unknown or expired."""
        organisation, ends = self._tokens.get(token, ("", 0.0))
        return organisation if ends > time.time() else None
