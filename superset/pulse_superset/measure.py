"""Counts and times Superset's requests, and shows the counts to Prometheus at /pulse/metrics (docs/monitoring.md).

WSGI, around everything else: a refusal that costs next to nothing is counted, and who scrapes takes nobody's turn. All workers
count into one folder (gunicorn.conf.py), so each of them can answer for all.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from pulse.scrape import PATH, may_scrape

FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client's own name; read when it is imported
KINDS = {
    "/superset/dashboard/": "dashboard",
    "/api/v1/chart/data": "chart",
    "/login": "login",
    "/api/v1/security/login": "login",
    "/pulse/brief": "brief",
}
NOT_MEASURED = ("/static/", "/pulse/icon.svg", "/pulse/brief/news/", "/health")
BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64)

_own = CollectorRegistry()
REQUESTS = Counter("pulse_superset_requests", "Requests, by what they ask for.", ["kind", "status"], registry=_own)
SECONDS = Histogram(
    "pulse_superset_request_seconds", "How long answers took.", ["kind"], registry=_own, buckets=BUCKETS
)


class Measured:
    """WSGI: passes everything on, and counts."""

    def __init__(self, application: Any) -> None:
        self._application = application

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """One request."""
        path = environ.get("PATH_INFO", "")
        if path.rstrip("/") == PATH:
            return _page(environ, start_response)
        if path.startswith(NOT_MEASURED):
            return self._application(environ, start_response)  # type: ignore[no-any-return]
        kind = next((kind for start, kind in KINDS.items() if path.startswith(start)), "other")
        answered = ["500"]

        def note(status: str, headers: Any, *rest: Any) -> Any:
            answered[0] = status[:3]
            return start_response(status, headers, *rest)

        began = time.monotonic()
        try:
            return self._application(environ, note)  # type: ignore[no-any-return]
        finally:
            SECONDS.labels(kind).observe(time.monotonic() - began)
            REQUESTS.labels(kind, answered[0]).inc()


def _page(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    if not may_scrape(environ.get("HTTP_AUTHORIZATION")):
        start_response("401 Unauthorized", [("Content-Type", "text/plain"), ("WWW-Authenticate", "Bearer")])
        return [b"the token is missing or wrong: see docs/monitoring.md"]
    registry = _own
    if os.environ.get(FOLDER):
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    body = generate_latest(registry)
    start_response("200 OK", [("Content-Type", CONTENT_TYPE_LATEST), ("Content-Length", str(len(body)))])
    return [body]
