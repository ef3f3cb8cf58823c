"""Guests: who looks at a dashboard inside a client's own site (docs/embedding.md).

A guest token names one client, one dashboard and the key that it was made with, and nothing else: Superset's own claims
(`user`, `resources`, `rls_rules`) would let whoever makes a token choose a name and a row rule. A guest gets the client's role,
and with it the client's database login and row rule, but only the permissions in ALLOWED. A chart of that one dashboard, and
the values of its filters, are all that a guest may ask for.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jwt
from flask import current_app
from superset.security.guest_token import GuestUser

from pulse.tenancy import superset_role
from pulse_superset import accounts
from pulse_superset.bounds import TooMuch

HEADER = "X-GuestToken"
TYPE = "guest"
AUDIENCE = "pulse embedding"
ALGORITHM = "HS256"
LIFETIME_SECONDS = 300
CLAIMS = frozenset({"type", "aud", "iat", "exp", "client_id", "key_id", "dashboard"})
# Of what the client's role may do, what a guest may: no download, no link, no state of a filter.
ALLOWED = frozenset(
    {
        ("can_read", "Chart"),
        ("can_read", "Dashboard"),
        ("can_read", "CurrentUserRestApi"),
        ("can_read", "SecurityRestApi"),
        ("can_time_range", "Api"),
    }
)


class NoGuest(Exception):
    """A guest token that is not valid, or not any more."""


@dataclass(frozen=True)
class Ticket:
    """What a guest token says. It is signed by us."""

    client_id: int
    key_id: int
    dashboard: str


class Guest(GuestUser):  # type: ignore[misc]
    """Superset's user for a guest: with the client's role, for one dashboard, without any rule of the token's own."""

    def __init__(self, ticket: Ticket, role: Any, dashboard_id: int) -> None:
        # Superset compares and caches by this name. No account can have it: accounts of clients are e-mail addresses.
        user = {"username": f"guest by key {ticket.key_id}", "first_name": "Guest", "last_name": ""}
        resources = [{"type": "dashboard", "id": str(dashboard_id)}]
        super().__init__({"user": user, "resources": resources, "rls_rules": []}, [role])
        self.dashboard_id = dashboard_id


def make(ticket: Ticket) -> str:
    """A token that is good for LIFETIME_SECONDS."""
    now = int(time.time())
    claims = {
        "type": TYPE,
        "aud": AUDIENCE,
        "iat": now,
        "exp": now + LIFETIME_SECONDS,
        "client_id": ticket.client_id,
        "key_id": ticket.key_id,
        "dashboard": ticket.dashboard,
    }
    return str(jwt.encode(claims, current_app.config["GUEST_TOKEN_JWT_SECRET"], algorithm=ALGORITHM))


def read(token: str) -> Ticket:
    """What a token says, if it is ours, of this moment, and has our claims only. Raises NoGuest."""
    secret = current_app.config["GUEST_TOKEN_JWT_SECRET"]
    try:
        claims = jwt.decode(token, secret, algorithms=[ALGORITHM], audience=AUDIENCE, options={"require": [*CLAIMS]})
    except jwt.PyJWTError as error:
        raise NoGuest("The guest token is not valid, or not any more.") from error
    numbers = [claims[name] for name in ("client_id", "key_id", "iat", "exp")]
    if (
        set(claims) != CLAIMS
        or (claims["type"], claims["aud"]) != (TYPE, AUDIENCE)
        or any(type(number) is not int or not 0 < number < 1 << 31 for number in numbers)
        or not isinstance(claims["dashboard"], str)
        or claims["exp"] - claims["iat"] > LIFETIME_SECONDS
    ):
        raise NoGuest("This is not a guest token of Pulse.")
    return Ticket(claims["client_id"], claims["key_id"], claims["dashboard"])


def admit(ticket: Ticket) -> Guest:
    """Superset's user, while the key counts and the client still embeds this dashboard. Raises NoGuest."""
    from superset.extensions import db, security_manager
    from superset.models.dashboard import Dashboard

    try:
        key = accounts.embed_key(client_id=ticket.client_id, key_id=ticket.key_id)
    except accounts.DatabaseAway as away:
        raise NoGuest("Guests cannot be let in at the moment.") from away
    role = security_manager.find_role(superset_role(ticket.client_id))
    dashboard = db.session.query(Dashboard.id).filter(Dashboard.slug == ticket.dashboard).one_or_none()
    if key is None or ticket.dashboard not in key.dashboards or role is None or dashboard is None:
        raise NoGuest("This guest token does not count any more.")
    return Guest(ticket, role, int(dashboard[0]))


def no_other_token(_body: Any) -> bool:
    """GUEST_TOKEN_VALIDATOR_HOOK: Superset's own route makes no token, because it would take any row rule from its caller."""
    return False


def check(guest: Guest, context: Any) -> None:
    """Check that a query is that of a chart of the guest's dashboard, or asks for the values of one of its filters.

    Superset compares a guest's query with the chart's, but finds only charts whose dataset the user may read, and lets the
    query pass if it finds none; so the chart is looked up here. Raises TooMuch.
    """
    from superset.extensions import db
    from superset.models.dashboard import Dashboard

    form = context.form_data if isinstance(context.form_data, dict) else {}
    kinds = {_plain(context.result_type), *(_plain(query.result_type or "full") for query in context.queries)}
    if _plain(context.result_format) != "json" or kinds != {"full"}:
        raise TooMuch("A guest gets the answers that charts need, and no files.")
    if str(form.get("dashboardId")) != str(guest.dashboard_id):
        raise TooMuch("A guest sees one dashboard only.")
    dashboard = db.session.get(Dashboard, guest.dashboard_id)
    if form.get("type") == "NATIVE_FILTER":
        columns = set(_filter_columns(dashboard, str(form.get("native_filter_id")), context.datasource.id))
        asked = [column for query in context.queries for column in query.columns or ()]
        if (
            not columns
            or any(str(column) not in columns for column in asked)
            or any(q.metrics for q in context.queries)
        ):
            raise TooMuch("The dashboard has no such filter.")
        return
    number = form.get("slice_id")
    chart = next((chart for chart in dashboard.slices if chart.id == number), None)
    others = form.get("chart_id", number) != number or form.get("parent_slice_id") is not None
    if chart is None or others or chart.datasource != context.datasource:
        raise TooMuch("The dashboard has no such chart.")
    context.slice_ = chart


def _filter_columns(dashboard: Any, filter_id: str, dataset_id: int) -> Iterator[str]:
    for one in json.loads(dashboard.json_metadata or "{}").get("native_filter_configuration", []):
        for target in one.get("targets", []) if one.get("id") == filter_id else ():
            if target.get("datasetId") == dataset_id and target.get("column"):
                yield str(target["column"]["name"])


def _plain(value: Any) -> str:
    """An enumeration's value, as text."""
    return str(getattr(value, "value", value))
