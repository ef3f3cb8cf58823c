"""./pulse up: from whatever is there to everything running. Each step does nothing where nothing is to be done."""

from __future__ import annotations

import hashlib
import json
import subprocess
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from stack import dashboards, demo, environment, install, postgres_roles
from stack.context import Stack
from stack.errors import StackError
from stack.paths import AIRFLOW_VENV, ROOT, SUPERSET_VENV
from stack.postgres import Server
from stack.processes import AIRFLOW_PROCESSES, programs
from stack.steps import Progress, Say, Step

SCHEDULER = "airflow-scheduler"
START_SECONDS = 180
MAX_RESTARTS = 2  # while we wait for a process; one may be bad luck


class Up:
    """One run of ./pulse up on a stack."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.marks = Marks(stack.state / "done.json")

    def steps(self) -> list[Step]:
        """What is to be done, with what each step needs."""
        steps = [
            Step("Superset packages", lambda say: install.ensure(install.SUPERSET, say)),
            Step("PostgreSQL primary and metadata server", self.databases),
            Step("Tables and roles", self.schema, ("PostgreSQL primary and metadata server",)),
            Step("PostgreSQL replica", self.replica, ("Tables and roles",)),
            Step("Airflow's own tables", self.airflow_tables, ("PostgreSQL primary and metadata server",)),
            Step(
                "Superset's own tables and accounts",
                self.superset_tables,
                ("Superset packages", "PostgreSQL replica"),
            ),
            Step("Airflow", self.airflow, ("Airflow's own tables", "Tables and roles")),
            Step("Superset", self.superset, ("Superset's own tables and accounts",)),
        ]
        # The scheduler comes last: its first run of sync_clients then finds the Variables and Superset's accounts.
        before_scheduler: tuple[str, ...] = ("Airflow", "Superset's own tables and accounts")
        if self.stack.options.sandbox:
            steps.append(Step("Demo clients declared", self.declare, ("Airflow",)))
            before_scheduler = (*before_scheduler, "Demo clients declared")
        steps.append(Step("Airflow's scheduler", self.scheduler, before_scheduler))
        before_dashboards: tuple[str, ...] = ("Airflow's scheduler", "Superset")
        if self.stack.options.sandbox:
            steps.append(Step("Demo clients' first numbers", self.first_runs, before_dashboards))
            before_dashboards = ("Demo clients' first numbers",)
        steps.append(Step("Dashboards", self.dashboards, before_dashboards))
        return steps

    def run(self, progress: Progress) -> None:
        """Do it. Raises StepFailed."""
        progress.run(self.steps())

    # --- databases ----------------------------------------------------------------------------------------------

    def databases(self, say: Say) -> str | None:
        """Primary and metadata server run and have their databases."""
        cluster = self.stack.cluster
        created = [server.kind for server in (cluster.primary, cluster.meta) if cluster.prepare(server)]
        for kind in created:
            self.marks.forget(kind)
        self._supervise()
        self._start_server(cluster.meta)
        self._start_server(cluster.primary)
        if not self.marks.has("meta", self._database_mark()):
            postgres_roles.bootstrap_meta(cluster)
            self.marks.set("meta", self._database_mark())
        return f"created {' and '.join(created)}" if created else None

    def schema(self, say: Say) -> str | None:
        """The primary has the tables, roles and policies of this version."""
        cluster = self.stack.cluster
        if self.marks.has("primary", self._database_mark()):
            return "up to date"
        postgres_roles.bootstrap_primary(cluster)
        postgres_roles.migrate(cluster)
        postgres_roles.secure_roles(cluster)
        self.marks.set("primary", self._database_mark())
        return None

    def replica(self, say: Say) -> str | None:
        """The replica exists, runs and streams."""
        cluster = self.stack.cluster
        if cluster.replica_problem() is not None:
            self.stack.supervisor.stop_processes(["replica"])
        built = cluster.prepare_replica()
        self._start_server(cluster.replica)
        self._wait_healthy(["replica"], say)
        return f"copied from the primary: {built}" if built else None

    def _start_server(self, server: Server) -> None:
        self.stack.supervisor.start_process(server.kind)
        deadline = time.monotonic() + START_SECONDS
        while (problem := server.problem()) is not None:
            self._raise_if_dead(server.kind)
            if time.monotonic() > deadline:
                raise StackError(f"{server.kind} does not answer ({problem}): ./pulse logs {server.kind}")
            time.sleep(0.05)

    def _database_mark(self) -> str:
        files = [*(ROOT / "migrations").rglob("*.py"), *(ROOT / "migrations").rglob("*.sql"), *ROOT.glob("stack/post*")]
        return fingerprint(files, self.stack.settings.secrets["PULSE_ROLE_SECRET"])

    # --- metadata -----------------------------------------------------------------------------------------------

    def airflow_tables(self, say: Say) -> str | None:
        """Airflow's metadata database has the tables of the installed version."""
        settings = self.stack.settings
        home = settings.state / "airflow"
        home.mkdir(mode=0o700, exist_ok=True)
        write_private(environment.password_file(settings), environment.simple_auth_passwords(settings))
        mark = fingerprint([install.AIRFLOW.lock], settings.secrets["PULSE_ROLE_SECRET"])
        if self.marks.has("airflow", mark):
            return "up to date"
        command = [str(AIRFLOW_VENV / "bin" / "airflow"), "db", "migrate"]
        self._run("airflow-migrate", command, environment.airflow(settings), home)
        self.marks.set("airflow", mark)
        return None

    def superset_tables(self, say: Say) -> str | None:
        """Superset's metadata database has the tables, permissions and accounts of this version."""
        settings = self.stack.settings
        home = settings.state / "superset"
        home.mkdir(mode=0o700, exist_ok=True)
        secret = "".join(v for k, v in sorted(settings.secrets.items()) if "SUPERSET" in k or "ROLE" in k)
        mark = fingerprint([install.SUPERSET.lock, *(ROOT / "superset").rglob("*.py")], secret)
        if self.marks.has("superset", mark):
            return "up to date"
        python, env = str(SUPERSET_VENV / "bin" / "python"), environment.superset(settings)
        for what, arguments in (
            ("tables", [str(SUPERSET_VENV / "bin" / "superset"), "db", "upgrade"]),
            ("permissions", [str(SUPERSET_VENV / "bin" / "superset"), "init"]),
            ("accounts", [python, str(ROOT / "superset" / "bootstrap.py")]),
        ):
            say(what)
            self._run(f"superset-{what}", arguments, env, home)
        self.marks.set("superset", mark)
        return None

    def _run(self, name: str, command: list[str], env: dict[str, str], folder: Path) -> None:
        log = self.stack.log(name)
        with log.open("w") as out:
            done = subprocess.run(
                command, check=False, stdout=out, stderr=out, stdin=subprocess.DEVNULL, env=env, cwd=folder
            )
        if done.returncode != 0:
            raise StackError(
                f"{' '.join(Path(part).name for part in command)} failed ({done.returncode}); "
                f"the end of {log}:\n{self.stack.log_tail(name)}"
            )

    # --- processes ----------------------------------------------------------------------------------------------

    def airflow(self, say: Say) -> str | None:
        """Airflow's processes apart from the scheduler run and send heartbeats."""
        return self._start([name for name in AIRFLOW_PROCESSES if name != SCHEDULER], say)

    def scheduler(self, say: Say) -> str | None:
        """The scheduler runs and sends heartbeats."""
        return self._start([SCHEDULER], say)

    def superset(self, say: Say) -> str | None:
        """Superset and the sandbox answer."""
        names = ["superset"] + ["sandbox"] * self.stack.options.sandbox
        return self._start(names, say)

    def declare(self, say: Say) -> str:
        """The demo clients' Variables and Connections are in Airflow."""
        return demo.declare(self.stack.settings, self.stack.options)

    def first_runs(self, say: Say) -> str:
        """The demo clients have numbers on their dashboards."""
        return demo.wait_for_numbers(self.stack.settings, say)

    def dashboards(self, say: Say) -> str:
        """Superset has this version's dashboards."""
        return dashboards.bring(self.stack.settings, say)

    def _supervise(self) -> None:
        stack = self.stack
        wanted = programs(stack.settings, stack.cluster, stack.options)
        if not stack.supervisor.running():
            stack.supervisor.stop_everything()
            stack.supervisor.start(wanted)
        elif stack.supervisor.config_differs(wanted):
            stack.supervisor.change(wanted)

    def _start(self, names: list[str], say: Say) -> str | None:
        started = [name for name in names if self.stack.supervisor.start_process(name)]
        self._wait_healthy(names, say)
        return None if started else "already running"

    def _wait_healthy(self, names: list[str], say: Say) -> None:
        deadline = time.monotonic() + START_SECONDS
        seen: dict[str, set[int]] = {name: set() for name in names}
        while True:
            bad = [h for h in self.stack.health(names) if not h.healthy]
            if not bad:
                return
            for health in bad:
                seen[health.name] |= {health.pid} if health.pid else set()
                self._raise_if_dead(health.name, restarts=len(seen[health.name]) - 1)
            if time.monotonic() > deadline:
                raise StackError(
                    f"{bad[0].name} is not healthy after {START_SECONDS} s: {bad[0].detail}; the end of its log:\n"
                    f"{self.stack.log_tail(bad[0].name)}"
                )
            say("waiting for " + ", ".join(health.name for health in bad))
            time.sleep(0.3)

    def _raise_if_dead(self, name: str, restarts: int = 0) -> None:
        process = self.stack.supervisor.processes().get(name)
        if (process is not None and process.state in ("FATAL", "UNKNOWN")) or restarts >= MAX_RESTARTS:
            raise StackError(f"{name} does not stay up; the end of its log:\n{self.stack.log_tail(name)}")


class Marks:
    """Which pieces of set-up work were done for which version."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()

    def has(self, what: str, mark: str) -> bool:
        """Whether the work was done for this version."""
        return self._load().get(what) == mark

    def set(self, what: str, mark: str) -> None:
        """Note that it is done."""
        with self._lock:
            self._save(self._load() | {what: mark})

    def forget(self, server: str) -> None:
        """A server was created anew: nothing in it is done."""
        gone = {"meta": {"meta", "airflow", "superset"}, "primary": {"primary"}}[server]
        with self._lock:
            self._save({what: mark for what, mark in self._load().items() if what not in gone})

    def _load(self) -> dict[str, str]:
        try:
            return dict(json.loads(self.path.read_text()))
        except (OSError, ValueError):
            return {}

    def _save(self, marks: dict[str, str]) -> None:
        write_private(self.path, json.dumps(marks, indent=2) + "\n")


def fingerprint(files: Iterable[Path], secret: str = "") -> str:
    """Hash of files' names and contents and of a secret."""
    digest = hashlib.sha256(secret.encode())
    for path in sorted(files):
        digest.update(f"\0{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read."""
    partial = path.with_name(path.name + ".new")
    partial.touch(mode=0o600)
    partial.write_text(text)
    partial.replace(path)
