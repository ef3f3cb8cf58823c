"""No source reaches into the network that Pulse runs in, and a key is sent only where it belongs."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from pulse.clients.spec import SpecError, parse_spec
from pulse.errors import ConfigError, UpstreamError
from pulse.sources import guard
from pulse.sources.base import Credential, Integration
from pulse.sources.guard import ALLOW_VARIABLE, is_public
from pulse.sources.jira.extract import JiraSource
from pulse.sources.registry import integration_types, source_for
from tests.support.custom import DEPLOYS, KEY, PAGED, PAGER, Custom
from tests.support.database import TestDatabase
from tests.support.hostile import CONFIG
from tests.support.keys import app_key


@dataclass
class Listener:
    """A server that answers nothing and keeps what it receives."""

    port: int
    connections: int = 0
    received: list[bytes] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def listener() -> Iterator[Listener]:
    server = socket.create_server(("127.0.0.1", 0))
    made = Listener(server.getsockname()[1])

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            made.connections += 1
            connection.settimeout(5)
            with connection, contextlib.suppress(OSError):
                made.received.append(connection.recv(65536))
            made.ended.set()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield made
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join(5)


PRIVATE = [
    "127.0.0.1",
    "127.1.2.3",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "0.0.0.0",
    "100.64.0.1",
    "100.100.100.200",
    "224.0.0.1",
    "239.1.1.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd12::1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    "2001:db8::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "::127.0.0.1",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.7",
    "168.63.129.16",
    "100.127.255.254",
    "64:ff9b::a00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::808:808",
    "2001::1",
    "2001:10::1",
    "2001:20::1",
    "2002:808:808::1",
    "3fff::1",
    "5f00::1",
    "100::1",
    "4000::1",
    "fd00:ec2::254",
    "::ffff:0:10.0.0.1",
    "::ffff:100.64.0.1",
]
PUBLIC = ["8.8.8.8", "140.82.112.3", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_recognised(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_recognised(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f000001", "0177.1", "0.0.0.0"]
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_no_connection_is_made_to_this_machine(
    custom: Custom, listener: Listener, monkeypatch: pytest.MonkeyPatch, host: str, scheme: str
) -> None:
    monkeypatch.delenv(ALLOW_VARIABLE)
    custom.base_url = f"{scheme}://{host}:{listener.port}"
    with pytest.raises(ConfigError) as caught:
        custom.sync()
    message = str(caught.value)
    assert message.startswith("client acme, http_json: ")
    assert "is not a public address" in message
    assert f":{listener.port} to the environment variable {ALLOW_VARIABLE}" in message
    assert KEY not in message
    assert listener.connections == 0


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "10.1.2.3", "[fd00::1]", "[fe80::1]", "[::ffff:169.254.169.254]"]
)
def test_no_connection_is_made_to_the_network_around(
    custom: Custom, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.delenv(ALLOW_VARIABLE)
    custom.base_url = f"http://{address}/latest"
    with pytest.raises(ConfigError, match="is not a public address"):
        custom.sync()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_name_that_resolves_differently_later_is_refused(
    custom: Custom, listener: Listener, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    """DNS rebinding: the first look-up of the name was harmless, but the connection goes to this machine."""
    monkeypatch.delenv(ALLOW_VARIABLE)
    monkeypatch.setattr(guard, "_refuse_before", lambda host, port: None)
    custom.base_url = f"{scheme}://localhost:{listener.port}"
    with pytest.raises(ConfigError, match=r"localhost:\d+ is at 127\.0\.0\.1, which is not a public address"):
        custom.sync()
    assert listener.ended.wait(5)
    assert listener.received == [b""]


@pytest.mark.parametrize("allowed", ["true", "TRUE", "127.0.0.1", "other.example, 127.0.0.1", "127.0.0.1:{port}"])
def test_the_environment_can_allow_a_private_host(
    custom: Custom, monkeypatch: pytest.MonkeyPatch, allowed: str
) -> None:
    custom.streams = [PAGER]
    monkeypatch.setenv(ALLOW_VARIABLE, allowed.format(port=custom.sandbox.url.rpartition(":")[2]))
    assert custom.sync().rows_written > 10


@pytest.mark.parametrize("allowed", ["", "false", "1", "127.0.0.1:1", "127.0.0", "localhost"])
def test_allowing_another_host_does_not_help(custom: Custom, monkeypatch: pytest.MonkeyPatch, allowed: str) -> None:
    monkeypatch.setenv(ALLOW_VARIABLE, allowed)
    with pytest.raises(ConfigError, match="is not a public address"):
        custom.sync()
    assert custom.calls("custom") == 0


@pytest.mark.parametrize(("kind", "credential"), [*((kind, "token") for kind in CONFIG), ("github", "app")])
def test_no_type_connects_to_this_machine(
    db: TestDatabase, listener: Listener, monkeypatch: pytest.MonkeyPatch, kind: str, credential: str
) -> None:
    """Neither for what it reads nor for getting a token, nor for asking a Jira site's id after a refusal."""
    monkeypatch.delenv(ALLOW_VARIABLE, raising=False)
    token = Credential("1", app_key()[0] if credential == "app" else "secret-token")
    url = f"http://127.0.0.1:{listener.port}"
    client_id = db.add_client("acme")
    identity = db.add_integration(client_id, kind, base_url=url)
    integration = Integration(client_id, "acme", identity, kind, kind, url, f"{kind}__acme", CONFIG[kind])
    source = source_for(kind)(integration, token, db.connect("pulse_etl"))
    with pytest.raises(ConfigError, match=rf"client acme, {kind}: .*is not a public address"):
        list(map(source.extract, source.discover()))
    if isinstance(source, JiraSource):
        assert source.jira._cloud_id() is None
    assert listener.connections == 0


@pytest.mark.parametrize("kind", integration_types())
@pytest.mark.parametrize("url", ["https://u:p@a.example", "https://u@a.example", "https://a.example/?key=1", "ftp://a"])
def test_no_type_takes_more_than_an_address(kind: str, url: str) -> None:
    one = {"type": kind, "base_url": url, **CONFIG.get(kind, {})}
    with pytest.raises(SpecError, match=r"integrations\[0\].base_url: "):
        parse_spec("acme", json.dumps({"name": "Acme", "integrations": [one]}))


def test_every_type_is_tried() -> None:
    assert set(CONFIG) == set(integration_types())


def test_a_proxy_does_not_bypass_the_guard(custom: Custom, listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{listener.port}")
    monkeypatch.setenv("no_proxy", "")
    custom.streams = [PAGER]
    assert custom.sync().rows_written > 10
    assert listener.connections == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(custom: Custom, listener: Listener, status: int) -> None:
    custom.auth, custom.streams = {"kind": "header"}, [DEPLOYS]
    for target in (f"http://127.0.0.1:{listener.port}/x", "/custom/acme/none/incidents"):
        custom.sandbox.add_fault(path_regex="none/deployments", status=status, headers={"Location": target})
        with pytest.raises(
            ConfigError, match=r"none/deployments redirects to .*Set base_url, and the path of a stream"
        ):
            custom.sync()
    assert listener.connections == 0
    assert custom.calls("incidents") == 0


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:{port}/x?page=2",
        "//127.0.0.1:{port}/x",
        "https://{sandbox}/x",
        "http://u:p@{sandbox}/x",
        "file:///etc/passwd",
        "http://[::1",
    ],
)
@pytest.mark.parametrize("kind", ["link", "link in the answer"])
def test_a_next_page_on_another_host_is_refused(custom: Custom, listener: Listener, kind: str, target: str) -> None:
    custom.streams = [DEPLOYS | PAGED[kind]]
    target = target.format(port=listener.port, sandbox=custom.sandbox.url.removeprefix("http://"))
    part = custom.upstream("deployments")[:1]
    custom.sandbox.add_fault(
        path_regex="link/deployments",
        status=200,
        headers={"Link": f'<{target}>; rel="next"'},
        body=part if kind == "link" else {"deployments": part, "next": target},
    )
    with pytest.raises(ConfigError, match="a different host than base_url"):
        custom.sync()
    assert listener.connections == 0
    assert custom.calls() == 1  # the test's own


def test_an_unknown_host_name_is_retried(custom: Custom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    source = custom.source()
    source.upstream.base_url = "http://nowhere.example"
    with pytest.raises(UpstreamError, match="ConnectionError"):
        next(source.upstream.pages(source.streams["pager"], {}, {}))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("ftp://a.example", "'ftp'"),
        ("file:///etc/passwd", "'file'"),
        ("https://u:p@a.example", "a login"),
        ("https://u@a.example", "a login"),
        ("https:///x", "no host"),
        ("http://[::1", "cannot be parsed"),
        ("https://a.example:99999", "cannot be parsed"),
    ],
)
def test_an_invalid_address_is_named(url: str, expected: str) -> None:
    assert expected in str(guard.refusal_of_url(url))
