"""The guard that keeps tests on this machine."""

from __future__ import annotations

import ipaddress
import sys
from typing import Any

_installed = False


class NetworkForbidden(RuntimeError):
    """A test tried to reach another machine."""


def forbid_network() -> None:
    """Refuse every connection of this process other than to loopback or a Unix socket.

    It is an audit hook, so it holds for every library that uses Python's sockets, and no library can undo it.
    """
    global _installed
    if not _installed:
        sys.addaudithook(_audit)
        _installed = True


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.sendto"):
        host = arguments[1][0] if isinstance(arguments[1], tuple) else None
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    if host is not None and not _is_local(host):
        raise NetworkForbidden(f"{event} to {host}: tests may only talk to loopback")


def _is_local(host: str | bytes) -> bool:
    name = host.decode() if isinstance(host, bytes) else host
    if name in ("", "localhost", "0.0.0.0"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
