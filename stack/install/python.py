"""Which Python runs Pulse. Works under Python 3.9, before anything is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from stack.install.uv import find_uv, runs
from stack.paths import AIRFLOW_VENV, ROOT

SUPPORTED = ((3, 11), (3, 12))
FETCHED = ROOT / ".pulse" / "python"  # where uv puts a Python that it fetches
ADVICE = (
    "Install one (Debian 12: apt-get install python3.11-venv; Ubuntu 24.04: apt-get install python3.12-venv;"
    " elsewhere: pyenv install 3.12) and run the same command again"
)


def hand_over(command: list[str]) -> None:
    """Run the command (a script and its arguments) under a Python that Pulse runs on; returns when this is the one.

    Exits with a sentence that says what to install if there is none.
    """
    python = _found() or _fetch()
    if python != sys.executable:
        os.execv(python, [python, *command])


def _found() -> str | None:
    """The Python of the virtual environments, else this one, else one on the search path."""
    own = sys.version_info[:2]
    for version, path in _candidates():
        if version == own:
            return sys.executable
        if path and runs([path, "-c", f"import sys; sys.exit(sys.version_info[:2] != {version})"]):
            return path
    return None


def _candidates() -> Iterator[tuple[tuple[int, int], str | None]]:
    for version in SUPPORTED:
        if (AIRFLOW_VENV / "lib" / name_of(version)).is_dir():
            yield version, _home_of(AIRFLOW_VENV, version)
            yield version, shutil.which(name_of(version))
    if sys.version_info[:2] in SUPPORTED:
        yield sys.version_info[:2], sys.executable
    for version in SUPPORTED:
        yield version, shutil.which(name_of(version))
        yield version, next(map(str, FETCHED.glob(f"*/bin/{name_of(version)}")), None)


def name_of(version: tuple[int, int]) -> str:
    """python3.11, for example."""
    return f"python{version[0]}.{version[1]}"


def _home_of(venv: Path, version: tuple[int, int]) -> str | None:
    """The Python that a virtual environment was made with."""
    try:
        lines = (venv / "pyvenv.cfg").read_text().splitlines()
    except OSError:
        return None
    pairs = (line.partition("=") for line in lines)
    return next((f"{value.strip()}/{name_of(version)}" for key, _, value in pairs if key.strip() == "home"), None)


def _fetch() -> str:
    """A Python that uv fetches now. Exits when uv is not to be had, or cannot fetch one."""
    print("pulse: there is no Python 3.11 or 3.12 here; asking uv for one", file=sys.stderr, flush=True)
    uv = find_uv()
    problem = "the installer uv could not be installed"
    if uv is not None:
        env = {**os.environ, "UV_PYTHON_INSTALL_DIR": str(FETCHED), "UV_PYTHON_INSTALL_BIN": "0"}
        command = [str(uv), "python", "install", name_of(SUPPORTED[-1]).removeprefix("python")]
        problem = subprocess.run(command, capture_output=True, text=True, check=False, env=env).stderr.strip()
    found = _found()
    if found is None:
        reason = (problem.splitlines() or ["it says no more"])[-1].strip().removeprefix("cause: ")
        sys.exit(
            f"Pulse needs Python 3.11 or 3.12; this is Python {sys.version_info[0]}.{sys.version_info[1]}"
            f" ({sys.executable}), and uv could not fetch one ({reason}). {ADVICE}."
        )
    return found
