"""The environment variables of every process: one place that knows addresses, logins and settings."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from pulse.tenancy import role_password
from stack.paths import AIRFLOW_VENV, ROOT, SUPERSET_VENV
from stack.ports import LOOPBACK, StackPorts

# What a process inherits from the caller; everything else is set here, so that a stray AIRFLOW__ or PG variable of the
# caller's shell changes nothing.
INHERITED = (
    "HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "http_proxy",
    "https_proxy",
    "PULSE_CLIENTS",
    "PULSE_FIXTURES",
    "PULSE_POSTGRES_USER",
    "PULSE_PRIVATE_URLS",
)


@dataclass(frozen=True)
class Settings:
    """Everything the environments are made from."""

    state: Path
    ports: StackPorts
    secrets: dict[str, str]
    hosts: dict[str, str] = field(default_factory=dict)  # by service; loopback where not given
    root: Path = ROOT

    def host(self, service: str) -> str:
        """Where primary, replica, meta, airflow, superset or sandbox listens."""
        return self.hosts.get(service, LOOPBACK)

    def url(self, service: str) -> str:
        """http:// address of airflow, superset or sandbox."""
        return f"http://{self.host(service)}:{getattr(self.ports, service)}"

    def database_url(self, role: str, server: str, database: str = "pulse", scheme: str = "postgresql") -> str:
        """URL of a role's login on primary, replica or meta, password included."""
        password = role_password(self.secrets["PULSE_ROLE_SECRET"], role)
        return f"{scheme}://{role}:{password}@{self.host(server)}:{getattr(self.ports, server)}/{database}"


def base(venv: Path | None = None) -> dict[str, str]:
    """What every process gets: a search path, a locale, the caller's proxy and certificates."""
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    path = ([str(venv / "bin")] if venv else []) + ["/usr/local/bin", "/usr/bin", "/bin"]
    return inherited | {
        "PATH": ":".join(path),
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONUNBUFFERED": "1",
        "NO_PROXY": f"{LOOPBACK},localhost",
        "no_proxy": f"{LOOPBACK},localhost",
    }


def _common(settings: Settings) -> dict[str, str]:
    return {
        "PULSE_ROOT": str(settings.root),
        "PULSE_STATE": str(settings.state),
        "PULSE_PRIMARY_HOST": settings.host("primary"),
        "PULSE_PRIMARY_PORT": str(settings.ports.primary),
        "PULSE_REPLICA_HOST": settings.host("replica"),
        "PULSE_REPLICA_PORT": str(settings.ports.replica),
        "PULSE_ROLE_SECRET": settings.secrets["PULSE_ROLE_SECRET"],
    }


def connections(settings: Settings) -> dict[str, str]:
    """Airflow Connections that tasks find in their environment."""
    login = f"pulse_service:{settings.secrets['PULSE_SUPERSET_SERVICE_PASSWORD']}"
    return {
        "AIRFLOW_CONN_PULSE_ETL": settings.database_url("pulse_etl", "primary"),
        "AIRFLOW_CONN_PULSE_ADMIN": settings.database_url("pulse_admin", "primary"),
        "AIRFLOW_CONN_PULSE_REPLICA": settings.database_url("pulse_staff", "replica"),
        "AIRFLOW_CONN_PULSE_SUPERSET": settings.url("superset").replace("://", f"://{login}@"),
    }


def sandbox(settings: Settings) -> dict[str, str]:
    """Environment of the sandbox: it stands for somebody else's servers, so it gets none of our secrets."""
    return base(AIRFLOW_VENV) | {"PYTHONPATH": str(settings.root)}


def superset(settings: Settings) -> dict[str, str]:
    """Environment of Superset and of its command line."""
    return base(SUPERSET_VENV) | superset_variables(settings)


def airflow(settings: Settings) -> dict[str, str]:
    """Environment of Airflow's processes and of the launcher's own work."""
    return base(AIRFLOW_VENV) | airflow_variables(settings)


def superset_variables(settings: Settings) -> dict[str, str]:
    """What Superset is told, wherever it runs."""
    return _common(settings) | {
        "PYTHONPATH": str(settings.root / "plugins"),
        "FLASK_APP": "superset",
        "SUPERSET_CONFIG_PATH": str(settings.root / "superset" / "superset_config.py"),
        "PULSE_SUPERSET_SECRET_KEY": settings.secrets["PULSE_SUPERSET_SECRET_KEY"],
        "PULSE_SUPERSET_DB_URL": settings.database_url("superset", "meta", "superset", "postgresql+psycopg2"),
        "PULSE_SUPERSET_SERVICE_PASSWORD": settings.secrets["PULSE_SUPERSET_SERVICE_PASSWORD"],
        "PULSE_SUPERSET_STAFF_PASSWORD": settings.secrets["PULSE_SUPERSET_STAFF_PASSWORD"],
        "PULSE_SUPERSET_PUBLIC_URL": settings.url("superset"),
        # Who may show a dashboard in a frame: the tab of a client's DAG.
        "PULSE_AIRFLOW_PUBLIC_URL": settings.url("airflow"),
    }


def airflow_variables(settings: Settings) -> dict[str, str]:
    """What Airflow is told, wherever it runs."""
    return (
        _common(settings)
        | connections(settings)
        | _airflow_settings(settings)
        | {
            "PYTHONPATH": str(settings.root / "plugins"),
            "PULSE_SUPERSET_PUBLIC_URL": settings.url("superset"),
            "AIRFLOW_HOME": str(settings.state / "airflow"),
            # A custom source may not reach into this machine, but for the sandbox and what the operator names.
            "PULSE_ALLOW_PRIVATE_URLS": ",".join(
                filter(None, [os.environ.get("PULSE_PRIVATE_URLS"), urlsplit(settings.url("sandbox")).netloc])
            ),
        }
    )


def simple_auth_passwords(settings: Settings) -> str:
    """Content of Airflow's password file."""
    return json.dumps(
        {
            "admin": settings.secrets["PULSE_AIRFLOW_ADMIN_PASSWORD"],
            "data_team": settings.secrets["PULSE_AIRFLOW_DATA_TEAM_PASSWORD"],
        }
    )


def password_file(settings: Settings) -> Path:
    """Where Airflow's simple auth manager looks for passwords."""
    return settings.state / "airflow" / "simple_auth_manager_passwords.json"


def _airflow_settings(settings: Settings) -> dict[str, str]:
    secrets, ports = settings.secrets, settings.ports
    bundles = [
        {
            "name": "dags",
            "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
            "kwargs": {"path": str(settings.root / "dags"), "refresh_interval": 30},
        },
        {"name": "clients", "classpath": "pulse.orchestration.bundle.ClientBundle", "kwargs": {"refresh_interval": 10}},
    ]
    values = {
        "core": {
            "executor": "LocalExecutor",
            "parallelism": "4",
            "max_active_tasks_per_dag": "4",
            "load_examples": "False",
            "dags_folder": str(settings.root / "dags"),
            "plugins_folder": str(settings.root / "plugins"),
            "dags_are_paused_at_creation": "False",
            "default_timezone": "utc",
            # By default a DAG that changes twice within 30 s keeps its first form until its file is parsed again.
            "min_serialized_dag_update_interval": "0",
            "fernet_key": secrets["PULSE_FERNET_KEY"],
            "execution_api_server_url": f"{settings.url('airflow')}/execution/",
            "auth_manager": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
            # The data team may see and trigger runs; Variables and Connections need more than USER.
            "simple_auth_manager_users": "admin:admin,data_team:user",
            "simple_auth_manager_passwords_file": str(password_file(settings)),
        },
        "database": {
            "sql_alchemy_conn": settings.database_url("airflow", "meta", "airflow", "postgresql+psycopg2"),
            "sql_alchemy_conn_async": settings.database_url("airflow", "meta", "airflow", "postgresql+asyncpg"),
            "sql_alchemy_pool_size": "3",
            "sql_alchemy_max_overflow": "7",
        },
        "api": {
            "base_url": settings.url("airflow"),
            "host": LOOPBACK,
            "port": str(ports.airflow),
            "workers": "1",
            "secret_key": secrets["PULSE_JWT_SECRET"],
            "expose_config": "False",
        },
        "api_auth": {"jwt_secret": secrets["PULSE_JWT_SECRET"]},
        "dag_processor": {
            "dag_bundle_config_list": json.dumps(bundles),
            # Locks of bundles too: by default in a folder of /tmp that another user's Airflow may own.
            "dag_bundle_storage_path": str(settings.state / "airflow" / "bundles"),
            "parsing_processes": "1",
            "min_file_process_interval": "300",
            "refresh_interval": "10",
            "bundle_refresh_check_interval": "3",
            "print_stats_interval": "300",
        },
        "logging": {
            "base_log_folder": str(settings.state / "airflow" / "logs"),
            "worker_log_server_port": str(ports.task_logs),
            "trigger_log_server_port": str(ports.trigger_logs),
        },
        # After a crash its tasks are retried this much later.
        "scheduler": {"task_instance_heartbeat_timeout": "120"},
        "metrics": {"statsd_on": "False", "otel_on": "False"},
    }
    return {
        f"AIRFLOW__{section.upper()}__{name.upper()}": value
        for section, names in values.items()
        for name, value in names.items()
    }
