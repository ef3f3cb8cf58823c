"""Keeps what is wrong with a client's Variable where the page Clients finds it."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable
from typing import Any

import psycopg

from pulse.clients.explain import Mistake

Connection = psycopg.Connection[Any]


def note_faults(conn: Connection, slug: str, mistakes: Iterable[Mistake]) -> None:
    """Replace the noted faults of a Variable, as pulse_admin; none: it is good. What is noted already stays as it is."""
    wanted = [(one.field, one.rule, one.value, one.example) for one in mistakes]
    with conn.transaction():
        noted = conn.execute(
            "select field, rule, value, example from core.declaration_faults where slug = %s order by place", [slug]
        ).fetchall()
        if noted == wanted:
            return
        conn.execute("delete from core.declaration_faults where slug = %s", [slug])
        for place, fault in enumerate(wanted):
            conn.execute(
                "insert into core.declaration_faults (slug, place, field, rule, value, example)"
                " values (%s, %s, %s, %s, %s, %s)",
                [slug, place, *fault],
            )


def forget_faults(conn: Connection, declared: Collection[str], served: Container[str]) -> None:
    """Remove the faults of Variables that are gone, of clients that this Airflow serves."""
    with conn.transaction():
        slugs = [slug for (slug,) in conn.execute("select distinct slug from core.declaration_faults").fetchall()]
        gone = [slug for slug in slugs if slug not in declared and slug in served]
        conn.execute("delete from core.declaration_faults where slug = any (%s)", [gone])
