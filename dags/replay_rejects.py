"""
### Reads rejected records again

A record that could not be read is kept in `raw.rejects` with its payload and the reason. After an update of Pulse, or after
a declaration was corrected, this DAG tries again: it stores what can be read now and closes those rejects. The others stay
open, and the log says how many. Records that an upstream refused to deliver are not affected; every extraction asks for
them again.

Runs only when triggered. Param: `client`, a slug, or empty for all clients. It calls no upstream, except to look up the
names of Jira's fields.

**If `replay_client` is red**, its log names the client and the source. Nothing was lost; the rejects stay open.
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

        get_current_context()["slug"] = slug
        return replay_rejects_of(slug)

    replay_client.expand(slug=list_clients())


replay_rejects()
