"""Which processes make up Pulse, and how each is run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pulse import environ
from stack import environment, files
from stack.install.packages import AIRFLOW, SUPERSET
from stack.options import Options
from stack.paths import AIRFLOW_VENV, ROOT, SUPERSET_VENV
from stack.ports import LOOPBACK
from stack.postgres.cluster import Cluster
from stack.settings import Settings

DATABASES = ("meta", "primary", "replica")
KEEPER = "keeper"
# What Superset's process imports of Airflow's side; deploy/superset.Dockerfile copies the same.
SHARED_WITH_SUPERSET = (
    *("__init__.py", "addresses.py", "environ.py", "scrape.py", "sso.py", "tenancy.py", "texts.py"),
    *("clients/__init__.py", "clients/passwords.py", "clients/weak_passwords.py", "languages/__init__.py"),
)
AIRFLOW_PROCESSES = ("airflow-api-server", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer")


@dataclass(frozen=True)
class Program:
    """One supervised process."""

    name: str
    command: list[str]
    environment: dict[str, str] = field(repr=False)
    folder: Path
    priority: int
    user: str | None = None
    stop_signal: str = "TERM"
    stop_seconds: int = 15
    stop_group: bool = False


def programs(settings: Settings, cluster: Cluster, options: Options) -> list[Program]:
    """All processes, in starting order."""
    result = _database_programs(cluster) + _airflow_programs(settings)
    result.append(_superset_program(settings))
    result.append(_keeper_program(settings))
    if options.sandbox:
        result.append(_sandbox_program(settings, options))
    return result


def _build_of(*code: Path) -> dict[str, str]:
    """A variable that changes with the code a process has loaded, so that ./pulse up restarts it after an update."""
    return {"PULSE_BUILD": files.fingerprint(code)[:16]}


def _database_programs(cluster: Cluster) -> list[Program]:
    code = _build_of(ROOT / "stack" / "postgres" / "config.py", ROOT / "deploy" / "postgres")
    env = environment.base() | {"LC_ALL": "C", "LANG": "C"} | code
    env.pop("HOME", None)
    # SIGINT is PostgreSQL's fast shutdown: sessions end, nothing is lost.
    return [
        Program(server.kind, server.command(), env, Path("/"), 10, cluster.account.name, "INT", 60)
        for server in (cluster.meta, cluster.primary, cluster.replica)
    ]


def _airflow_programs(settings: Settings) -> list[Program]:
    env = environment.airflow(settings) | _build_of(ROOT / "plugins", *environ.SOURCES.get(), AIRFLOW.lock)
    options = {"airflow-api-server": ["--host", LOOPBACK, "--port", str(settings.ports.airflow)]}
    # Their log servers would listen on every address; the api-server reads the same folder of logs.
    options |= {name: ["--skip-serve-logs"] for name in ("airflow-scheduler", "airflow-triggerer")}
    return [
        Program(
            name,
            [str(AIRFLOW_VENV / "bin" / "airflow"), name.removeprefix("airflow-"), *options.get(name, [])],
            env,
            settings.state / "airflow",
            30,
            stop_group=True,
        )
        for name in AIRFLOW_PROCESSES
    ]


def _superset_program(settings: Settings) -> Program:
    gunicorn = [str(SUPERSET_VENV / "bin" / "gunicorn"), "--config", str(ROOT / "superset" / "gunicorn.conf.py")]
    address = ["--workers", "1", "--bind", f"{LOOPBACK}:{settings.ports.superset}"]
    shared = [ROOT / "plugins" / "pulse" / name for name in SHARED_WITH_SUPERSET]
    texts = ROOT / "plugins" / "pulse" / "languages"
    code = _build_of(ROOT / "superset", *shared, texts, SUPERSET.lock)
    env = environment.superset(settings) | code
    return Program("superset", [*gunicorn, *address, "superset.app:create_app()"], env, settings.state / "superset", 40)


def _sandbox_program(settings: Settings, options: Options) -> Program:
    python = str(AIRFLOW_VENV / "bin" / "python")
    command = [python, "-m", "sandbox", "--host", LOOPBACK, "--port", str(settings.ports.sandbox)]
    command += ["--anchor", options.anchor, *(["--recorded", options.recorded] if options.recorded else [])]
    env = environment.sandbox(settings) | _build_of(ROOT / "sandbox", AIRFLOW.lock)
    return Program("sandbox", command, env, ROOT, 20)


def _keeper_program(settings: Settings) -> Program:
    """It reads the secrets' file itself, and works as whoever started Pulse."""
    env = environment.base(AIRFLOW_VENV) | {
        "PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}",
        environ.STATE.name: str(settings.state),
        environ.BACKUPS.name: str(environ.BACKUPS.given() or ""),
    }
    command = [str(AIRFLOW_VENV / "bin" / "python"), "-m", "stack.keeper"]
    return Program(KEEPER, command, env | _build_of(ROOT / "stack", ROOT / "deploy" / "postgres"), ROOT, 50)
