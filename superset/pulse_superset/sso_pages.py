"""Single sign-on by OpenID Connect, beside the sign-in form: authorization code with PKCE, state and nonce (Authlib's client).

The provider says who somebody is; whether that is a person here, and of which client, the database decides (core.sso_sign_in).
"""

from __future__ import annotations

import logging
import time
from functools import cache
from typing import Any

from authlib.integrations.flask_client import OAuth
from flask import Blueprint, current_app, redirect, request
from flask import session as cookie
from flask_login import login_user

from pulse import environ
from pulse.addresses import domain_of, is_address
from pulse.languages import mark
from pulse.sso import Provider, providers
from pulse.texts import one_line
from pulse_superset import accounts, answers, audit, branding, invitations, password_pages
from pulse_superset.landing import landing_path
from pulse_superset.language import say

CHOOSE = "/pulse/sso/"
START = "/pulse/sso/<name>/"
BACK = "/pulse/sso/<name>/back/"
TIMEOUT_SECONDS = 10
REPLICA_SECONDS = 3
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
RANK = ("client_admin", "manager", "executive")
NO_LOGIN = mark("There is no login for you here. Ask whoever manages Pulse for your company to invite you.")
SAID = {
    "failed": mark("The sign-in did not work. Try again."),
    "not verified": mark(
        "Your company's sign-in does not say that your e-mail address is verified. Ask whoever runs it."
    ),
    "unknown": NO_LOGIN,
    "not active": NO_LOGIN,
    "somebody else": mark(
        "Your e-mail address belonged to another account before. Ask whoever manages Pulse to remove it, and to add you again."
    ),
    "no role": mark("Your account at your company's sign-in has no role for Pulse. Ask whoever runs it."),
    "not ready": mark("Your company is being set up. Try again in a few minutes."),
}

logger = logging.getLogger(__name__)


class Refused(Exception):
    """Why somebody is not signed in: a key of SAID."""


def add_to(pages: Blueprint) -> None:
    """Add the addresses."""
    pages.add_url_rule(CHOOSE, "sso", _choose, methods=["GET", "POST"])
    pages.add_url_rule(START, "sso_start", _start)
    pages.add_url_rule(BACK, "sso_back", _back)


@cache
def known() -> dict[str, Provider]:
    """The providers of this process."""
    return providers()


@cache
def _client(name: str) -> Any:
    provider = known()[name]
    oauth = OAuth(current_app._get_current_object())
    return oauth.register(
        name=f"pulse_{name}",
        client_id=provider.client_id,
        client_secret=provider.client_secret or None,
        server_metadata_url=f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration",
        client_kwargs={
            "scope": "openid email profile",
            "code_challenge_method": "S256",
            "default_timeout": TIMEOUT_SECONDS,
            # A client without a secret is a public one; the code's verifier protects it.
            **({} if provider.client_secret else {"token_endpoint_auth_method": "none"}),
        },
    )


def _choose() -> Any:
    """By the address's domain. A link leads on, because the page's policy lets its form lead nowhere else."""
    shown = [provider for provider in known().values() if provider.everyone]
    if request.method == "GET":
        return password_pages.show(
            "pulse/sso.html", branding.visitors_brand(), providers=shown, problem="", chosen=None
        )
    email = request.form.get("email", "").strip().lower()
    try:
        chosen = _of_domain(domain_of(email)) if is_address(email) else None
    except accounts.DatabaseAway:
        return password_pages.away()
    problem = "" if chosen else say("There is no single sign-on for this address. Sign in with your password.")
    return password_pages.show(
        "pulse/sso.html", branding.visitors_brand(), providers=shown, problem=problem, chosen=chosen
    )


def _of_domain(domain: str) -> Provider | None:
    return next((known()[name] for name in sorted(known()) if invitations.sso_client(name, domain) is not None), None)


def _start(name: str) -> Any:
    if name not in known():
        return "", 404
    try:
        client = _ready(name)
        _forget(name)  # what an earlier try left in the cookie
        return client.authorize_redirect(_back_address(name))
    except Exception as error:  # of the network, or the provider's
        return _refused(name, "", "failed", f"{type(error).__name__}: {error}")


def _back(name: str) -> Any:
    if name not in known():
        return "", 404
    email = ""
    try:
        claims = _claims(name)
        email = _address(claims)
        account = _person(known()[name], claims, email)
    except Refused as refused:
        return _refused(name, email, str(refused), str(refused))
    except accounts.DatabaseAway:
        return password_pages.away()
    except Exception as error:  # Authlib's and its libraries' have no common class
        return _refused(name, email, "failed", f"{type(error).__name__}: {error}")
    from superset.extensions import security_manager

    user = security_manager.begin_session(account)
    if user is None:
        return _refused(name, email, "not ready", "not ready")
    login_user(user)
    audit.note(audit.SIGNED_IN, email, f"sso {name}", account.client_id)
    return redirect(landing_path())


def _ready(name: str) -> Any:
    """The client of a provider whose description is at hand and speaks for the issuer that was declared."""
    client = _client(name)
    metadata = client.load_server_metadata()
    if metadata.get("issuer") != known()[name].issuer:
        client.server_metadata.pop("_loaded_at", None)
        raise ValueError(f"the provider calls itself {metadata.get('issuer')!r}, not {known()[name].issuer!r}")
    offered = metadata.get("id_token_signing_alg_values_supported") or ["RS256"]
    client.server_metadata["id_token_signing_alg_values_supported"] = [one for one in offered if one in ALGORITHMS]
    return client


def _claims(name: str) -> dict[str, Any]:
    """What the provider says about whoever comes back from it. Raises whatever Authlib does."""
    provider, client = known()[name], _ready(name)
    if any(len(values) > 1 for _, values in request.args.lists()):
        raise ValueError("a parameter of the answer is there twice")
    if request.args.get("iss", provider.issuer) != provider.issuer:
        raise ValueError("the answer is of another provider")
    token = client.authorize_access_token(
        claims_options={
            "iss": {"essential": True, "value": provider.issuer},
            "aud": {"essential": True, "value": provider.client_id},
        }
    )
    claims = token.get("userinfo")
    if not claims:
        raise ValueError("the provider has sent no ID token")
    if not claims.get("nonce"):
        raise ValueError("the ID token has no nonce")
    found = dict(claims)
    if "email" not in found or provider.roles_claim not in found:
        # Many providers put only the subject into the ID token. What the access token opens must be the same person's.
        more = dict(client.userinfo(token=token))
        if more.get("sub") != found["sub"]:
            raise ValueError("the provider's two answers are of different people")
        found = more | found
    return found


def _address(claims: dict[str, Any]) -> str:
    email = claims.get("email")
    if not isinstance(email, str) or not is_address(email.lower()) or claims.get("email_verified") is not True:
        raise Refused("not verified")
    return email.lower()


def _person(provider: Provider, claims: dict[str, Any], email: str) -> accounts.Account:
    subject = f"{provider.issuer} {claims['sub']}"
    name = claims.get("name")
    full_name = one_line(name)[:120] if isinstance(name, str) else ""
    outcome = invitations.sso_sign_in(
        provider.name, provider.everyone, email, subject, full_name, _role(provider, claims, domain_of(email))
    )
    if outcome != "in":
        raise Refused(outcome)
    # Pages ask the replica, which may not have the person yet.
    deadline = time.monotonic() + REPLICA_SECONDS
    while (account := accounts.find_account(email)) is None or not account.active:
        if time.monotonic() > deadline:
            raise Refused("not ready")
        time.sleep(0.05)
    return account


def _role(provider: Provider, claims: dict[str, Any], domain: str) -> str | None:
    """The highest role that the claim's values give in the client of this domain."""
    client_id = invitations.sso_client(provider.name, domain)
    roles = accounts.sso_roles(client_id) if client_id is not None else {}
    given = claims.get(provider.roles_claim)
    values = given if isinstance(given, list) else [given]
    held = {roles[value] for value in values if isinstance(value, str) and value in roles}
    return next((role for role in RANK if role in held), None)


def _refused(name: str, email: str, said: str, why: str) -> Any:
    _forget(name)
    logger.warning("sign-in through %s refused: %s", name, why)
    audit.note(audit.REFUSED_SIGN_IN, email or f"visitor at {request.remote_addr}", f"sso {name}: {why[:200]}")
    page = password_pages.show(
        "pulse/sso.html", branding.visitors_brand(), providers=[], problem=say(SAID[said]), chosen=None
    )
    return page, answers.own_page(403)


def _forget(name: str) -> None:
    for key in [key for key in cookie if key.startswith(f"_state_pulse_{name}_")]:
        cookie.pop(key)


def _back_address(name: str) -> str:
    """One address for each provider: an answer of one is not taken for another's."""
    return environ.SUPERSET_PUBLIC_URL.get().rstrip("/") + BACK.replace("<name>", name)
