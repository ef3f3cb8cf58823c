"""The installer uv: found on the search path, or installed for Pulse alone. Works under Python 3.9."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from stack.paths import VENVS

TOOLS = VENVS / "tools"
BINARY = TOOLS / "bin" / "uv"


def find_uv(say: Callable[[str], None] = lambda _: None) -> Path | None:
    """uv, fetched from the package registry if it is missing; None if that fails."""
    for candidate in (shutil.which("uv"), BINARY):
        if candidate and runs([str(candidate), "--version"]):
            return Path(candidate)
    say("fetching the installer uv")
    shutil.rmtree(TOOLS, ignore_errors=True)
    made = runs([sys.executable, "-m", "venv", str(TOOLS)])
    if made and runs([str(TOOLS / "bin" / "python"), "-m", "pip", "install", "--quiet", "uv"], seconds=120):
        return BINARY
    shutil.rmtree(TOOLS, ignore_errors=True)
    return None


def runs(command: list[str], seconds: float = 60) -> bool:
    """Whether a command succeeds within the time."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=seconds, check=False, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
