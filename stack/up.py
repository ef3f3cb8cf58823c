"""./pulse up: from whatever is there to everything running. Each step does nothing where nothing is to be done."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

from migrations import migrate
from stack import environment, files
from stack.airflow import dashboards, demo
from stack.airflow import settings as airflow_settings
from stack.context import Stack
from stack.errors import StackError
from stack.install import packages as install
from stack.paths import AIRFLOW_VENV, ROOT, SUPERSET_VENV
from stack.postgres import roles
from stack.postgres.server import Server
from stack.steps import Progress, Say, Step
from stack.supervision.programs import AIRFLOW_PROCESSES, KEEPER, programs

SCHEDULER = "airflow-scheduler"
START_SECONDS = 180


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
            Step("Keeper of backups and the replica", self.keeper, ("PostgreSQL replica",)),
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
        self.marks.once("meta", self._database_mark(), lambda: roles.bootstrap_meta(cluster))
        return f"created {' and '.join(created)}" if created else None

    def schema(self, say: Say) -> str | None:
        """The primary has the tables, roles and policies of this version."""
        return self.marks.once("primary", self._database_mark(), self._migrate)

    def _migrate(self) -> None:
        roles.bootstrap_primary(self.stack.cluster)
        roles.migrate(self.stack.cluster)
        roles.secure_roles(self.stack.cluster)

    def replica(self, say: Say) -> str | None:
        """The replica exists, runs and streams."""
        cluster = self.stack.cluster
        if cluster.replica_problem() is not None:
            self.stack.supervisor.stop_processes(["replica"])
        built = cluster.prepare_replica()
        self._start_server(cluster.replica)
        self.stack.wait_healthy(["replica"], START_SECONDS, say)
        return f"copied from the primary: {built}" if built else None

    def _start_server(self, server: Server) -> None:
        self.stack.supervisor.start_process(server.kind)
        server.wait_ready(START_SECONDS, lambda: self.stack.raise_if_dead(server.kind))

    def _database_mark(self) -> str:
        code = [*migrate.folders(), ROOT / "stack" / "postgres"]
        secrets = self.stack.settings.role_secrets
        return files.fingerprint(code, secrets.services + secrets.readers)

    # --- metadata -----------------------------------------------------------------------------------------------

    def airflow_tables(self, say: Say) -> str | None:
        """Airflow's metadata database has the tables of the installed version."""
        settings = self.stack.settings
        files.replace(airflow_settings.password_file(settings), airflow_settings.passwords(settings))
        mark = files.fingerprint([install.AIRFLOW.lock], settings.role_secrets.services)
        return self.marks.once("airflow", mark, self._migrate_airflow)

    def _migrate_airflow(self) -> None:
        command = [str(AIRFLOW_VENV / "bin" / "airflow"), "db", "migrate"]
        self._run("airflow-migrate", command, environment.airflow(self.stack.settings))

    def superset_tables(self, say: Say) -> str | None:
        """Superset's metadata database has the tables, permissions and accounts of this version."""
        secret = "".join(v for k, v in sorted(self.stack.settings.secrets.items()) if "SUPERSET" in k or "ROLE" in k)
        mark = files.fingerprint([install.SUPERSET.lock, *(ROOT / "superset").rglob("*.py")], secret)
        return self.marks.once("superset", mark, lambda: self._migrate_superset(say))

    def _migrate_superset(self, say: Say) -> None:
        python, superset = (str(SUPERSET_VENV / "bin" / name) for name in ("python", "superset"))
        for what, command in (
            ("tables", [superset, "db", "upgrade"]),
            ("permissions", [superset, "init"]),
            ("accounts", [python, str(ROOT / "superset" / "bootstrap.py")]),
        ):
            say(what)
            self._run(f"superset-{what}", command, environment.superset(self.stack.settings))

    def _run(self, name: str, command: list[str], env: dict[str, str]) -> None:
        """Run a command in the folder of its program, with its output in a log of this name."""
        log, folder = self.stack.log(name), self.stack.state / name.partition("-")[0]
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

    def keeper(self, say: Say) -> str | None:
        """The keeper runs, which backs up and repairs the replica."""
        return self._start([KEEPER], say)

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
        self.stack.wait_healthy(names, START_SECONDS, say)
        return None if started else "already running"


class Marks:
    """Which pieces of set-up work were done for which version."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()

    def once(self, what: str, mark: str, work: Callable[[], None]) -> str | None:
        """Do the work unless it was done for this version; says when there was nothing to do."""
        if files.read_json(self.path).get(what) == mark:
            return "up to date"
        work()
        with self._lock:
            files.replace_json(self.path, files.read_json(self.path) | {what: mark})
        return None

    def forget(self, server: str) -> None:
        """A server was created: nothing in it is done."""
        gone = {"meta": {"meta", "airflow", "superset"}, "primary": {"primary"}}[server]
        with self._lock:
            left = {what: mark for what, mark in files.read_json(self.path).items() if what not in gone}
            files.replace_json(self.path, left)
