"""Writes .pulse/compose (or the folder PULSE_COMPOSE): the environment files for docker-compose.yml.

    python3.11 -m deploy.render [--superset-url URL] [--airflow-url URL] [--scale]
                                [--second-clients SLUG,SLUG --second-airflow-url URL]

Standard library only. Secrets are generated once and kept; whoever has the folder has every client's data. The
variables are the ones that ./pulse up gives the same processes (stack/environment.py): only hosts and folders differ.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "plugins")]

from pulse import environ  # noqa: E402
from pulse.clients.served import SLUG  # noqa: E402
from pulse.tenancy import POOLER_ROLE, role_password  # noqa: E402
from stack import environment, files  # noqa: E402
from stack.ports import StackPorts  # noqa: E402
from stack.secret_file import load_secrets  # noqa: E402
from stack.settings import Settings  # noqa: E402

PORTS = StackPorts(primary=5432, replica=5432, meta=5432)
HOSTS = {name: name for name in ("primary", "replica", "meta", "superset", "sandbox")} | {
    "airflow": "airflow-api-server"
}
INSIDE = Path("/opt/pulse")  # the checkout in the images
FIRST_PASSWORDS = ("PULSE_AIRFLOW_ADMIN_PASSWORD", "PULSE_AIRFLOW_DATA_TEAM_PASSWORD")
STATE = Path("/var/lib/pulse")  # a volume that Airflow's containers share


@dataclass(frozen=True)
class Second:
    """A second Airflow (docker-compose.multi-client.yml): the slugs of its clients, and its address in browsers."""

    clients: tuple[str, ...]
    url: str


def settings(folder: Path) -> Settings:
    """The same settings as ./pulse up makes, with the containers' hosts and folders."""
    return Settings(STATE, PORTS, load_secrets(folder), HOSTS, INSIDE)


def environments(
    found: Settings, superset_url: str, airflow_url: str, *, scale: bool = False, second: Second | None = None
) -> dict[str, dict[str, str]]:
    """Variables by file name; `scale`: for the profile of this name; `second`: for docker-compose.multi-client.yml."""
    public = {"PULSE_SUPERSET_PUBLIC_URL": superset_url}
    roles = found.role_secrets
    left = {environ.CLIENTS.name: ",".join(f"-{slug}" for slug in second.clients)} if second else {}
    return {
        "airflow": environment.airflow_variables(found)
        | public
        | {
            "AIRFLOW__API__BASE_URL": airflow_url,
            # Accounts of people, where ./pulse up has the simple auth manager.
            "AIRFLOW__CORE__AUTH_MANAGER": "pulse.access.fab.FabAccess",
            "AIRFLOW__FAB__CONFIG_FILE": str(INSIDE / "deploy" / "webserver_config.py"),
            # One JSON object per line, for whatever collects the containers' logs.
            "AIRFLOW__LOGGING__JSON_LOGS": "True",
        }
        | left,
        # For the job airflow-init, which makes the first accounts.
        "accounts": {name: found.secrets[name] for name in FIRST_PASSWORDS},
        "superset": environment.superset_variables(found)
        | public
        | {
            "PULSE_AIRFLOW_PUBLIC_URL": airflow_url,
            # The service of docker-compose.yml that ends TLS: what it says about https and addresses is believed.
            "PULSE_TRUSTED_PROXIES": "edge",
        }
        | (_shared(found) if scale else {}),
        # For schedulers and workers.
        "queue": _queue(found) if scale else {},
        "redis": {
            environ.REDIS_QUEUE_PASSWORD.name: _redis_password(found, "queue"),
            environ.REDIS_CACHE_PASSWORD.name: _redis_password(found, "cache"),
        },
        "postgres": {"POSTGRES_PASSWORD": roles.password("postgres")},
        # CloudNativePG and PgBouncer take logins in this form.
        "superuser": {"username": "postgres", "password": roles.password("postgres")},
        "pooler": {"username": POOLER_ROLE, "password": roles.password(POOLER_ROLE)},
        "replication": {"PULSE_REPLICATION_PASSWORD": roles.password("pulse_replication")},
        # Only this job has the secret of the roles that write.
        "init": {
            "PULSE_ROLE_SECRET": roles.services,
            "PULSE_READER_SECRET": roles.readers,
            "PYTHONPATH": f"{INSIDE}:{INSIDE / 'plugins'}",
        }
        | {f"PULSE_{name.upper()}_HOST": HOSTS[name] for name in ("primary", "meta")},
        # For Prometheus (profile monitoring).
        "monitoring": {"PULSE_METRICS_TOKEN": found.secrets["PULSE_METRICS_TOKEN"]},
        "demo": {
            "PULSE_DEMO_SECRET": found.secrets["PULSE_DEMO_SECRET"],
            "PULSE_AIRFLOW_ADMIN_PASSWORD": found.secrets["PULSE_AIRFLOW_ADMIN_PASSWORD"],
            "PYTHONPATH": f"{INSIDE}:{INSIDE / 'plugins'}",
        }
        | left,
    } | ({"second": _second(found, second)} if second else {})


def _second(found: Settings, second: Second) -> dict[str, str]:
    """How the second Airflow differs from the first. A session at one is not valid at the other: their accounts differ."""
    keys = ("AIRFLOW__API__SECRET_KEY", "AIRFLOW__API_AUTH__JWT_SECRET")
    return {
        environ.CLIENTS.name: ",".join(second.clients),
        "AIRFLOW__API__BASE_URL": second.url,
        **{key: role_password(found.secrets["PULSE_JWT_SECRET"], f"second {key}") for key in keys},
    }


def _redis_password(found: Settings, user: str) -> str:
    return role_password(found.secrets[environ.REDIS_SECRET.name], user)


def _redis(found: Settings, user: str, number: int) -> str:
    """Address of one of Redis's databases, for one of its users (deploy/redis.sh)."""
    return f"redis://{user}:{_redis_password(found, user)}@redis:6379/{number}"


def _shared(found: Settings) -> dict[str, str]:
    """What several Supersets have in common."""
    return {environ.REDIS_URL.name: _redis(found, "cache", 1), environ.REPLICA_HOST.name: "pooler"}


def _queue(found: Settings) -> dict[str, str]:
    """What makes a scheduler hand its tasks to workers."""
    return {
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "AIRFLOW__CORE__PARALLELISM": "64",  # of each scheduler
        "AIRFLOW__CELERY__BROKER_URL": _redis(found, "queue", 0),
        "AIRFLOW__CELERY__RESULT_BACKEND": found.database_url("airflow", "meta", "airflow", "db+postgresql"),
        "AIRFLOW__CELERY__WORKER_CONCURRENCY": "4",
    }


def write(
    folder: Path, superset_url: str, airflow_url: str, *, scale: bool = False, second: Second | None = None
) -> None:
    """Write all files, for their owner only."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # A second Airflow of before would serve clients that the first has again.
    (folder / "second.env").unlink(missing_ok=True)
    found = environments(settings(folder), superset_url, airflow_url, scale=scale, second=second)
    for name, variables in found.items():
        text = "".join(f"{key}={value}\n" for key, value in sorted(variables.items()))
        files.replace(folder / f"{name}.env", text)


def main() -> None:
    """Write the files and say where."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--superset-url", default="http://localhost:8088", help="as the executives' browsers see it")
    parser.add_argument("--airflow-url", default="http://localhost:8080", help="as the data team's browsers see it")
    parser.add_argument("--scale", action="store_true", help="for the profile scale: workers, Redis, two Supersets")
    parser.add_argument(
        "--second-clients",
        metavar="SLUGS",
        default="",
        help="clients of a second Airflow (docker-compose.multi-client.yml)",
    )
    parser.add_argument("--second-airflow-url", default="http://localhost:8081", help="its address in browsers")
    given = parser.parse_args()
    slugs = tuple(word.strip() for word in given.second_clients.split(",") if word.strip())
    if wrong := [slug for slug in slugs if not SLUG.fullmatch(slug)]:
        parser.error(f"--second-clients: {wrong[0]!r} is not the slug of a client: name them as in pulse_client_<slug>")
    second = Second(slugs, given.second_airflow_url) if slugs else None
    folder = environ.COMPOSE.get()
    write(folder, given.superset_url, given.airflow_url, scale=given.scale, second=second)
    print(f"{folder}: ready for docker compose up. Passwords are in {folder / 'secrets.env'}")


if __name__ == "__main__":
    main()
