"""Checks of this machine, each with a sentence that says what to do. Standard library only."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stack.errors import StackError
from stack.install import packages as install
from stack.install.uv import BINARY
from stack.paths import ROOT, VENVS, existing, state_folder
from stack.ports import StackPorts, is_free, load_ports
from stack.postgres.account import Account, owner_of
from stack.secret_file import FILE_NAME as SECRETS

NEEDED_MEMORY_MB = 3000
FREE_DISK_MB = 1000  # for a running installation
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
INSTALLATION = {  # by PackageSet.state()
    "ready": "installed",
    "missing": "not installed yet: ./pulse up installs it",
    "half": "an installation did not finish: ./pulse up starts it afresh",
    "outdated": "installed from older pins: ./pulse up brings it up to date",
}


@dataclass(frozen=True)
class Finding:
    """The outcome of one check. `level`: ok, note (works anyway) or problem."""

    level: str
    what: str
    advice: str = ""


def doctor(*, delete_leaks: bool = False) -> int:
    """Print every check; exit code 1 if one is a problem. `delete_leaks`: first delete what check_audit_log finds."""
    problems = 0
    if delete_leaks:
        print(f"deleted {len(_leaks('--delete'))} rows of Airflow's audit log\n")
    for check in CHECKS:
        for finding in check():
            problems += finding.level == "problem"
            mark = {"ok": "ok     ", "note": "note   ", "problem": "PROBLEM"}[finding.level]
            print(f"{mark} {finding.what}" + (f"\n        → {finding.advice}" if finding.advice else ""), flush=True)
    print(f"\n{problems} problem{'s' * (problems != 1)}." if problems else "\nThis machine is ready for Pulse.")
    return 1 if problems else 0


def before_start() -> None:
    """The checks that must pass before ./pulse up starts. Raises StackError."""
    for check in (check_system, check_disk, check_state_folder):
        for finding in check():
            if finding.level == "problem":
                raise StackError(f"{finding.what}: {finding.advice}")


def check_python() -> Iterator[Finding]:
    """Whether Pulse runs on this Python, and whether it can create virtual environments."""
    yield Finding("ok", f"Python {platform.python_version()} ({sys.executable})")
    if not importlib.util.find_spec("ensurepip") or not importlib.util.find_spec("venv"):
        advice = f"install it (Debian, Ubuntu: apt-get install {install.PYTHON}-venv)"
        yield _finding(bool(shutil.which("uv")), "problem", "this Python comes without the venv module", advice)


def check_system() -> Iterator[Finding]:
    """The PostgreSQL wheel is for Linux with glibc."""
    machine = platform.machine()
    if sys.platform != "linux":
        yield Finding("problem", f"this is {platform.system()}", "use Linux, or docker-compose.yml in containers")
    elif machine not in ("x86_64", "aarch64"):
        yield Finding("problem", f"the processor is {machine}", "use x86_64 or aarch64, or docker-compose.yml")
    else:
        yield Finding("ok", f"{platform.system()} {platform.release()} on {machine}, {os.cpu_count()} processors")


def check_memory() -> Iterator[Finding]:
    """All processes together take about 2 GB."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        available = next(int(line.split()[1]) // 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, StopIteration):
        yield Finding("note", "the free memory cannot be read", f"Pulse wants {NEEDED_MEMORY_MB} MB")
        return
    advice = f"Pulse wants {NEEDED_MEMORY_MB} MB: close something large"
    yield _finding(available >= NEEDED_MEMORY_MB, "note", f"{available} MB memory available", advice)


def check_disk() -> Iterator[Finding]:
    """Space for the packages (when they are not there yet) and for the data."""
    ready = all(packages.state() == "ready" for packages in (install.AIRFLOW, install.SUPERSET))
    for_packages = FREE_DISK_MB if ready else install.NEEDED_MEGABYTES
    for folder, needed in ((VENVS, for_packages), (state_folder(), FREE_DISK_MB)):
        free = shutil.disk_usage(existing(folder)).free // 2**20
        advice = f"Pulse needs {needed} MB there: free some space"
        yield _finding(free >= needed, "problem", f"{free} MB free for {folder}", advice)


def check_state_folder() -> Iterator[Finding]:
    """The state folder and the checkout's .pulse can be written; secrets are for the owner only."""
    for folder in {state_folder(), VENVS}:
        place = existing(folder)
        if os.access(place, os.W_OK | os.X_OK):
            yield Finding("ok", f"{folder} can be written")
        else:
            advice = f"run Pulse as {owner_of(place) or 'its owner'}, or set PULSE_STATE to a folder of your own"
            yield Finding("problem", f"{place} cannot be written", advice)
    secrets = state_folder() / SECRETS
    if secrets.exists() and secrets.stat().st_mode & 0o077:
        yield Finding("note", f"others may read {secrets}", "the next ./pulse up closes it, or: chmod 600 on it")


def check_account() -> Iterator[Finding]:
    """PostgreSQL refuses to run as root."""
    try:
        account = Account.choose(state_folder())
    except StackError as error:
        yield Finding("problem", "no unprivileged account for PostgreSQL", str(error))
    else:
        yield Finding(
            "ok", f"runs as root, PostgreSQL as {account.name}" if account.name else "runs as an ordinary user"
        )


def check_ports() -> Iterator[Finding]:
    """The usual ports, or the ones chosen before. A taken port is only a note, because ./pulse up chooses another."""
    ports = load_ports(state_folder())
    mine = ports is not None and (state_folder() / "supervisord.pid").exists()
    for name, port in vars(ports or StackPorts()).items():
        if not is_free(port) and not mine:
            yield Finding("note", f"port {port} ({name}) is taken", "./pulse up takes another one and says which")
    yield Finding("ok", "ports: in use by Pulse" if mine else "ports: looked at")


def check_locale() -> Iterator[Finding]:
    """Processes always get C.UTF-8; only the launcher's own output depends on the terminal."""
    encoding = (sys.stdout.encoding or "").lower()
    advice = "set LANG=C.UTF-8, or names in the output look odd"
    yield _finding(encoding in ("utf-8", "utf8"), "note", f"terminal encoding {encoding or 'unknown'}", advice)


def check_installation() -> Iterator[Finding]:
    """Whether the environments are there and complete."""
    for name, packages in (("Airflow", install.AIRFLOW), ("Superset", install.SUPERSET)):
        state = packages.state()
        what, _, advice = INSTALLATION[state].partition(": ")
        yield Finding("ok" if state == "ready" else "note", f"{name} environment: {what}", advice)


def check_installer() -> Iterator[Finding]:
    """uv, or pip; and the registry through it, by asking for one small package without installing it."""
    uv = shutil.which("uv") or (str(BINARY) if BINARY.exists() else None)
    yield Finding("ok", f"installer: {uv or 'pip (slower than uv; ./pulse up tries to fetch uv)'}")
    command = [sys.executable, "-m", "pip", "install", "--ignore-installed"]
    if uv:
        python = install.AIRFLOW.python if install.AIRFLOW.python.exists() else sys.executable
        command = [uv, "pip", "install", "--reinstall", "--python", str(python)]
    command += ["--dry-run", "--no-deps", "supervisor"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        problem = "" if done.returncode == 0 else (done.stderr or done.stdout).strip()[-300:]
    except (OSError, subprocess.TimeoutExpired) as error:
        problem = str(error)
    what = f"the package registry does not answer: {problem}" if problem else "the package registry answers"
    yield _finding(not problem, "problem", what, install.advice_for(problem))


def check_chromium() -> Iterator[Finding]:
    """Only the browser tests need it."""
    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    advice = "for ./pulse test: apt-get install chromium (as root the tests do it themselves)"
    yield _finding(bool(found), "note", f"browser for the tests: {found or 'none'}", advice)


def check_audit_log() -> Iterator[Finding]:
    """Airflow keeps the arguments of its command line, and with them secrets that were given there."""
    found = _leaks()
    newest = f", the last {found[-1]['at']}: airflow {' '.join(found[-1]['command'])}" if found else ""
    yield _finding(
        not found,
        "problem",
        f"secrets of command lines in Airflow's audit log: {len(found) or 'none'}{newest}",
        "renew those tokens and passwords, then ./pulse doctor --delete-leaks; see docs/security.md, Airflow's command line",
    )


def _leaks(*options: str) -> list[dict[str, Any]]:
    """The rows that stack.airflow.audit finds, in the environment that can read the database; none where nothing runs."""
    if install.AIRFLOW.state() != "ready":
        return []
    command = [str(install.AIRFLOW.python), "-m", "stack.airflow.audit", *options]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}"},
    )
    return [json.loads(line) for line in done.stdout.splitlines()] if done.returncode == 0 else []


CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    check_python,
    check_system,
    check_memory,
    check_disk,
    check_state_folder,
    check_account,
    check_ports,
    check_locale,
    check_installation,
    check_installer,
    check_chromium,
    check_audit_log,
)


def _finding(well: bool, level: str, what: str, advice: str) -> Finding:
    """Ok, or a finding of this level with advice."""
    return Finding("ok", what) if well else Finding(level, what, advice)
