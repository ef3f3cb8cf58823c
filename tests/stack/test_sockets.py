"""No process of the running stack listens where another machine could reach it."""

from __future__ import annotations

import ipaddress
from typing import Any
from urllib.parse import urlsplit

import psutil

from pulse import environ


def test_nothing_listens_beyond_loopback(stack: dict[str, Any]) -> None:
    """Of every process of this installation and their children, whatever it is for."""
    roots = [process for process in psutil.process_iter() if belongs(process)]
    # Some of their children change their title, and lose their environment by that.
    mine = {process.pid for root in roots for process in (root, *root.children(recursive=True))}
    listening = [
        connection.laddr
        for connection in psutil.net_connections("inet")
        if connection.pid in mine and (connection.status == psutil.CONN_LISTEN or connection.type.name == "SOCK_DGRAM")
    ]
    beyond = [address for address in listening if not ipaddress.ip_address(address.ip).is_loopback]
    assert beyond == []
    # It would see them: what should listen is there.
    ports = {address.port for address in listening}
    assert ports >= {urlsplit(url).port for url in stack["addresses"].values()}


def belongs(process: psutil.Process) -> bool:
    """Whether a process works for the state folder of the tests: every one of ours has it in its environment."""
    try:
        return process.environ().get(environ.SUPERVISED_STATE.name) == str(environ.STATE.get())
    except psutil.Error:
        return False
