"""
### Deletes what is old and no longer needed

Once a night. Of the clients' database: records that their upstream no longer has, rejects that were read in the end, old runs,
old versions of numbers, sessions, links, and events of the audit after a year. Of Airflow: old runs with their metadata, and log
files. Of Superset: its log. docs/maintenance.md says how long each is kept (`PULSE_KEEP_*`), and what is never deleted: whatever
a number is computed from. Then tables that need it are vacuumed.

A run that is killed has done a part; the next one does the rest.

**If `trim_airflow` is skipped**, Airflow's metadata is cleaned by nobody; the log says why. **If a task is red**, its log says
what does not answer; nothing else was touched.

Connections: `pulse_admin`, `pulse_etl`, `pulse_superset`. Variables of the environment: `PULSE_KEEP_*`.
"""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk import TriggerRule, dag, task

from pulse.orchestration.defaults import default_args


@dag(
    schedule="40 2 * * *",
    start_date=datetime(2024, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    tags=["pulse"],
    default_args=default_args(),
)
def maintenance() -> None:
    @task
    def trim_clients() -> int:
        from pulse.orchestration import maintenance_tasks

        return maintenance_tasks.trim_clients()

    @task
    def trim_shared() -> dict[str, int]:
        from pulse.orchestration import maintenance_tasks

        return maintenance_tasks.trim_shared()

    @task(trigger_rule=TriggerRule.ALL_DONE)
    def tidy_tables() -> list[str]:
        from pulse.orchestration import maintenance_tasks

        return maintenance_tasks.tidy_tables()

    @task
    def trim_airflow() -> list[str]:
        from pulse.orchestration import maintenance_tasks

        return maintenance_tasks.trim_airflow()

    @task
    def trim_superset() -> dict[str, int]:
        from pulse.orchestration import maintenance_tasks

        return maintenance_tasks.trim_superset()

    [trim_clients(), trim_shared()] >> tidy_tables()
    trim_airflow()
    trim_superset()


maintenance()
