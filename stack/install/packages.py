"""The two virtual environments: creates, checks and repairs them. Standard library only: runs before anything is installed."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from stack import files
from stack.errors import StackError
from stack.install.python import name_of
from stack.install.uv import find_uv
from stack.paths import AIRFLOW_VENV, ROOT, SUPERSET_VENV, VENVS, existing
from stack.steps import Say

PYTHON = name_of(sys.version_info[:2])
NEEDED_MEGABYTES = 3000  # both environments, the download cache, a young database


@dataclass(frozen=True)
class PackageSet:
    """What an environment holds: wanted packages, pinned by a lock file; `marker` names the file that says it is so."""

    venv: Path
    requirements: Path
    lock: Path
    marker: str = ".pulse-installed"

    def fingerprint(self) -> str:
        """Hash of everything that decides what is installed."""
        digest = hashlib.sha256()
        for path in (self.requirements, self.lock):
            digest.update(b"\0" + path.read_bytes())
        return digest.hexdigest()

    @property
    def python(self) -> Path:
        return self.venv / "bin" / "python"

    @property
    def _site(self) -> Path:
        return self.venv / "lib" / PYTHON

    def state(self) -> str:
        """missing | half | outdated | ready.

        `half` is an installation that was interrupted (the marker comes last), whose Python has gone or is of another
        version, or that was made for another place (its scripts name the old one).
        """
        if not self.venv.exists():
            return "missing"
        try:
            place, _, fingerprint = (self.venv / self.marker).read_text().strip().partition("\n")
        except OSError:
            return "half"
        if not self.python.exists() or not self._site.is_dir() or place != str(self.venv):
            return "half"
        return "ready" if fingerprint == self.fingerprint() else "outdated"


def lock_of(environment: str, version: tuple[int, int] = sys.version_info[:2]) -> Path:
    """The pins and hashes of an environment (airflow, superset), or of airflow with the tests, under a version of Python."""
    return ROOT / "constraints" / f"{environment}-py{version[0]}{version[1]}.txt"


AIRFLOW = PackageSet(AIRFLOW_VENV, ROOT / "requirements.txt", lock_of("airflow"))
SUPERSET = PackageSet(SUPERSET_VENV, ROOT / "superset" / "requirements.txt", lock_of("superset"))
LINEAGE = PackageSet(
    AIRFLOW_VENV, ROOT / "deploy" / "lineage" / "requirements.txt", lock_of("lineage"), ".pulse-lineage-installed"
)
TESTS = PackageSet(AIRFLOW_VENV, ROOT / "tests" / "requirements.txt", lock_of("tests"), ".pulse-tests-installed")


def ensure(packages: PackageSet, say: Say, *, extra: bool = False) -> str:
    """Install the packages unless they are; says what was done. `extra` adds to another set's environment.

    Raises StackError saying what to do. Two launchers at once wait for each other.
    """
    state = packages.state()
    if state == "ready":
        return "already installed"
    _make_folder()
    with files.locked(VENVS / f"{packages.venv.name}.lock"):
        if packages.state() == "ready":
            return "installed by another ./pulse"
        _check_space(VENVS)
        marker = packages.venv / packages.marker
        afresh = not extra and state == "half"
        if afresh:
            say("an earlier installation did not finish: starting afresh")
            shutil.rmtree(packages.venv, ignore_errors=True)
        marker.unlink(missing_ok=True)
        uv = find_uv(say)
        installer = "uv" if uv else "pip"
        say(f"installing with {installer}")
        if not packages.python.exists():
            _make_venv(packages.venv, uv)
        _install(packages, uv)
        files.replace(marker, f"{packages.venv}\n{packages.fingerprint()}\n")
    return f"with {installer}{', afresh: an earlier installation had not finished' if afresh else ''}"


def _make_venv(venv: Path, uv: Path | None) -> None:
    venv.parent.mkdir(parents=True, exist_ok=True)
    if uv:
        command = [str(uv), "venv", "--quiet", "--python", sys.executable, str(venv)]
    else:
        command = [sys.executable, "-m", "venv", str(venv)]
    _run(command, "make a virtual environment")


def _install(packages: PackageSet, uv: Path | None) -> None:
    wanted = ["--require-hashes", "-r", str(packages.lock)]
    if uv:
        command = [str(uv), "pip", "install", "--quiet", "--python", str(packages.python), *wanted]
    else:
        command = [str(packages.python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted]
    _run(command, f"install {packages.requirements.relative_to(ROOT)}")


def _run(command: list[str], what: str) -> None:
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "PYTHONNOUSERSITE": "1"},
    )
    if done.returncode != 0:
        output = (done.stderr + done.stdout).strip()
        raise StackError(f"could not {what}: {advice_for(output)}\n{output[-1500:]}")


def advice_for(output: str) -> str:
    """What to do about a failed installation, judged by the installer's output."""
    text = output.lower()
    if "no space left" in text or "disk quota" in text:
        return f"the disk is full: free {NEEDED_MEGABYTES // 1000} GB for {VENVS} and run the same command again"
    if "ensurepip" in text:
        return f"this Python has no venv module: install it (Debian, Ubuntu: apt-get install {PYTHON}-venv)"
    if any(word in text for word in ("gcc", "compiler", "python.h", "build_ext", "cargo")):
        return (
            "a package has no ready-made build for this machine and needs a compiler: install one"
            f" (Debian, Ubuntu: apt-get install build-essential {PYTHON}-dev) and run the same command again"
        )
    if "permission denied" in text:
        return f"{VENVS} belongs to someone else: run as its owner, or delete it"
    if any(word in text for word in ("connection", "resolve host", "dns", "timed out", "timeout", "network", "proxy")):
        return "the package registry cannot be reached: check the network, or the index that pip and uv are set up for"
    return "the installer's last lines say why; ./pulse doctor checks this machine"


def _check_space(folder: Path) -> None:
    free = shutil.disk_usage(existing(folder)).free // 2**20
    if free < NEEDED_MEGABYTES:
        raise StackError(
            f"{existing(folder)} has {free} MB free, the installation needs {NEEDED_MEGABYTES}: free some space and run the"
            " same command again"
        )


def _make_folder() -> None:
    try:
        VENVS.mkdir(parents=True, exist_ok=True)
        if not os.access(VENVS, os.W_OK | os.X_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as error:
        raise StackError(f"cannot write to {VENVS}: {error.strerror}: run as the owner of {ROOT}") from error
