"""
### Applies the clients' Variables

Reads every Variable `pulse_client_<slug>`, validates it, and updates the tables, the client's database login and its
Superset role accordingly. Runs every five minutes; trigger it to apply a change at once. The client's DAG follows within
seconds. A client whose Variable has not changed costs no task and no request to Superset; each run looks at a few of them all
the same, in turn, so that what somebody has changed by hand in the tables or in Superset is undone.

**If `sync_client` is red** for a client, its Variable has a mistake. The page *Clients* and the log name every field, its value,
the rule and an example.
Other clients are not affected, and this one keeps its last valid declaration.

**If `deactivate_missing_clients` is red**, many Variables disappeared at once, and nothing was changed. Restore them, or
set the Variable `pulse_allow_mass_deactivation` to `true`.

Variables: `pulse_client_<slug>` (see docs/client-variable.md), `pulse_allow_mass_deactivation`. Connections:
`pulse_admin`, `pulse_superset`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import TriggerRule, dag, get_current_context, task

from pulse.orchestration.defaults import default_args


@dag(
    schedule=timedelta(minutes=5),
    start_date=datetime(2024, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    tags=["pulse"],
    default_args=default_args(),
)
def sync_clients() -> None:
    @task
    def list_clients() -> list[str]:
        from pulse.orchestration.sync_tasks import slugs_to_sync

        return slugs_to_sync()

    @task(map_index_template="{{ slug }}", retries=0)
    def sync_client(slug: str) -> dict[str, Any]:
        from pulse.orchestration.sync_tasks import sync_declared_client

        get_current_context()["slug"] = slug
        return sync_declared_client(slug)

    @task
    def deactivate_missing_clients() -> list[str]:
        from pulse.orchestration.sync_tasks import deactivate_undeclared

        return deactivate_undeclared()

    # One faulty Variable must not stop the other clients' roles from being created.
    @task(trigger_rule=TriggerRule.ALL_DONE)
    def provision_superset() -> None:
        from pulse.orchestration.sync_tasks import provision_all

        provision_all()

    # provision_superset runs whatever happened before it, so this task makes the run red if one above failed.
    @task(trigger_rule=TriggerRule.ONE_FAILED, retries=0)
    def watch_clients() -> None:
        from airflow.sdk.exceptions import AirflowFailException

        raise AirflowFailException(
            "A client could not be synchronised: the red task's log names the client, the field and what to do."
        )

    slugs = list_clients()
    deactivated = deactivate_missing_clients()
    slugs >> deactivated
    work = [sync_client.expand(slug=slugs), deactivated]
    provisioned = provision_superset()
    work >> provisioned
    [slugs, *work, provisioned] >> watch_clients()


sync_clients()
