"""
### Tells the data team what is wrong

Every ten minutes it looks at every client, as the page *Clients* does. It sends a mail to `PULSE_ALERTS_TO`
when a client fails, was not read for 26 hours, or has a failing quality check, and another when that is over. Clients with the
same cause share a message. When all is well, nothing is sent.

**If `tell` is skipped**, no address or no mail server is set (`PULSE_ALERTS_TO`, `PULSE_SMTP_HOST`). **If it is red**, the
mail server refused; the next run tells it then.

Connections: `pulse_admin`, `pulse_replica`. Variables of the environment: `PULSE_ALERTS_TO`, `PULSE_SMTP_*`.
"""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk import dag, task

from pulse.orchestration.defaults import default_args


@dag(
    schedule="*/10 * * * *",
    start_date=datetime(2024, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    tags=["pulse"],
    default_args=default_args(),
)
def watch_clients() -> None:
    @task
    def tell() -> int:
        from pulse.orchestration.alert_tasks import tell_of_clients

        return tell_of_clients()

    tell()


watch_clients()
