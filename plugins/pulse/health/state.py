"""How each client is: one statement over the replica, as staff, and the words for it."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg.rows import dict_row

from pulse.warehouse.connect import connect

CONNECTION = "pulse_replica"
LATE = timedelta(hours=26)  # as report.freshness

# The latest runs of a client say how it is: older ones are history.
_STATEMENT = """
    select c.id, c.slug, c.name, c.active, t.computed_through, r.*, now() as at,
           coalesce(k.failed, 0) as failed_checks, k.messages, f.faults
    from (
        select c.id, c.slug, c.name, c.active from core.clients c
        union all -- its first Variable is faulty
        select distinct 0, f.slug, f.slug, true from core.declaration_faults f
        where not exists (select from core.clients c where c.slug = f.slug)
    ) c
    left join lateral (
        select array_agg(jsonb_build_object('field', field, 'rule', rule, 'value', value, 'example', example) order by place)
            as faults
        from core.declaration_faults f where f.slug = c.slug
    ) f on true
    left join core.dora_state t on t.client_id = c.id
    left join lateral (
        select max(r.finished_at) filter (where r.state = 'success') as last_success,
               max(r.finished_at) filter (where r.state = 'failed') as last_failure,
               (array_agg(r.error order by r.started_at desc) filter (where r.state = 'failed'))[1] as error,
               (array_agg(r.task_id order by r.started_at desc) filter (where r.state = 'running'))[1] as running,
               max(r.resume_at) filter (where r.resume_at > now()) as resume_at,
               (array_agg(r.budget_remaining order by r.started_at desc)
                filter (where r.budget_remaining is not null))[1] as budget,
               coalesce(sum(r.rows_rejected) filter (where r.started_at > now() - interval '1 day'), 0) as rejected,
               (array_agg(r.warnings[1] order by r.started_at desc)
                filter (where r.warnings <> '{}' and r.started_at > now() - interval '1 day'))[1] as warning
        from (select * from core.etl_runs x where x.client_id = c.id order by x.started_at desc limit 60) r
    ) r on true
    left join lateral (
        select count(*) as failed, string_agg(q.message, ' ') as messages
        from core.quality_results q where q.client_id = c.id and q.status = 'fail'
    ) k on true
    order by c.slug
"""


@dataclass(frozen=True)
class Health:
    """One client: how urgent (0 is worst), a word for its state, the cause, and what the page shows beside them.

    `kind`: the state and, of a failure, its class: clients with the same kind have the same cause. `faults`: what is wrong
    with its Variable, each with field, rule, value and example. `client_id`: 0 for a client that has never been synchronised.
    """

    client_id: int
    slug: str
    name: str
    urgency: int
    state: str
    kind: str
    cause: str
    last_read: datetime | None
    counted_to: str
    budget: str
    rejected: int
    running: str
    faults: list[dict[str, str]] = field(default_factory=list)


def read() -> list[Health]:
    """Every client, those that need attention first. Raises psycopg.OperationalError if the replica is away."""
    with closing(connect(CONNECTION)) as conn, conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_STATEMENT).fetchall()
    return sorted((health_of(row) for row in rows), key=lambda h: (h.urgency, h.slug))


def health_of(row: dict[str, Any]) -> Health:
    """What a row of the statement means."""
    urgency, state, cause = _judge(row)
    kind = f"{state}: {_class_of(row['error'])}" if state == "failing" else state
    return Health(
        row["id"],
        row["slug"],
        row["name"],
        urgency,
        state,
        kind,
        cause,
        row["last_success"],
        str(row["computed_through"] or "—"),
        "—" if row["budget"] is None else str(row["budget"]),
        int(row["rejected"]),
        row["running"] or "",
        row["faults"] or [],
    )


def _judge(row: dict[str, Any]) -> tuple[int, str, str]:
    now: datetime = row["at"].astimezone(UTC)
    success, failure = row["last_success"], row["last_failure"]
    if row["faults"]:
        count = len(row["faults"])
        return (
            0,
            "faulty",
            f"{count} {'field' if count == 1 else 'fields'} of the Variable pulse_client_{row['slug']} must be corrected; until"
            " then the client stays as it was. Correct it in Admin > Variables, then trigger sync_clients.",
        )
    if not row["active"]:
        return 8, "not active", "Its Variable is gone or says so; its data is kept."
    if failure and (success is None or failure > success + timedelta(minutes=15)):
        return 0, "failing", _without_type(row["error"]) or "The log of the red task says why."
    if row["resume_at"]:
        return 2, "waiting", f"The upstream's budget is used up; it goes on at {row['resume_at']:%H:%M} UTC by itself."
    if success is None:
        return 3, "new", "Not read yet. If this stays, trigger sync_clients and look at its log."
    if now - success > LATE:
        return 1, "late", "Nothing was read for more than 26 hours: is its DAG paused, or the scheduler down?"
    if row["failed_checks"]:
        return 4, "check", str(row["messages"])
    if row["rejected"]:
        return (
            5,
            "rejected",
            f"{row['rejected']} records of the last day could not be read: see docs/operations.md, replay_rejects.",
        )
    if row["warning"]:
        return 6, "warning", str(row["warning"])
    return 7, "good", ""


def _class_of(error: str | None) -> str:
    """The name of an error's class, with which it is stored; empty without one."""
    head, colon, _ = (error or "").partition(": ")
    return head if colon and head.isidentifier() else ""


def _without_type(error: str | None) -> str:
    """An error without the name of its class."""
    return (error or "").removeprefix(f"{_class_of(error)}: ")
