"""What Airflow's processes get as environment variables, besides deploy/airflow.cfg."""

from __future__ import annotations

import json
import os
from pathlib import Path
from urllib.parse import urlsplit

from pulse import environ, sso
from stack.settings import Settings

# Where Airflow sends traces and lineage, and how (docs/monitoring.md).
LINEAGE = ("AIRFLOW__OPENLINEAGE__", "OPENLINEAGE_")
TRACES = ("AIRFLOW__TRACES__", "OTEL_")


def tells_lineage() -> bool:
    """Whether the environment names a lineage backend."""
    return any(name.startswith(LINEAGE) and value for name, value in os.environ.items())


def variables(settings: Settings) -> dict[str, str]:
    """The settings of this installation, and Connections that tasks find in their environment."""
    home, secrets = settings.state / "airflow", settings.secrets
    service = f"pulse_service:{secrets['PULSE_SUPERSET_SERVICE_PASSWORD']}"
    # A source may not reach into this machine, except the sandbox, where it runs, and what the operator names.
    allowed = [*environ.PRIVATE_URLS.get(), *[urlsplit(settings.url("sandbox")).netloc] * settings.sandbox]
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW_CONFIG": str(settings.root / "deploy" / "airflow.cfg"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(settings.root / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(settings.root / "plugins"),
        "AIRFLOW__CORE__FERNET_KEY": secrets["PULSE_FERNET_KEY"],
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{settings.url('airflow')}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(password_file(settings)),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": settings.database_url(
            "airflow", "meta", "airflow", "postgresql+psycopg2"
        ),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": settings.database_url(
            "airflow", "meta", "airflow", "postgresql+asyncpg"
        ),
        "AIRFLOW__API__BASE_URL": settings.url("airflow"),
        "AIRFLOW__API__PORT": str(settings.ports.airflow),
        "AIRFLOW__API__SECRET_KEY": secrets["PULSE_JWT_SECRET"],
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets["PULSE_JWT_SECRET"],
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": _bundles(settings),
        # Locks of bundles too: by default in a folder of /tmp that another user's Airflow may own.
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(home / "bundles"),
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "AIRFLOW_CONN_PULSE_ETL": settings.database_url("pulse_etl", "primary"),
        "AIRFLOW_CONN_PULSE_ADMIN": settings.database_url("pulse_admin", "primary"),
        "AIRFLOW_CONN_PULSE_INGEST": settings.database_url("pulse_ingest", "primary"),
        "AIRFLOW_CONN_PULSE_REPLICA": settings.database_url("pulse_staff", "replica"),
        "AIRFLOW_CONN_PULSE_SUPERSET": settings.url("superset").replace("://", f"://{service}@"),
        environ.OIDC_NAMES.name: ",".join(sso.providers()),
        "PULSE_WEBHOOK_SECRET": secrets["PULSE_WEBHOOK_SECRET"],
        "PULSE_PRIVATE_URLS": ",".join(dict.fromkeys(allowed)),
        **{
            variable.name: os.environ[variable.name]
            for variable in (*environ.SMTP, *environ.KEEP)
            if os.environ.get(variable.name)
        },
        **{name: value for name, value in os.environ.items() if name.startswith((*LINEAGE, *TRACES)) and value},
    }


def password_file(settings: Settings) -> Path:
    """Where Airflow's simple auth manager looks for passwords."""
    return settings.state / "airflow" / "simple_auth_manager_passwords.json"


def passwords(settings: Settings) -> str:
    """Content of that file."""
    users = {"admin": "PULSE_AIRFLOW_ADMIN_PASSWORD", "data_team": "PULSE_AIRFLOW_DATA_TEAM_PASSWORD"}
    return json.dumps({user: settings.secrets[name] for user, name in users.items()})


def _bundles(settings: Settings) -> str:
    local = {"path": str(settings.root / "dags"), "refresh_interval": 30}
    return json.dumps(
        [
            {"name": "dags", "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle", "kwargs": local},
            {
                "name": "clients",
                "classpath": "pulse.orchestration.bundle.ClientBundle",
                "kwargs": {"refresh_interval": 10},
            },
        ]
    )
