"""Counts the answers to what tools push, by status: pulse_push_requests_total of docs/monitoring.md."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, disable_created_metrics
from starlette.types import ASGIApp, Message, Receive, Scope, Send

disable_created_metrics()  # type: ignore[no-untyped-call]
REGISTRY = CollectorRegistry()
REQUESTS = Counter(
    "pulse_push_requests", "Requests of tools that push, by status, since the start.", ["status"], registry=REGISTRY
)


class Counted:
    """ASGI: passes everything on, and counts."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""

        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                REQUESTS.labels(str(message["status"])).inc()
            await send(message)

        await self.app(scope, receive, counting if scope["type"] == "http" else send)
