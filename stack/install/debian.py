"""Programs of Debian that tests need: a browser, and Prometheus with promtool."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from stack.install.doctor import CHROMIUM
from stack.paths import VENVS

PROMETHEUS = VENVS / "tools" / "prometheus"


def ensure_browser() -> None:
    """Chromium: installed where we may, else the tests that need it say what is missing."""
    if any(map(shutil.which, CHROMIUM)) or os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    print("… installing chromium for the browser test", flush=True)
    for command in (["update", "-q"], ["install", "-y", "-q", "--no-install-recommends", "chromium"]):
        _apt(command, Path.cwd())


def ensure_prometheus() -> None:
    """Prometheus: unpacked into a folder of ours. Installed, Debian would start it as a service."""
    if prometheus("promtool") is not None or not shutil.which("apt-get"):
        return
    print("… fetching Prometheus for the tests of its rules", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if not _apt(["download", "-q", "prometheus"], folder, quiet=True) and os.geteuid() == 0:
            _apt(["update", "-q"], folder)
            _apt(["download", "-q", "prometheus"], folder)
        for package in folder.glob("prometheus_*.deb"):
            PROMETHEUS.mkdir(parents=True, exist_ok=True)
            subprocess.run(["dpkg-deb", "--extract", str(package), str(PROMETHEUS)], check=False)


def prometheus(program: str) -> str | None:
    """The path of `prometheus` or `promtool`; None where there is none."""
    own = PROMETHEUS / "usr" / "bin" / program
    return str(own) if own.is_file() else shutil.which(program)


def _apt(arguments: list[str], folder: Path, *, quiet: bool = False) -> bool:
    """Whether it went well; what went wrong is printed."""
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(["apt-get", *arguments], env=env, cwd=folder, check=False, capture_output=True, text=True)
    if done.returncode != 0 and not quiet:
        print(f"      apt-get {' '.join(arguments)} failed: {done.stderr.strip()[-300:]}", flush=True)
    return done.returncode == 0
