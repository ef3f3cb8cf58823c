"""One installation as the commands see it: its folder, settings, servers and supervisor."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from pulse import environ
from stack.errors import StackError
from stack.health import Health, HealthChecks
from stack.options import Options, load_options, save_options
from stack.paths import ROOT, make_state_folder, state_folder
from stack.ports import StackPorts, choose_ports, load_ports
from stack.postgres.cluster import Cluster
from stack.secret_file import load_secrets
from stack.settings import Settings
from stack.steps import Say
from stack.supervision.programs import AIRFLOW_PROCESSES, DATABASES, KEEPER
from stack.supervision.supervisor import Supervisor

MAX_RESTARTS = 2  # while we wait for a process; one may be bad luck


@dataclass
class Stack:
    """An installation whose ports and secrets are known."""

    settings: Settings
    cluster: Cluster
    supervisor: Supervisor
    options: Options

    @property
    def state(self) -> Path:
        return self.settings.state

    @property
    def names(self) -> list[str]:
        """Every process, in the order of ./pulse status."""
        return [*DATABASES, *AIRFLOW_PROCESSES, "superset", KEEPER] + ["sandbox"] * self.options.sandbox

    def health(self, names: list[str] | None = None) -> list[Health]:
        """Health of the named processes, by default of all."""
        checks = HealthChecks(self.settings, self.cluster)
        return checks.check(self.supervisor.processes(), names or self.names)

    def wait_healthy(self, names: list[str], seconds: float, say: Say = lambda _: None) -> None:
        """Wait until the processes are healthy. Raises StackError with the end of a log if one takes too long."""
        deadline = time.monotonic() + seconds
        seen: dict[str, set[int | None]] = {name: set() for name in names}
        while bad := [health for health in self.health(names) if not health.healthy]:
            for health in bad:
                seen[health.name].add(health.pid)
                self.raise_if_dead(health.name, restarts=len(seen[health.name] - {None}) - 1)
            if time.monotonic() > deadline:
                raise StackError(
                    f"{bad[0].name} is not healthy after {seconds:.0f} s: {bad[0].detail}; the end of its log:\n"
                    f"{self.log_tail(bad[0].name)}"
                )
            say("waiting for " + ", ".join(health.name for health in bad))
            time.sleep(0.3)

    def raise_if_dead(self, name: str, restarts: int = 0) -> None:
        """Raise StackError when the supervisor has given the process up, or has restarted it too often."""
        process = self.supervisor.processes().get(name)
        if (process is not None and process.state in ("FATAL", "UNKNOWN")) or restarts >= MAX_RESTARTS:
            raise StackError(f"{name} does not stay up; the end of its log:\n{self.log_tail(name)}")

    def log(self, name: str) -> Path:
        """Log file of a process or of a set-up command."""
        return self.state / "logs" / f"{name}.log"

    def log_tail(self, name: str, lines: int = 15) -> str:
        """The end of a log, indented."""
        try:
            text = self.log(name).read_text(errors="replace")
        except OSError:
            return "    (no log)"
        return "\n".join(f"    {line[:300]}" for line in text.splitlines()[-lines:])


def existing_stack() -> Stack | None:
    """The installation in the state folder; None if it has never been started. Changes nothing."""
    state = state_folder()
    ports = load_ports(state)
    return None if ports is None or not (state / "secrets.env").exists() else _stack(state, ports, load_options(state))


def stack_to_start(demo: bool | None, recorded: str | None) -> tuple[Stack, list[str]]:
    """The installation for ./pulse up, and messages about ports that had to move.

    `demo` and `recorded` None: as last time (at first: with the demo clients). Raises StackError.
    """
    state = make_state_folder()
    ports = load_ports(state)
    moved: list[str] = []
    if ports is None or not Supervisor(state).running():
        Supervisor(state).stop_everything()  # a crashed supervisor's processes would hold our own ports
        ports, moved = choose_ports(state)
    options = load_options(state).changed(demo, None if recorded is None else str(_recorded_folder(recorded)))
    save_options(state, options)
    return _stack(state, ports, options), moved


def _recorded_folder(given: str) -> Path:
    for base in (Path.cwd(), ROOT):
        folder = (base / given).resolve()
        if folder.is_dir():
            return folder
    raise StackError(f"--recorded {given}: there is no such folder")


def _stack(state: Path, ports: StackPorts, options: Options) -> Stack:
    settings = Settings(state, ports, load_secrets(state), sandbox=options.sandbox)
    backups = environ.BACKUPS.given()
    cluster = Cluster(state, settings.role_secrets, ports, backups=backups and backups.absolute())
    return Stack(settings, cluster, Supervisor(state), options)
