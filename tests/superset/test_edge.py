"""Who is believed about https and the visitor's address."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.test import EnvironBuilder, run_wsgi_app
from werkzeug.wrappers import Request, Response

CLAIMS = {
    "X-Forwarded-For": "203.0.113.9",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "pulse.example",
    "X-Forwarded-Prefix": "/x",
    "Forwarded": "for=203.0.113.9;proto=https",
}


def seen(trusted: list[str], peer: str, headers: dict[str, str] = CLAIMS) -> tuple[str | None, str, str, set[str]]:
    """Address, scheme and host that the application sees, and the forwarding headers that are left."""
    from pulse_superset.edge import Edge, TrustedProxies

    found: list[Any] = []

    @Request.application
    def application(request: Request) -> Response:
        left = {name for name in headers if name in request.headers}
        found.append((request.remote_addr, request.scheme, request.host, left))
        return Response("")

    environ = EnvironBuilder(headers=headers, environ_base={"REMOTE_ADDR": peer}).get_environ()
    run_wsgi_app(Edge(application, TrustedProxies(trusted)), environ)
    return found[0]  # type: ignore[no-any-return]


@pytest.mark.parametrize("trusted", [["10.1.2.3"], ["10.1.0.0/16"], ["192.168.0.0/16", "10.1.2.3"]])
def test_a_trusted_proxy_is_believed(superset_modules: None, trusted: list[str]) -> None:
    assert seen(trusted, "10.1.2.3")[:3] == ("203.0.113.9", "https", "pulse.example")


def test_a_proxy_may_be_named(superset_modules: None) -> None:
    assert seen(["localhost"], "127.0.0.1")[0] == "203.0.113.9"


@pytest.mark.parametrize("trusted", [[], ["10.1.2.4"], ["10.2.0.0/16"], ["localhost"]])
def test_nobody_else_is(superset_modules: None, trusted: list[str]) -> None:
    assert seen(trusted, "10.1.2.3") == ("10.1.2.3", "http", "localhost", set())


def test_only_the_proxys_own_word_counts(superset_modules: None) -> None:
    """What the visitor wrote into the header comes before what the proxy appends."""
    chain = {**CLAIMS, "X-Forwarded-For": "198.51.100.1, 203.0.113.9"}
    assert seen(["10.1.2.3"], "10.1.2.3", chain)[0] == "203.0.113.9"
