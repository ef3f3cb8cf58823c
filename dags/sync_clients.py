"""
### Clients as the Variables declare them

Reads every Variable `pulse_client_<slug>`, checks it, and makes the tables, the client's database login and its Superset
role agree with it. Runs every five minutes; trigger it to have a change at once. The client's DAG follows within seconds.

**When `sync_client` is red** for a client, its Variable is faulty: the log names the client, the field and the way out.
Other clients are not affected, and the faulty one keeps its last good declaration.

**When `deactivate_missing_clients` is red**, many Variables vanished at once; nothing was changed. Restore them, or
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
        from pulse.orchestration.sync_tasks import declared_slugs

        return declared_slugs()

    @task(map_index_template="{{ slug }}", retries=0)
    def sync_client(slug: str) -> dict[str, Any]:
        from pulse.orchestration.sync_tasks import sync_declared_client

        get_current_context()["slug"] = slug  # type: ignore[typeddict-unknown-key]
        return sync_declared_client(slug)

    @task
    def deactivate_missing_clients(slugs: list[str]) -> list[str]:
        from pulse.orchestration.sync_tasks import deactivate_undeclared

        return deactivate_undeclared(slugs)

    # One faulty Variable must not keep the others' roles from being made.
    @task(trigger_rule=TriggerRule.ALL_DONE)
    def provision_superset() -> None:
        from pulse.orchestration.sync_tasks import provision_all

        provision_all()

    # provision_superset runs whatever happened before it, so a red task above has to make the run red from here.
    @task(trigger_rule=TriggerRule.ONE_FAILED, retries=0)
    def watch_clients() -> None:
        from airflow.sdk.exceptions import AirflowFailException

        raise AirflowFailException(
            "A client is not as declared: the red task's log names it, the field and the way out."
        )

    slugs = list_clients()
    work = [sync_client.expand(slug=slugs), deactivate_missing_clients(slugs)]
    provisioned = provision_superset()
    work >> provisioned
    [slugs, *work, provisioned] >> watch_clients()


sync_clients()
