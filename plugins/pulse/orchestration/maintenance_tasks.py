"""What the tasks of the DAG maintenance do."""

from __future__ import annotations

import logging
from contextlib import closing
from pathlib import Path

from airflow.sdk.exceptions import AirflowSkipException

from pulse import environ
from pulse.maintenance import airflow as airflows
from pulse.maintenance import rows
from pulse.maintenance.keep import days
from pulse.superset.provision import api_from_connection
from pulse.warehouse.connect import connect

log = logging.getLogger(__name__)


def trim_clients() -> int:
    """Delete every client's old rows; how many. One client's failure holds up no other, and is raised at the end."""
    with closing(connect("pulse_admin")) as admin:
        clients = admin.execute("select id, slug from core.clients order by id").fetchall()
    total, failure = 0, None
    with closing(connect("pulse_etl", autocommit=True)) as conn:
        for client_id, slug in clients:
            try:
                gone = rows.trim_client(conn, client_id)
            except ValueError:
                raise
            except Exception as error:
                log.exception("client %s: its old rows could not be deleted", slug)
                failure = failure or error
                continue
            total += sum(gone.values())
            if gone:
                log.info("client %s: deleted %s", slug, gone)
    if failure is not None:
        raise failure
    return total


def trim_shared() -> dict[str, int]:
    """Delete old sessions, links, alerts that are over, and events of the audit that are older than a year."""
    with closing(connect("pulse_admin", autocommit=True)) as conn:
        return rows.trim_shared(conn)


def tidy_tables() -> list[str]:
    """Vacuum and analyse what needs it."""
    with closing(connect("pulse_etl", autocommit=True)) as conn:
        return rows.tidy_tables(conn)


def trim_airflow() -> list[str]:
    """Delete Airflow's old log files, then its old metadata. Skipped where nobody may ask the API server for the latter."""
    from airflow.configuration import conf

    kept = days(environ.KEEP_AIRFLOW)
    if kept is None:
        raise AirflowSkipException(f"{environ.KEEP_AIRFLOW.name} is 0: everything is kept")
    gone = airflows.trim_logs(Path(conf.get("logging", "base_log_folder")), kept)
    log.info("%d log files deleted", gone)
    if airflows.token() is None:
        raise AirflowSkipException(f"Airflow's metadata was not cleaned: {environ.WEBHOOK_SECRET.name} is not set")
    address = conf.get("core", "execution_api_server_url", fallback="") or f"{conf.get('api', 'base_url')}/execution/"
    return airflows.ask(address)


def trim_superset() -> dict[str, int]:
    """Have Superset delete its old log, queries, links and what it noted of sign-ins."""
    kept = days(environ.KEEP_SUPERSET)
    if kept is None:
        raise AirflowSkipException(f"{environ.KEEP_SUPERSET.name} is 0: everything is kept")
    found = api_from_connection().post("pulse/maintenance/", {"days": kept})
    return {str(kind): int(count) for kind, count in found["deleted"].items()}
