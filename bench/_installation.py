"""A whole installation for the time of a benchmark."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from pulse import environ
from stack.context import Stack, existing_stack
from stack.supervision.programs import AIRFLOW_PROCESSES
from stack.supervision.supervisor import our_processes

ROOT = Path(__file__).resolve().parents[1]


@contextlib.contextmanager
def installation(name: str, ports: str, *, demo: bool = True) -> Iterator[Stack]:
    """A running installation with the demo clients, or without, on ports from `ports` up; gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix=f"pulse-{name}-"))
    folder.chmod(0o711)
    os.environ |= {environ.STATE.name: str(folder / "state"), environ.PORT_BASE.name: ports}
    try:
        pulse("up", "--demo" if demo else "--no-demo")
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


def stop_airflow() -> None:
    """Nothing but what is measured runs from then on."""
    for name in AIRFLOW_PROCESSES:
        pulse("ctl", "stop", name)


def cpu_of(stack: Stack, work: Callable[[], None]) -> tuple[float, float]:
    """CPU seconds that all processes of the installation use while something is done, and how long it takes."""
    before, begun = cpu(stack), time.monotonic()
    work()
    return cpu(stack) - before, time.monotonic() - begun


def cpu(stack: Stack) -> float:
    """CPU seconds so far of the processes that live, and of their children that have ended."""
    total = 0.0
    for process in our_processes(stack.state):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def p95(values: list[float]) -> float:
    """Nearest rank."""
    return sorted(values)[math.ceil(len(values) * 0.95) - 1]
