"""The environment variables that each process gets."""

from __future__ import annotations

import os
from pathlib import Path

from pulse import environ, sso
from stack.airflow import settings as airflow_settings
from stack.paths import AIRFLOW_VENV, SUPERSET_VENV
from stack.ports import LOOPBACK
from stack.settings import Settings

# What a process inherits from the caller; everything else is set here, so that a stray AIRFLOW__ or PG variable of the
# caller's shell changes nothing.
INHERITED = (
    *("HOME", "USER", "LOGNAME", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"),
    *("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"),
    *("PULSE_CLIENTS", "PULSE_FIXTURES", "PULSE_POSTGRES_USER", "PULSE_SOURCES", "PULSE_TRUSTED_PROXIES"),
)


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


def sandbox(settings: Settings) -> dict[str, str]:
    """Environment of the sandbox. It plays somebody else's servers, so it gets none of our secrets."""
    return base(AIRFLOW_VENV) | {"PYTHONPATH": str(settings.root)}


def superset(settings: Settings) -> dict[str, str]:
    """Environment of Superset and of its command line."""
    return base(SUPERSET_VENV) | superset_variables(settings)


def airflow(settings: Settings) -> dict[str, str]:
    """Environment of Airflow's processes and of the launcher's own work."""
    return base(AIRFLOW_VENV) | airflow_variables(settings)


def superset_variables(settings: Settings) -> dict[str, str]:
    """What Superset gets wherever it runs. Raises BadProvider: better now than when somebody signs in."""
    sso.providers()
    return _common(settings) | {
        "FLASK_APP": "superset",
        "SUPERSET_CONFIG_PATH": str(settings.root / "superset" / "superset_config.py"),
        "PULSE_SUPERSET_SECRET_KEY": settings.secrets["PULSE_SUPERSET_SECRET_KEY"],
        "PULSE_SUPERSET_DB_URL": settings.database_url("superset", "meta", "superset", "postgresql+psycopg2"),
        "PULSE_SUPERSET_SERVICE_PASSWORD": settings.secrets["PULSE_SUPERSET_SERVICE_PASSWORD"],
        "PULSE_SUPERSET_STAFF_PASSWORD": settings.secrets["PULSE_SUPERSET_STAFF_PASSWORD"],
        # Who may show a dashboard in a frame: the tab of a client's DAG.
        "PULSE_AIRFLOW_PUBLIC_URL": settings.url("airflow"),
        environ.OIDC_PROVIDERS.name: environ.OIDC_PROVIDERS.get(),
    }


def airflow_variables(settings: Settings) -> dict[str, str]:
    """What Airflow gets wherever it runs."""
    return _common(settings) | airflow_settings.variables(settings)


def _common(settings: Settings) -> dict[str, str]:
    return {
        "PYTHONPATH": str(settings.root / "plugins"),
        "PULSE_ROOT": str(settings.root),
        "PULSE_STATE": str(settings.state),
        "PULSE_PRIMARY_HOST": settings.host("primary"),
        "PULSE_PRIMARY_PORT": str(settings.ports.primary),
        "PULSE_REPLICA_HOST": settings.host("replica"),
        "PULSE_REPLICA_PORT": str(settings.ports.replica),
        "PULSE_READER_SECRET": settings.secrets["PULSE_READER_SECRET"],
        "PULSE_METRICS_TOKEN": settings.secrets["PULSE_METRICS_TOKEN"],
        "PULSE_SUPERSET_PUBLIC_URL": settings.url("superset"),
    }
