"""The proxy in front of Superset: only what a known one says about https and the visitor's address is believed.

Anybody can send X-Forwarded-For. From an address that is not named in PULSE_TRUSTED_PROXIES these headers are dropped, so that
nobody chooses the address that logins are counted by.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Iterable
from typing import Any

from werkzeug.middleware.proxy_fix import ProxyFix

LOOK_UP_SECONDS = 30

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class TrustedProxies:
    """Addresses and networks, and host names, which are looked up again every half minute: a container's address changes."""

    def __init__(self, names: Iterable[str]) -> None:
        self._networks: list[Network] = []
        self._hosts: list[str] = []
        for name in names:
            try:
                self._networks.append(ipaddress.ip_network(name, strict=False))
            except ValueError:
                self._hosts.append(name)
        self._found: set[str] = set()
        self._look_up_at = 0.0
        self._lock = threading.Lock()

    def __contains__(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._networks) or address in self._addresses()

    def _addresses(self) -> set[str]:
        with self._lock:
            if self._hosts and time.monotonic() >= self._look_up_at:
                self._look_up_at = time.monotonic() + LOOK_UP_SECONDS
                self._found = {address for host in self._hosts for address in _resolved(host)}
            return self._found


def _resolved(host: str) -> set[str]:
    try:
        return {str(found[4][0]) for found in socket.getaddrinfo(host, None, proto=socket.IPPROTO_TCP)}
    except OSError:
        return set()


class Edge:
    """WSGI: the application sees the visitor's address, scheme and host when a trusted proxy forwards the request."""

    def __init__(self, application: Any, trusted: TrustedProxies) -> None:
        self._direct = application
        self._forwarded = ProxyFix(application, x_for=1, x_proto=1, x_host=1, x_port=0, x_prefix=0)
        self._trusted = trusted

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        if environ.get("REMOTE_ADDR", "") in self._trusted:
            return self._forwarded(environ, start_response)
        for name in [name for name in environ if name.startswith("HTTP_X_FORWARDED_") or name == "HTTP_FORWARDED"]:
            del environ[name]
        return self._direct(environ, start_response)
