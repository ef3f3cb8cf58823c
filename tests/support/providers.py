"""Sign-in providers: a real one (oidc-provider), and one that answers whatever a test wants."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import jwt
import requests
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support.node import installed

SERVER = Path(__file__).resolve().parents[1] / "people" / "provider"


@contextmanager
def real_provider(port: int, clients: dict[str, Any], people: dict[str, Any], log: Path) -> Iterator[str]:
    """oidc-provider with these clients and people; its issuer."""
    folder = installed(SERVER / "package.json")
    script = folder / "server.mjs"
    script.write_text((SERVER / "server.mjs").read_text())
    issuer = f"http://127.0.0.1:{port}"
    with log.open("wb") as out:
        process = subprocess.Popen(
            ["node", script.name, str(port), json.dumps(clients), json.dumps(people)],
            cwd=folder,
            stdout=out,
            stderr=out,
        )
    try:
        deadline = time.monotonic() + 30
        while True:
            with suppress(requests.ConnectionError):
                requests.get(f"{issuer}/.well-known/openid-configuration", timeout=5)
                break
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield issuer
    finally:
        process.terminate()
        process.wait(10)


def sign_in_there(browser: requests.Session, address: str, login: str) -> str:
    """Sign in at the real provider, from the address that we lead to, and agree; the address that it leads back to."""
    issuer = re.match(r"https?://[^/]+", address)
    assert issuer
    form: dict[str, str] | None = None
    for _ in range(12):
        if not address.startswith(issuer[0] + "/"):
            return address
        answer = browser.request("POST" if form else "GET", address, data=form, allow_redirects=False, timeout=30)
        form = None
        if "Location" in answer.headers:
            address = urljoin(address, answer.headers["Location"])
            continue
        found = re.search(r'action="([^"]+)"', answer.text)
        assert found, answer.text[:500]
        address = urljoin(address, found[1])
        form = (
            {"prompt": "login", "login": login, "password": "x"}
            if 'name="login"' in answer.text
            else {"prompt": "consent"}
        )
    raise AssertionError("the provider leads round and round")


class Liar:
    """A provider that answers its token endpoint with `answer`. `key` signs what it says."""

    def __init__(self, port: int) -> None:
        self.issuer = f"http://127.0.0.1:{port}"
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.answer: dict[str, Any] = {}
        self.userinfo: dict[str, Any] = {}
        self.called_itself = self.issuer
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))

    @contextmanager
    def running(self) -> Iterator[Liar]:
        """Answer for the time of a `with` block."""
        thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join(10)

    def documents(self) -> dict[str, Any]:
        """What it answers, by path."""
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        return {
            "/.well-known/openid-configuration": {
                "issuer": self.called_itself,
                "authorization_endpoint": f"{self.issuer}/auth",
                "token_endpoint": f"{self.issuer}/token",
                "userinfo_endpoint": f"{self.issuer}/me",
                "jwks_uri": f"{self.issuer}/jwks",
                "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
            },
            "/jwks": {"keys": [{**public, "kid": "1", "use": "sig", "alg": "RS256"}]},
            "/token": self.answer,
            "/me": self.userinfo,
        }


def _handler(liar: Liar) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(liar.documents().get(self.path, {})).encode()
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    return Handler
