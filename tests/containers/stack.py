"""docker-compose.yml, whole and unchanged, on ports of its own, with secrets and certificates of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pulse import environ
from stack import files
from stack.paths import ROOT
from stack.secret_file import demo_password, load_secrets
from tests.containers.engine import Engine, run
from tests.support.servers import free_port

PROJECT = "pulse-test"
PORTS = (
    environ.AIRFLOW_PORT,
    environ.SUPERSET_PORT,
    environ.EDGE_HTTP_PORT,
    environ.EDGE_PORT,
    environ.EDGE_AIRFLOW_PORT,
    environ.PROMETHEUS_PORT,
    environ.SECOND_AIRFLOW_PORT,
    environ.EDGE_SECOND_AIRFLOW_PORT,
)
EDGE = {
    "superset": environ.EDGE_PORT,
    "airflow": environ.EDGE_AIRFLOW_PORT,
    "second": environ.EDGE_SECOND_AIRFLOW_PORT,
}
JOBS = re.compile("(second-)?(airflow-|superset-)?init|(second-)?demo-clients")  # they end


@dataclass
class Containers:
    """The stack of containers."""

    engine: Engine
    state: Path
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    workers: int = 0  # of the profile scale, which is on when there are some
    second: str = ""  # clients of the second Airflow (docker-compose.multi-client.yml), which is there when it has some

    @cached_property
    def variables(self) -> dict[str, str]:
        """What docker-compose.yml and deploy.render are told."""
        chosen = {port.name: free_port() for port in PORTS} | files.read_json(self.state / "ports.json")
        files.replace_json(self.state / "ports.json", chosen)
        ports = {name: str(number) for name, number in chosen.items()}
        folders = {environ.COMPOSE.name: self.state / "compose", environ.CERTIFICATES.name: self.state / "certs"}
        return ports | {name: str(folder) for name, folder in folders.items()}

    def url(self, service: str) -> str:
        """Address at the edge of superset, airflow, or the second Airflow."""
        return f"https://localhost:{self.variables[EDGE[service].name]}"

    @property
    def certificate(self) -> Path:
        """The self-signed certificate of the edge."""
        return self.state / "certs" / "fullchain.pem"

    def up(self, *options: str) -> None:
        """Render, build and start everything."""
        self._certificate()
        urls = ["--superset-url", self.url("superset"), "--airflow-url", self.url("airflow")]
        urls += ["--scale"] if self.workers else []
        if self.second:
            urls += ["--second-clients", self.second, "--second-airflow-url", self.url("second")]
        env = {**self.variables, "PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}"}
        run(sys.executable, "-m", "deploy.render", *urls, env=env)
        self.secrets = load_secrets(self.state / "compose")
        several = ["--scale", f"airflow-worker={self.workers}"] if self.workers else []
        self.compose("up", "--build", "--detach", "--quiet-pull", *several, *options)

    def down(self) -> None:
        """Remove containers, networks and volumes."""
        self.compose("--profile=scale", "down", "--volumes", "--remove-orphans", "--timeout", "20", whole=True)

    def compose(self, *arguments: str, check: bool = True, whole: bool = False) -> str:
        """Docker Compose with the whole file; `whole`: with that of the second Airflow, even when there is none."""
        profiles = [f"--profile={name}" for name in ("demo", "edge", "monitoring", *["scale"] * bool(self.workers))]
        env = self.engine.variables | self.variables
        place = [
            "--project-name",
            PROJECT,
            "--project-directory",
            str(ROOT),
            "--file",
            str(ROOT / "docker-compose.yml"),
        ]
        place += ["--file", str(ROOT / "docker-compose.multi-client.yml")] if self.second or whole else []
        return run("docker", "compose", *place, *profiles, *arguments, env=env, check=check)

    def execute(self, service: str, *command: str, check: bool = True) -> str:
        """Run a command in a service's container."""
        return self.compose("exec", "-T", service, *command, check=check)

    def sql(self, query: str, server: str = "replica", database: str = "pulse") -> list[list[str]]:
        """Rows of a query, as the superuser on the server itself."""
        text = self.execute(server, "psql", "-U", "postgres", "-d", database, "-AtqF", "\t", "-c", query)
        return [line.split("\t") for line in text.splitlines()]

    def services(self) -> list[str]:
        """The services that keep running."""
        return [name for name in self.compose("config", "--services").split() if not JOBS.fullmatch(name)]

    def inspect_all(self, service: str) -> list[dict[str, Any]]:
        """What the engine says of each of a service's containers."""
        containers = self.compose("ps", "--all", "--quiet", service).split()
        found: list[dict[str, Any]] = json.loads(self.engine.docker("inspect", *containers))
        return found

    def inspect(self, service: str) -> dict[str, Any]:
        """What the engine says of a service's container."""
        (found,) = self.inspect_all(service)
        return found

    def health(self, service: str) -> str:
        """The state of its health check; of a container that does not run, its status."""
        states = [found["State"] for found in self.inspect_all(service)]
        said = {str(s["Health"]["Status"] if s["Running"] and "Health" in s else s["Status"]) for s in states}
        return ", ".join(sorted(said))

    def kill(self, service: str) -> None:
        """End a service's first process as a crash would (a `docker kill` counts as wanted, and it is not started again)."""
        os.kill(self.inspect(service)["State"]["Pid"], signal.SIGKILL)

    def wait_healthy(self, services: list[str], seconds: float = 300) -> None:
        """Wait until the services are healthy."""
        wait(lambda: not (bad := {s: h for s in services if (h := self.health(s)) != "healthy"}) or bad, seconds)

    def password(self, email: str) -> str:
        """Password of a demo client's user."""
        return demo_password(self.secrets["PULSE_DEMO_SECRET"], email)

    def _certificate(self) -> None:
        folder = self.state / "certs"
        if self.certificate.exists():
            return
        folder.mkdir(parents=True, exist_ok=True)
        made = ["-keyout", str(folder / "privkey.pem"), "-out", str(self.certificate)]
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
            "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", *made)  # fmt: skip


def wait(probe: Callable[[], Any], seconds: float, every: float = 1) -> float:
    """Wait until the probe returns True, and no exception; how long it took. What it said last is in the AssertionError."""
    began, last = time.monotonic(), None
    while time.monotonic() < began + seconds:
        try:
            last = probe()
        except Exception as error:
            last = error
        if last is True:
            return time.monotonic() - began
        time.sleep(every)
    raise AssertionError(f"not within {seconds:.0f} s; last seen: {last!r}")
