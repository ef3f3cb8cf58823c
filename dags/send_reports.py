"""
### Sends the brief by mail

Every hour it looks who is due: `users[].reports` in a client's Variable names `weekly` (from Monday, 6:00 in the client's zone)
and `monthly` (from the first day of the month). Who asks for `signals` gets the brief once when a number moves by more than
chance, or a target is reached or missed, between 6:00 and 20:00. Nobody gets anything twice: `core.reports_sent` has a row for
each.

**If `send_client` is red**, its log says for each person what failed. What the mail server refused is tried again, in this
run and at the next hour. What may have been sent is not: the log has the message's id to look for.

**If `list_clients` is skipped**, no mail server is set (`PULSE_SMTP_HOST`), or no client has a report to send.

Connections: `pulse_admin`, `pulse_superset`. Variables of the environment: `PULSE_SMTP_*`.
"""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk import dag, get_current_context, task

from pulse.orchestration.defaults import default_args


@dag(
    schedule="5 * * * *",
    start_date=datetime(2024, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    tags=["pulse"],
    default_args=default_args(),
)
def send_reports() -> None:
    @task
    def list_clients() -> list[str]:
        from pulse.orchestration.report_tasks import clients_with_reports

        return clients_with_reports()

    @task(map_index_template="{{ slug }}")
    def send_client(slug: str) -> int:
        from pulse.orchestration.report_tasks import send_reports_of

        get_current_context()["slug"] = slug
        return send_reports_of(slug)

    send_client.expand(slug=list_clients())


send_reports()
