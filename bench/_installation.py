"""A whole installation for the time of a benchmark."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pulse import environ
from stack.context import Stack, existing_stack

ROOT = Path(__file__).resolve().parents[1]


@contextlib.contextmanager
def installation(name: str, ports: str) -> Iterator[Stack]:
    """A running installation with the demo clients, on ports from `ports` up; gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix=f"pulse-{name}-"))
    folder.chmod(0o711)
    os.environ |= {environ.STATE.name: str(folder / "state"), environ.PORT_BASE.name: ports}
    try:
        pulse("up", "--demo")
        stack = existing_stack()
        assert stack is not None
        yield stack
    finally:
        pulse("reset", "--yes")
        shutil.rmtree(folder, ignore_errors=True)


def pulse(*arguments: str) -> str:
    """What a ./pulse command prints. Raises RuntimeError with its last words when it fails."""
    done = subprocess.run([ROOT / "pulse", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"./pulse {' '.join(arguments)}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout
