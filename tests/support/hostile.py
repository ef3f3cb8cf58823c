"""An upstream that wants to fill Pulse's memory, time or tables: a real server with one trick per path."""

from __future__ import annotations

import contextlib
import gzip
import json
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MEGABYTE = 2**20
Trick = Callable[["Hostile", Any], None]
TRICKS: dict[str, Trick] = {}
STREAM = {
    "name": "deploys",
    "entity": "deployments",
    "path": "/deploys",
    "records": "items",
    "fields": {"id": "id", "created_at": "at", "finished_at": "at"},
    "constants": {"service": "shop", "environment": "production", "result": "success"},
    "pagination": {"kind": "cursor", "next": "next"},
}
# What a client declares of each type.
CONFIG: dict[str, dict[str, Any]] = {
    "github": {"organization": "acme", "repositories": ["*"]},
    "jira": {"projects": ["*"]},
    "http_json": {"streams": [STREAM]},
}


def trick(work: Trick) -> Trick:
    """Register a function as the trick of its name."""
    TRICKS[work.__name__] = work
    return work


class Hostile(BaseHTTPRequestHandler):
    """Answers /<trick>/… with the trick, whatever is asked for."""

    protocol_version = "HTTP/1.1"

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):
            super().handle()

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        asked = json.loads(self.rfile.read(length)) if length else {}
        self.server.calls += 1  # type: ignore[attr-defined]
        with contextlib.suppress(ConnectionError, TimeoutError):
            TRICKS[self.path.split("/")[1]](self, asked)

    do_POST = do_GET

    def answer(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def json(self, body: Any) -> None:
        self.answer(json.dumps(body).encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the output of the tests free of requests."""


@contextlib.contextmanager
def hostile() -> Iterator[ThreadingHTTPServer]:
    """The server, running on loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hostile)
    server.daemon_threads = True
    server.calls = 0  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


# --- one answer ---------------------------------------------------------------------------------------------------


@cache
def _zeros(megabytes: int) -> bytes:
    """Gzip of a JSON text of so many megabytes."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    parts = [packer.compress(b'"')] + [packer.compress(b"0" * MEGABYTE) for _ in range(megabytes)]
    return b"".join([*parts, packer.compress(b'"'), packer.flush()])


@trick
def bomb(upstream: Hostile, asked: Any) -> None:
    upstream.answer(_zeros(700), Content_Encoding="gzip")


@trick
def bomb_in_a_bomb(upstream: Hostile, asked: Any) -> None:
    upstream.answer(gzip.compress(_zeros(700)), Content_Encoding="gzip, gzip")


@trick
def bomb_in_an_error(upstream: Hostile, asked: Any) -> None:
    upstream.answer(_zeros(700), 403, Content_Encoding="gzip")


@trick
def bomb_in_a_redirect(upstream: Hostile, asked: Any) -> None:
    upstream.answer(_zeros(700), 302, Content_Encoding="gzip", Location=upstream.path)


@trick
def endless_body(upstream: Hostile, asked: Any) -> None:
    upstream.send_response(200)
    upstream.end_headers()
    while True:
        upstream.wfile.write(b"[0," * 100_000)


@trick
def drip(upstream: Hostile, asked: Any) -> None:
    upstream.send_response(200)
    upstream.send_header("Content-Length", "100000")
    upstream.end_headers()
    while True:
        upstream.wfile.write(b" ")
        time.sleep(0.2)


@trick
def drip_of_headers(upstream: Hostile, asked: Any) -> None:
    upstream.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while True:
        upstream.wfile.write(b"x")
        time.sleep(0.2)


@trick
def endless_continue(upstream: Hostile, asked: Any) -> None:
    while True:
        upstream.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        time.sleep(0.01)


@trick
def nested(upstream: Hostile, asked: Any) -> None:
    upstream.answer(b'{"a":' * 900 + b"1" + b"}" * 900)


@trick
def nested_deeper(upstream: Hostile, asked: Any) -> None:
    upstream.answer(b"[" * 1_000_000)


@trick
def many_values(upstream: Hostile, asked: Any) -> None:
    upstream.answer(b"[" + b"[]," * 2_500_000 + b"[]]")


@trick
def many_fields(upstream: Hostile, asked: Any) -> None:
    upstream.json({f"field{n}": n for n in range(400_000)})


@trick
def wide_text(upstream: Hostile, asked: Any) -> None:
    upstream.answer(b'["' + b"x" * (7 * MEGABYTE) + "\N{GRINNING FACE}".encode() + b'"]')


@trick
def unfinished_text(upstream: Hostile, asked: Any) -> None:
    upstream.answer(b'"' + b'\\"' * (3 * MEGABYTE))


@trick
def giant_header(upstream: Hostile, asked: Any) -> None:
    upstream.answer(b"[]", Link="<x>; rel=x, " * 5000)


@trick
def parked(upstream: Hostile, asked: Any) -> None:
    upstream.answer(b"[]", 429, Retry_After="9" * 30)


@trick
def reset_in_another_age(upstream: Hostile, asked: Any) -> None:
    upstream.answer(b"[]", 429, x_ratelimit_remaining="0", x_ratelimit_reset="9" * 18)


# --- pages that do not end ----------------------------------------------------------------------------------------


def _deployment(number: int) -> dict[str, Any]:
    return {"id": str(number), "text": "x" * 100, "at": "2026-01-01T00:00:00Z"}


def _next_number(upstream: Hostile) -> int:
    return int(upstream.server.calls)  # type: ignore[attr-defined]


@trick
def endless_cursors(upstream: Hostile, asked: Any) -> None:
    """http_json: always another page with other records."""
    number = _next_number(upstream)
    upstream.json({"items": [_deployment(number * 200 + n) for n in range(200)], "next": f"c{number}"})


@trick
def long_cursor(upstream: Hostile, asked: Any) -> None:
    upstream.json({"items": [_deployment(_next_number(upstream))], "next": "c" * MEGABYTE})


@trick
def wide_records(upstream: Hostile, asked: Any) -> None:
    records = [{**_deployment(n), "more": {f"f{n}": n for n in range(50_000)}} for n in range(4)]
    upstream.json({"items": records, "next": None})


@trick
def unreadable_records(upstream: Hostile, asked: Any) -> None:
    upstream.json({"items": [0] * 240_000, "next": None})


@trick
def wide_texts(upstream: Hostile, asked: Any) -> None:
    """Few characters take one byte in the answer and four in memory; as escaped JSON they take six or twelve."""
    text = "x" * 30_000 + "\N{GRINNING FACE}" * 600
    items = [{"id": str(n), "at": "2026-01-01T00:00:00Z", "text": text} for n in range(240)]
    upstream.answer(json.dumps({"items": items, "next": None}, ensure_ascii=False).encode())


@trick
def long_ids(upstream: Hostile, asked: Any) -> None:
    upstream.json({"items": [_deployment(n) | {"id": f"{n}" * 5000} for n in range(50)], "next": None})


@trick
def endless_boards(upstream: Hostile, asked: Any) -> None:
    """Jira: projects and statuses, then boards whose list never ends."""
    if "api/2/project" in upstream.path:
        upstream.json([{"id": "1", "key": "OPS", "name": "Ops"}])
    elif "serverInfo" in upstream.path:
        upstream.json({"deploymentType": "Server"})
    elif "agile/1.0/board" in upstream.path:
        boards = [{"id": n, "name": "b" * 2000, "type": "scrum", "location": {"projectId": 1}} for n in range(500)]
        upstream.json({"values": boards, "isLast": False})
    else:
        upstream.json([])


@trick
def endless_projects(upstream: Hostile, asked: Any) -> None:
    """Jira Cloud: projects whose list never ends."""
    if "serverInfo" in upstream.path:
        upstream.json({"deploymentType": "Cloud"})
    else:
        upstream.json(
            {"values": [{"id": str(n), "key": f"K{n}", "name": "p" * 500} for n in range(500)], "isLast": False}
        )


@trick
def endless_repositories(upstream: Hostile, asked: Any) -> None:
    """GitHub: an organisation whose repositories never end."""
    node = {
        "id": "R",
        "databaseId": 1,
        "nameWithOwner": "acme/x",
        "createdAt": "2026-01-01T00:00:00Z",
        "more": "x" * 9000,
    }
    page = {"hasNextPage": True, "endCursor": f"c{_next_number(upstream)}"}
    connection = {"nodes": [node] * 100, "pageInfo": page, "totalCount": 10**6}
    upstream.json({"data": {"repositoryOwner": {"repositories": connection}, "rateLimit": {"cost": 1}}})
