"""What is at work now, and how far it is: one statement over the replica, as staff."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from pulse.health.state import CONNECTION
from pulse.warehouse.connect import connect

# A run that was killed stays 'running' until the next one of its task: after a day it is history.
_STATEMENT = """
    with running as (
        select client_id, dag_run_id, task_id, integration_id, min(started_at) as since,
               max(steps_done) as steps_done, max(steps_all) as steps_all
        from core.etl_runs where state = 'running' and started_at > now() - interval '1 day'
        group by client_id, dag_run_id, task_id, integration_id
    )
    select c.slug as client, r.task_id as task, coalesce(i.name, '') as source, r.since,
           case when r.integration_id is null then r.steps_done else s.done end as done,
           case when r.integration_id is null then r.steps_all else s.found end as whole,
           coalesce(s.calls, 0) as calls, coalesce(s.rows_read, 0) as rows_read
    from running r
    join core.clients c on c.id = r.client_id
    left join core.integrations i on (i.client_id, i.id) = (r.client_id, r.integration_id)
    left join lateral (
        select count(distinct x.scope_key) filter (where x.state = 'success' and x.scope_key <> '')::integer as done,
               coalesce(max(x.steps_all) filter (where x.scope_key = ''), 0) as found,
               sum(x.api_calls)::integer as calls, sum(x.rows_read)::bigint as rows_read
        from core.etl_runs x
        where (x.client_id, x.integration_id, x.dag_run_id) = (r.client_id, r.integration_id, r.dag_run_id)
    ) s on true
    order by c.slug, r.task_id
"""


@dataclass(frozen=True)
class Step:
    """A task of a client that is at work.

    `done` of `whole`: repositories or projects of a source, or models of a stage; `whole` is 0 while nobody knows. `calls` and
    `rows_read` are a source's so far, in this DAG run. `source`: its name, empty for a stage.
    """

    client: str
    task: str
    source: str
    since: datetime
    done: int
    whole: int
    calls: int
    rows_read: int

    @property
    def text(self) -> str:
        """In words."""
        if not self.source:
            return f"{self.task}: {self.done} of {self.whole} models" if self.whole else self.task
        if not self.whole:
            return f"{self.source}: looking for what is new"
        return f"{self.source}: {self.done} of {self.whole} read, {self.rows_read:,} rows"


def read() -> list[Step]:
    """Every task at work, by client. Raises psycopg.OperationalError if the replica is away."""
    with closing(connect(CONNECTION)) as conn, conn.cursor(row_factory=class_row(Step)) as cursor:
        return cursor.execute(_STATEMENT).fetchall()
