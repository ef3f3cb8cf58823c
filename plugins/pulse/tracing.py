"""Spans of stages, models and calls, inside the span that Airflow makes of a task ([traces] otel_on, docs/monitoring.md).

Where Airflow makes none, nothing is imported and no span is made: each function here then costs one look into sys.modules.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

NAME_BYTES = 63  # PostgreSQL cuts application_name there


class Span:
    """A span as its caller sees it; without one underneath, `set` does nothing."""

    def __init__(self, inner: Any = None) -> None:
        self._inner = inner

    def set(self, attributes: Mapping[str, Any]) -> None:
        """Set attributes."""
        if self._inner is not None:
            self._inner.set_attributes(attributes)


_NO_SPAN = Span()


def _api() -> Any:
    """OpenTelemetry's API where Airflow has loaded it and a span is being recorded here, else None."""
    api = sys.modules.get("opentelemetry.trace")
    return api if api is not None and api.get_current_span().is_recording() else None


@contextlib.contextmanager
def span(name: str, attributes: Mapping[str, Any], *, call: bool = False) -> Iterator[Span]:
    """A span for the time of a `with` block, below the current one. `call`: the block asks another system.

    Of an exception only the type is kept: its text may hold records.
    """
    api = _api()
    if api is None:
        yield _NO_SPAN
        return
    with api.get_tracer("pulse").start_as_current_span(
        name,
        kind=api.SpanKind.CLIENT if call else api.SpanKind.INTERNAL,
        attributes=attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as inner:
        try:
            yield Span(inner)
        except BaseException as error:
            inner.set_attribute("error.type", type(error).__name__)
            inner.set_status(api.Status(api.StatusCode.ERROR))
            raise


@contextlib.contextmanager
def sql_span(conn: psycopg.Connection[Any], name: str, attributes: Mapping[str, Any]) -> Iterator[Span]:
    """A span whose statements PostgreSQL can tell: the session's application_name names it until the block ends."""
    if _api() is None:
        yield _NO_SPAN
        return
    before = conn.info.parameter_status("application_name") or ""
    with span(name, attributes) as made:
        _rename(conn, application_name(before.partition(" ")[0]))
        try:
            yield made
        finally:
            if conn.info.transaction_status in (TransactionStatus.IDLE, TransactionStatus.INTRANS):
                _rename(conn, before)


def application_name(base: str) -> str:
    """`base`, and where a span is recorded its ids: `base trace-span`, each in hexadecimal digits as traces show them."""
    api = _api()
    if api is None:
        return base
    ids = api.get_current_span().get_span_context()
    carried = f" {api.format_trace_id(ids.trace_id)}-{api.format_span_id(ids.span_id)}"
    return base[: NAME_BYTES - len(carried)] + carried


def _rename(conn: psycopg.Connection[Any], name: str) -> None:
    with conn.transaction():  # so that a connection without one has none afterwards
        conn.execute("select set_config('application_name', %s, false)", [name])
