"""
### Tells the data team what is wrong

Every ten minutes it looks at every client, as the page *Clients* does. It sends a mail to `PULSE_ALERTS_TO`
when a client fails, was not read for 26 hours, or has a failing quality check, and another when that is over. Clients with the
same cause share a message. When all is well, nothing is sent. To hear of it when this DAG, Airflow or a database stops, have a
monitoring service wait for the sign of life: after each run that worked, `PULSE_ALIVE_URL` is asked.

**If `tell` is skipped**, no address or no mail server is set (`PULSE_ALERTS_TO`, `PULSE_SMTP_HOST`), and no
`PULSE_ALIVE_URL`. **If it is red**, the mail server refused, or a database is away; the next run tells it then.

Connections: `pulse_admin`, `pulse_replica`. Variables of the environment: `PULSE_ALERTS_TO`, `PULSE_ALIVE_URL`, `PULSE_SMTP_*`.
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
