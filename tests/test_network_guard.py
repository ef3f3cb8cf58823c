"""The guard of conftest.py really stops a test from leaving this machine."""

from __future__ import annotations

import socket
import urllib.request

import pytest
import requests

from tests.support.network import NetworkForbidden


@pytest.mark.parametrize("host", ["192.0.2.1", "api.github.com", "2001:db8::1"])
def test_other_machines_are_out_of_reach(host: str) -> None:
    with pytest.raises(NetworkForbidden):
        socket.create_connection((host, 443), timeout=1)
    with pytest.raises(NetworkForbidden):
        urllib.request.urlopen(f"https://[{host}]/" if ":" in host else f"https://{host}/", timeout=1)
    with pytest.raises(NetworkForbidden):
        requests.get(f"https://[{host}]/" if ":" in host else f"https://{host}/", timeout=1)


def test_datagrams_are_blocked_too() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender, pytest.raises(NetworkForbidden):
        sender.sendto(b"x", ("192.0.2.1", 53))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_is_within_reach(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection((host, server.getsockname()[1]), timeout=5).close()
