"""A custom source's tool that answers what a test tells it to."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from pulse import environ
from tests.support.custom import Custom

# From the path, the parameters, and the address that was asked: status, headers and body.
Answer = Callable[[str, dict[str, str], str], tuple[int, dict[str, str], bytes]]


@contextlib.contextmanager
def told(custom: Custom, monkeypatch: pytest.MonkeyPatch, answer: Answer) -> Iterator[None]:
    """The source reads from this server, and pauses nowhere."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            address = f"http://{self.headers['Host']}{parts.path}"
            status, headers, body = answer(parts.path, dict(parse_qsl(parts.query)), address)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Keep the output of the tests free of requests."""

    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv(environ.PRIVATE_URLS.name, f"127.0.0.1:{server.server_port}")
        custom.base_url = f"http://127.0.0.1:{server.server_port}"
        yield
        server.shutdown()
