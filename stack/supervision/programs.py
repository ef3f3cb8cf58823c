"""Which processes make up Pulse, and how the supervisor runs them."""

from __future__ import annotations

import getpass
import hashlib
import os
import shlex
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from stack import environment
from stack.environment import Settings
from stack.errors import StackError
from stack.options import Options
from stack.paths import AIRFLOW_VENV, ROOT, SUPERSET_VENV
from stack.ports import LOOPBACK
from stack.postgres.cluster import Cluster

DATABASES = ("meta", "primary", "replica")
AIRFLOW_PROCESSES = ("airflow-api-server", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer")
SOCKET_PATH_LIMIT = 85  # the kernel's is 107; supervisord appends a process id and a suffix while it starts
MARK = "PULSE_SUPERVISED_STATE"  # in the environment of every process, so that none is overlooked when stopping


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


def build_of(*paths: str) -> dict[str, str]:
    """A variable that changes with the code a process has loaded, so that ./pulse up restarts it after an update."""
    files = [
        file for path in paths for file in ([ROOT / path] if (ROOT / path).is_file() else (ROOT / path).rglob("*"))
    ]
    digest = hashlib.sha256()
    for file in sorted(f for f in files if f.is_file() and "__pycache__" not in f.parts):
        digest.update(f"\0{file.relative_to(ROOT)}\0".encode() + file.read_bytes())
    return {"PULSE_BUILD": digest.hexdigest()[:16]}


def programs(settings: Settings, cluster: Cluster, options: Options) -> list[Program]:
    """All processes, in starting order."""
    result = _database_programs(settings, cluster) + _airflow_programs(settings)
    result.append(_superset_program(settings))
    if options.sandbox:
        result.append(_sandbox_program(settings, options))
    return result


def _database_programs(settings: Settings, cluster: Cluster) -> list[Program]:
    env = environment.base() | {"LC_ALL": "C", "LANG": "C"} | build_of("stack/postgres/config.py")
    env.pop("HOME", None)
    # SIGINT is PostgreSQL's fast shutdown: sessions end, nothing is lost.
    return [
        Program(server.kind, server.command(), env, Path("/"), 10, cluster.account.name, "INT", 60)
        for server in (cluster.meta, cluster.primary, cluster.replica)
    ]


def _airflow_programs(settings: Settings) -> list[Program]:
    env = environment.airflow(settings) | build_of("plugins", "constraints/airflow-py311.txt")
    airflow = str(AIRFLOW_VENV / "bin" / "airflow")
    arguments = {
        "airflow-api-server": ["api-server", "--host", LOOPBACK, "--port", str(settings.ports.airflow)],
        "airflow-scheduler": ["scheduler"],
        "airflow-dag-processor": ["dag-processor"],
        "airflow-triggerer": ["triggerer"],
    }
    return [
        Program(name, [airflow, *arguments[name]], env, settings.state / "airflow", 30, stop_group=True)
        for name in AIRFLOW_PROCESSES
    ]


def _superset_program(settings: Settings) -> Program:
    command = [
        str(SUPERSET_VENV / "bin" / "gunicorn"),
        "--workers",
        "1",
        "--worker-class",
        "gthread",
        "--threads",
        "8",
        "--timeout",
        "120",
        "--graceful-timeout",
        "10",
        "--no-control-socket",
        "--bind",
        f"{LOOPBACK}:{settings.ports.superset}",
        "--limit-request-line",
        "0",
        "--limit-request-field_size",
        "0",
        "superset.app:create_app()",
    ]
    env = environment.superset(settings) | build_of(
        "superset", "plugins/pulse/tenancy.py", "constraints/superset-py311.txt"
    )
    return Program("superset", command, env, settings.state / "superset", 40)


def _sandbox_program(settings: Settings, options: Options) -> Program:
    command = [
        str(AIRFLOW_VENV / "bin" / "python"),
        "-m",
        "sandbox",
        "--host",
        LOOPBACK,
        "--port",
        str(settings.ports.sandbox),
        "--anchor",
        options.anchor,
    ]
    if options.recorded:
        command += ["--recorded", options.recorded]
    env = environment.sandbox(settings) | build_of("sandbox", "constraints/airflow-py311.txt")
    return Program("sandbox", command, env, ROOT, 20)


def socket_path(state: Path) -> Path:
    """Where supervisord listens: in the state folder, or elsewhere when its path is too long for a socket."""
    path = state / "supervisor.sock"
    if len(str(path)) <= SOCKET_PATH_LIMIT:
        return path
    digest = hashlib.sha256(str(state).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"pulse-{os.geteuid()}-{digest}" / "supervisor.sock"


def supervisor_config(state: Path, wanted: list[Program]) -> str:
    """Text of supervisor.conf. It holds secrets: write it for its owner only."""
    lines = [
        "# Written by ./pulse up at every start.",
        "[supervisord]",
        f"logfile = {_escape(str(state / 'logs' / 'supervisord.log'))}",
        "logfile_maxbytes = 5MB",
        "logfile_backups = 1",
        f"pidfile = {_escape(str(state / 'supervisord.pid'))}",
        f"childlogdir = {_escape(str(state / 'logs'))}",
        "identifier = pulse",
        "umask = 077",
        f"user = {getpass.getuser()}" if os.geteuid() == 0 else "",
        "[unix_http_server]",
        f"file = {_escape(str(socket_path(state)))}",
        "chmod = 0600",
        "[rpcinterface:supervisor]",
        "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface",
    ]
    for program in wanted:
        lines += _section(state, program)
    return "\n".join(line for line in lines if line) + "\n"


def _section(state: Path, program: Program) -> list[str]:
    env = program.environment | {MARK: str(state)}
    quoted = ",".join(f"{name}={_quoted(name, value)}" for name, value in sorted(env.items()))
    return [
        f"[program:{program.name}]",
        f"command = {_escape(shlex.join(program.command))}",
        f"directory = {_escape(str(program.folder))}",
        f"user = {program.user}" if program.user else "",
        f"environment = {quoted}",
        f"priority = {program.priority}",
        "autostart = false",
        "autorestart = true",
        "startsecs = 2",
        "startretries = 5",
        f"stopsignal = {program.stop_signal}",
        f"stopwaitsecs = {program.stop_seconds}",
        f"stopasgroup = {str(program.stop_group).lower()}",
        "killasgroup = true",
        "redirect_stderr = true",
        f"stdout_logfile = {_escape(str(state / 'logs' / program.name))}.log",
        "stdout_logfile_maxbytes = 10MB",
        "stdout_logfile_backups = 2",
    ]


def _escape(text: str) -> str:
    """supervisor expands %(name)s everywhere, and takes ' ;' for a comment."""
    return text.replace("%", "%%")


def _quoted(name: str, value: str) -> str:
    """A value as supervisor reads it: it knows no escapes, so a value may hold one kind of quote only."""
    quote = "'" if '"' in value else '"'
    if quote in value or value[:1] + value[-1:] in ("''", '""') or any(c in value for c in ("\n", " ;", " #")):
        raise StackError(
            f"the value of {name} cannot be passed on to the processes ({value!r}): "
            "move Pulse to a folder, or set the variable to a value, without quotes, line ends, ' ;' and ' #'"
        )
    return f"{quote}{_escape(value)}{quote}"
