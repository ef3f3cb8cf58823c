"""What a client's DAG is built from, as stored in the tables. Nothing here is secret, and nothing is read at import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pulse.clients.served import Served

if TYPE_CHECKING:
    import psycopg

# A run may still be active when its client is deactivated, so the file stays until the run is over.
_SPECS = """
    select c.id, c.slug, c.name,
           coalesce(min(i.schedule_minutes) filter (where i.active), 60),
           coalesce(jsonb_agg(jsonb_build_array(i.id, i.integration_type, i.name, i.base_url, i.connection_id)
                    order by i.name) filter (where i.active), '[]')
    from core.clients c
    left join core.integrations i on i.client_id = c.id
    where c.active or exists (
        select from core.etl_runs r
        where r.client_id = c.id and r.state = 'running' and r.started_at > now() - interval '6 hours')
    group by c.id
    order by c.slug
"""


@dataclass(frozen=True)
class IntegrationSpec:
    """One integration of a client, as its DAG needs it. Contains nothing secret."""

    id: int
    integration_type: str
    name: str
    base_url: str
    connection_id: str


@dataclass(frozen=True)
class ClientDagSpec:
    """Everything that a client's DAG depends on."""

    client_id: int
    slug: str
    name: str
    schedule_minutes: int
    integrations: tuple[IntegrationSpec, ...]


def read_specs(connection: psycopg.Connection[Any]) -> list[ClientDagSpec]:
    """What the tables say about every active client that this Airflow serves.

    `connection`: as pulse_admin.
    """
    served = Served.here()
    rows = connection.execute(_SPECS).fetchall()
    return [
        ClientDagSpec(
            client_id=client_id,
            slug=slug,
            name=name,
            schedule_minutes=minutes,
            integrations=tuple(IntegrationSpec(*row) for row in integrations),
        )
        for client_id, slug, name, minutes, integrations in rows
        if slug in served
    ]
