"""The paths of everything: the checkout, the virtual environments, the state folder."""

from __future__ import annotations

import os
from pathlib import Path

from pulse import environ
from stack.errors import StackError

ROOT = Path(__file__).resolve().parent.parent
VENVS = ROOT / ".pulse" / "venv"
AIRFLOW_VENV = VENVS / "airflow"
SUPERSET_VENV = VENVS / "superset"
TEST_STATE = ROOT / ".pulse" / "test"


def state_folder() -> Path:
    """Folder of all data, logs and secrets."""
    return environ.STATE.get().resolve()


def make_state_folder() -> Path:
    """The state folder, made when missing. Other accounts may pass through it (PostgreSQL's), not read it.

    Raises StackError when it cannot be made or written to.
    """
    state = state_folder()
    try:
        if not state.is_dir():
            state.mkdir(parents=True)
            state.chmod(0o711)
        for folder in ("logs", "airflow", "superset"):
            (state / folder).mkdir(mode=0o700, exist_ok=True)
        if not os.access(state, os.W_OK | os.X_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as error:
        raise StackError(
            f"cannot write to {state}: {error.strerror}. Run Pulse as its owner, or set PULSE_STATE"
        ) from error
    return state


def existing(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    return next(folder for folder in (path, *path.parents) if folder.exists())
