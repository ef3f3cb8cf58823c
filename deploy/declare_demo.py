"""The job `demo-clients` (profile demo): declares the missing demo clients and has them read, as an admin would."""

from __future__ import annotations

from pulse import environ
from pulse.clients.served import Served
from sandbox import demo
from stack.airflow import runs
from stack.airflow.api import AirflowApi, HttpError
from stack.airflow.demo import DerivedPasswords, put_client

AIRFLOW = "http://airflow-api-server:8080"
SANDBOX = "http://sandbox:8099"
SYNC = "sync_clients"


def main() -> None:
    """Write Variables and Connections, then start sync_clients (which comes every five minutes by itself)."""
    api = AirflowApi(AIRFLOW, "admin", environ.AIRFLOW_ADMIN_PASSWORD.get())
    passwords = DerivedPasswords(environ.DEMO_SECRET.get())
    runs.wait_dag(api, SYNC, print)
    declared, served = False, Served.here()
    for slug, client in demo.demo_clients(SANDBOX, passwords).items():
        if slug not in served:
            continue
        try:
            api.call("GET", f"variables/pulse_client_{slug}")
            print(f"{slug}: already declared")
            continue
        except HttpError as error:
            if error.status != 404:
                raise
        put_client(api, slug, client)
        declared = True
        for user in client.variable["users"]:
            print(f"{slug}: {user['email']} {passwords[user['email']]}")
    if declared:
        runs.trigger(api, SYNC)


if __name__ == "__main__":
    main()
