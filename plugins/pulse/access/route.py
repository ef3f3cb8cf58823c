"""Which request is being answered."""

from __future__ import annotations

from contextvars import ContextVar

# "POST /api/v2/…"; empty outside a request.
ROUTE: ContextVar[str] = ContextVar("pulse_route", default="")
