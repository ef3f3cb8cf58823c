"""The job `demo-clients` (profile demo): declares the demo clients that are not declared yet, as an admin would."""

from __future__ import annotations

import os

from sandbox import demo
from stack.airflow.api import AirflowApi, HttpError
from stack.airflow.demo import DerivedPasswords

AIRFLOW = "http://airflow-api-server:8080"
SANDBOX = "http://sandbox:8099"


def main() -> None:
    """Write Variables and Connections; sync_clients picks them up within five minutes."""
    api = AirflowApi(AIRFLOW, "admin", os.environ["PULSE_AIRFLOW_ADMIN_PASSWORD"])
    passwords = DerivedPasswords(os.environ["PULSE_DEMO_SECRET"])
    for slug, client in demo.demo_clients(SANDBOX, passwords).items():
        try:
            api.call("GET", f"variables/pulse_client_{slug}")
            print(f"{slug}: already declared")
            continue
        except HttpError as error:
            if error.status != 404:
                raise
        for connection_id, fields in client.connections.items():
            api.put_connection(connection_id, fields)
        api.put_variable(f"pulse_client_{slug}", client.variable)
        for user in client.variable["users"]:
            print(f"{slug}: {user['email']} {passwords[user['email']]}")


if __name__ == "__main__":
    main()
