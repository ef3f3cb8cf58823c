"""The job `demo-clients` (profile demo): declares the missing demo clients, as an admin would."""

from __future__ import annotations

from pulse import environ
from sandbox import demo
from stack.airflow.api import AirflowApi, HttpError
from stack.airflow.demo import DerivedPasswords, put_client

AIRFLOW = "http://airflow-api-server:8080"
SANDBOX = "http://sandbox:8099"


def main() -> None:
    """Write Variables and Connections; sync_clients picks them up within five minutes."""
    api = AirflowApi(AIRFLOW, "admin", environ.AIRFLOW_ADMIN_PASSWORD.get())
    passwords = DerivedPasswords(environ.DEMO_SECRET.get())
    for slug, client in demo.demo_clients(SANDBOX, passwords).items():
        try:
            api.call("GET", f"variables/pulse_client_{slug}")
            print(f"{slug}: already declared")
            continue
        except HttpError as error:
            if error.status != 404:
                raise
        put_client(api, slug, client)
        for user in client.variable["users"]:
            print(f"{slug}: {user['email']} {passwords[user['email']]}")


if __name__ == "__main__":
    main()
