"""Keeps a declared address from reaching into the network that Pulse runs in (server-side request forgery).

An admin of one client declares the address, so it is not trusted. Addresses that are not public are refused before a
connection is made and again on the connection itself, in case the name resolves differently meanwhile (DNS rebinding).
No redirect to another server is followed and no proxy is used, because either would hide whom we talk to. Every type
passes here, because HttpClient has no other kind of session.
"""

from __future__ import annotations

import http.client
import io
import ipaddress
import os
import socket
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from pulse import environ
from pulse.sources.bounds import TimedReader

ALLOW_VARIABLE = environ.PRIVATE_URLS.name
_DEFAULT_PORTS = {"https": 443, "http": 80}
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# IANA's registries of special addresses, written out: what Python's ipaddress says differs between its versions.
_NOT_PUBLIC_4 = [
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",
        "100.64.0.0/10",  # providers' own; Alibaba's metadata
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's host
        "169.254.0.0/16",  # link-local; metadata of clouds
        "172.16.0.0/12",
        "192.0.0.0/24",  # protocol assignments; Oracle's metadata
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved; broadcast
    )
]
_UNICAST_6 = ipaddress.IPv6Network("2000::/3")
_NOT_PUBLIC_6 = [
    ipaddress.IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarks
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, which leads to any IPv4 address
        "3fff::/20",  # documentation
    )
]


class RefusedAddress(Exception):
    """An address that is not public. Not a subclass of OSError or urllib3's errors, so that nothing takes it for a lost
    connection."""

    def __init__(self, host: str, port: int | None, address: str) -> None:
        super().__init__(f"{host} resolves to {address}, which is not a public address")
        self.host = host
        self.port = port
        self.address = address


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet. An IPv6 address that embeds an IPv4 one is judged by that."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv4Address):
        return not any(ip in network for network in _NOT_PUBLIC_4)
    if ip.ipv4_mapped is not None:
        return is_public(str(ip.ipv4_mapped))
    if ip in _NAT64:
        return is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
    return ip in _UNICAST_6 and not any(ip in network for network in _NOT_PUBLIC_6)


def is_allowed(host: str, port: int | None) -> bool:
    """Whether the operator allows this host wherever it is: PULSE_PRIVATE_URLS is "true" or names it."""
    named = {entry.lower() for entry in environ.PRIVATE_URLS.get()}
    bare = host.lower().strip("[]")
    return bool(named & {"true", bare, f"{bare}:{port}", f"[{bare}]", f"[{bare}]:{port}"})


def refusal_of_url(url: str) -> str | None:
    """What is wrong with an address as written (its scheme, a login in it, no host); None if it may be called."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "the address cannot be parsed"
    if parts.scheme not in ("https", "http"):
        return f"the scheme {parts.scheme[:20]!r} is neither https nor http"
    if parts.username is not None or parts.password is not None:
        return "the address contains a login"
    return None if parts.hostname else "the address has no host"


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port of an address. Raises ValueError when it cannot be parsed."""
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or _DEFAULT_PORTS.get(parts.scheme)


def same_server(current: str, given: str) -> str | None:
    """An address that an upstream gives, made absolute; None if it is not at the server that it was given by."""
    try:
        url = urljoin(current, given)
        return url if refusal_of_url(url) is None and origin(url) == origin(current) else None
    except ValueError:
        return None


def session() -> requests.Session:
    """A session that refuses addresses that are not public, follows no redirect, uses no proxy, and bounds the time of an
    answer."""
    made = requests.Session()
    # trust_env is off, so the operator's certificates have to be set here.
    made.verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
    made.trust_env = False
    # Even where it follows no redirect, requests prepares to, and for that reads the redirect's body without a bound.
    made.get_redirect_target = lambda response: None
    made.mount("https://", _GuardedAdapter())
    made.mount("http://", _GuardedAdapter())
    return made


def _refuse_before(host: str, port: int | None) -> None:
    """Refuse a host if any of its addresses is not public. One that cannot be resolved is left to the connection."""
    if is_allowed(host, port):
        return
    try:
        found = [str(ipaddress.ip_address(host.strip("[]")))]
    except ValueError:
        try:
            found = [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        except (socket.gaierror, UnicodeError):
            return
    for address in found:
        if not is_public(address):
            raise RefusedAddress(host, port, address)


def _refuse_peer(connected: socket.socket, host: str, port: int | None) -> None:
    """Close a connection whose other end is not public, before anything is sent."""
    if is_allowed(host, port):
        return
    address = str(connected.getpeername()[0])
    if not is_public(address):
        connected.close()
        raise RefusedAddress(host, port, address)


class _TimedResponse(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(TimedReader(self.fp.detach(), sock))


class _GuardedHTTPConnection(HTTPConnection):
    response_class = _TimedResponse

    def _new_conn(self) -> socket.socket:
        _refuse_before(self.host, self.port)
        connected = super()._new_conn()
        _refuse_peer(connected, self.host, self.port)
        return connected


class _GuardedHTTPSConnection(_GuardedHTTPConnection, HTTPSConnection):
    """The same, with TLS."""


class _GuardedHTTPPool(HTTPConnectionPool):
    ConnectionCls = _GuardedHTTPConnection


class _GuardedHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _GuardedHTTPSConnection


class _GuardedAdapter(HTTPAdapter):  # type: ignore[misc]
    """Opens only guarded connections."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _GuardedHTTPPool, "https": _GuardedHTTPSPool}

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        raise RefusedAddress(proxy, None, "a proxy")
