"""One installation as the commands see it: its folder, settings, servers and supervisor."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stack.environment import Settings
from stack.errors import StackError
from stack.health import Health, HealthChecks
from stack.options import Options, load_options, save_options
from stack.paths import ROOT, make_state_folder, state_folder
from stack.ports import StackPorts, choose_ports, load_ports
from stack.postgres.cluster import Cluster, Ports
from stack.secret_file import load_secrets
from stack.supervision.programs import AIRFLOW_PROCESSES, DATABASES
from stack.supervision.supervisor import Supervisor


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
        return [*DATABASES, *AIRFLOW_PROCESSES, "superset"] + ["sandbox"] * self.options.sandbox

    def health(self, names: list[str] | None = None) -> list[Health]:
        """Health of the named processes, by default of all."""
        checks = HealthChecks(self.settings, self.cluster)
        return checks.check(self.supervisor.processes(), names or self.names)

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
    """The installation of the state folder; None when it has never been started. Changes nothing."""
    state = state_folder()
    ports = load_ports(state)
    return None if ports is None or not (state / "secrets.env").exists() else _stack(state, ports, load_options(state))


def stack_to_start(demo: bool | None, recorded: str | None) -> tuple[Stack, list[str]]:
    """The installation for ./pulse up, and what to tell about ports that had to move.

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
    settings = Settings(state, ports, load_secrets(state))
    cluster = Cluster(state, settings.secrets["PULSE_ROLE_SECRET"], Ports(ports.primary, ports.replica, ports.meta))
    return Stack(settings, cluster, Supervisor(state), options)
