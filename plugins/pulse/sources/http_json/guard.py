"""Keeps a declared address from reaching into the network that Pulse runs in (server-side request forgery).

An admin of one client declares the address, so it is not trusted. Private, loopback, link-local and similar addresses are
refused before a connection is made and again on the connection itself, in case the name resolves differently meanwhile
(DNS rebinding). Redirects are not followed and no proxy is used, because either would hide whom we talk to.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from pulse import environ

ALLOW_VARIABLE = environ.PRIVATE_URLS.name
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


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
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if inner is None and ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        if ip.is_site_local:
            return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved)


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


def harden(session: requests.Session) -> None:
    """Make a session refuse addresses that are not public, follow no redirect and use no proxy."""
    # trust_env is off, so the operator's certificates have to be set here.
    session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
    session.trust_env = False
    session.get_redirect_target = lambda response: None
    session.mount("https://", _GuardedAdapter())
    session.mount("http://", _GuardedAdapter())


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


class _GuardedHTTPConnection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        _refuse_before(self.host, self.port)
        connected = super()._new_conn()
        _refuse_peer(connected, self.host, self.port)
        return connected


class _GuardedHTTPSConnection(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        _refuse_before(self.host, self.port)
        connected = super()._new_conn()
        _refuse_peer(connected, self.host, self.port)
        return connected


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
