"""
### Rejected records, read again

A record that could not be read is kept in `raw.rejects` with its payload and the reason. When a new version of Pulse can
read it, or its declaration was corrected, this DAG stores it and closes the reject; what still cannot be read stays open,
and the log says how many and why. Records that upstream would not give are not here: each extraction asks for them again.

Runs when it is triggered. Params: `client`, a slug, or empty for all clients. Nothing is asked of any upstream but the
names of Jira's fields.

**When `replay_client` is red**, the log names the client and the source; nothing was lost, the rejects stay open.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow.sdk import Param, dag, get_current_context, task

from pulse.orchestration.defaults import default_args


@dag(
    schedule=None,
    start_date=datetime(2024, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    tags=["pulse"],
    params={"client": Param("", type="string", description="slug of a client; empty: all", pattern="^[a-z0-9_]*$")},
    default_args=default_args(),
)
def replay_rejects() -> None:
    @task
    def list_clients() -> list[str]:
        from pulse.orchestration.sync_tasks import active_slugs

        return active_slugs(str(get_current_context()["params"]["client"]))

    @task(map_index_template="{{ slug }}")
    def replay_client(slug: str) -> dict[str, Any]:
        from pulse.orchestration.tasks import replay_rejects_of

        get_current_context()["slug"] = slug  # type: ignore[typeddict-unknown-key]
        return replay_rejects_of(slug)

    replay_client.expand(slug=list_clients())


replay_rejects()
