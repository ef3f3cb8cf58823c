"""The sign-in providers (OpenID Connect) of an installation: PULSE_OIDC_PROVIDERS, checked. Standard library only."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from pulse import environ

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_REQUIRED, _OPTIONAL = {"name", "issuer", "client_id"}, {"label", "client_secret", "everyone", "roles_claim"}
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class BadProvider(ValueError):
    """The variable cannot be used; the text names the provider, the field, and what to do."""


@dataclass(frozen=True)
class Provider:
    """One provider.

    `everyone`: it may sign in the people of every client. Otherwise only those of the clients that name it, with the addresses of
    their own domains: one client's provider must not speak for another's people.
    """

    name: str
    issuer: str
    client_id: str
    label: str
    client_secret: str = field(repr=False)
    everyone: bool
    roles_claim: str


def providers() -> dict[str, Provider]:
    """The providers by name; empty when none is set. Raises BadProvider."""
    text = environ.OIDC_PROVIDERS.get()
    if not text:
        return {}
    where = environ.OIDC_PROVIDERS.name
    try:
        entries = json.loads(text)
    except ValueError as error:
        raise BadProvider(f"{where} is not JSON: {error}") from None
    if not isinstance(entries, list):
        raise BadProvider(f'{where} must be a list: [{{"name": …, "issuer": …, "client_id": …}}]')
    found: dict[str, Provider] = {}
    for number, entry in enumerate(entries):
        provider = _provider(f"{where}[{number}]", entry)
        if provider.name in found:
            raise BadProvider(f"{where}[{number}]: the name {provider.name!r} is used twice")
        found[provider.name] = provider
    return found


def _provider(where: str, entry: object) -> Provider:
    if not isinstance(entry, dict):
        raise BadProvider(f"{where} must be an object")
    if wrong := (_REQUIRED - set(entry)) or (set(entry) - _REQUIRED - _OPTIONAL):
        state = "is missing" if wrong <= _REQUIRED else f"is unknown: use {', '.join(sorted(_REQUIRED | _OPTIONAL))}"
        raise BadProvider(f"{where}: {min(wrong)} {state}")
    for key, value in entry.items():
        kind: type = bool if key == "everyone" else str
        if not isinstance(value, kind) or value == "":
            raise BadProvider(f"{where}: {key} must be {'true or false' if kind is bool else 'a text'}")
    name, issuer = entry["name"], entry["issuer"].rstrip("/")
    if not _NAME.fullmatch(name):
        raise BadProvider(
            f"{where}: name must have lower-case letters, digits and underscores, and begin with a letter"
        )
    address = urlsplit(issuer)
    if address.scheme != "https" and not (address.scheme == "http" and address.hostname in _LOOPBACK):
        raise BadProvider(f"{where}: issuer must begin with https://")
    if not address.hostname or address.username or address.query or address.fragment:
        raise BadProvider(f"{where}: issuer must be the provider's address, without login, query or fragment")
    return Provider(
        name=name,
        issuer=entry["issuer"],
        client_id=entry["client_id"],
        label=entry.get("label") or name,
        client_secret=entry.get("client_secret", ""),
        everyone=entry.get("everyone", False),
        roles_claim=entry.get("roles_claim", "groups"),
    )
