"""Named steps with progress: independent ones run in parallel, and each prints one line when it is done."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TextIO

from stack.errors import StackError

Say = Callable[[str], None]


@dataclass(frozen=True)
class Step:
    """One named piece of work; `needs` are names of earlier steps.

    `run` gets a function to tell what it is at; the text it returns, if any, is printed when it is done.
    """

    name: str
    run: Callable[[Say], str | None]
    needs: tuple[str, ...] = ()


class StepFailed(Exception):
    """A step raised; `step` is its name, the cause is chained."""

    def __init__(self, step: str, cause: BaseException) -> None:
        super().__init__(f"{step}: {cause}")
        self.step = step
        self.cause = cause


@dataclass
class Progress:
    """Prints `[3/9] Name … 2.1 s` lines; on a terminal also a line of what runs now.

    `done` and `total` count the steps of the whole command, some of which another process may have printed.
    """

    total: int
    done: int = 0
    out: TextIO = field(default_factory=lambda: sys.stdout)
    remind_seconds: float = 20
    _running: dict[str, float] = field(default_factory=dict)
    _notes: dict[str, str] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _last_line: float = field(default_factory=time.monotonic)
    _cancelled: bool = False

    def run(self, steps: Iterable[Step]) -> None:
        """Run the steps, each as soon as the ones it needs are done. Raises StepFailed for the first that fails."""
        waiting = list(steps)
        finished: set[str] = set()
        failure: StepFailed | None = None
        with ThreadPoolExecutor(max_workers=len(waiting) or 1) as pool:
            futures: dict[Future[None], Step] = {}
            while waiting or futures:
                if failure is None:
                    for step in [s for s in waiting if finished.issuperset(s.needs)]:
                        waiting.remove(step)
                        futures[pool.submit(self._one, step)] = step
                if not futures:
                    break
                try:
                    ready, _ = wait(futures, timeout=1, return_when=FIRST_COMPLETED)
                except KeyboardInterrupt:
                    self._cancelled = True
                    raise
                for future in ready:
                    step = futures.pop(future)
                    cause = future.exception()
                    if cause is None:
                        finished.add(step.name)
                    elif failure is None:
                        failure = StepFailed(step.name, cause)
                self._tick()
        if failure is not None:
            raise failure from failure.cause

    def note(self, text: str) -> None:
        """Print a line of its own."""
        with self._lock:
            self._clear()
            print(text, file=self.out, flush=True)
            self._last_line = time.monotonic()

    def _one(self, step: Step) -> None:
        started = time.monotonic()
        with self._lock:
            self._running[step.name] = started
        try:
            result = step.run(lambda text: self._progress(step.name, text))
        except BaseException:
            with self._lock:
                del self._running[step.name]
            raise
        with self._lock:
            del self._running[step.name]
            self.done += 1
            ending = f" ({result})" if result else ""
            self.note(f"[{self.done}/{self.total}] {step.name} … {time.monotonic() - started:.1f} s{ending}")

    def _progress(self, name: str, text: str) -> None:
        if self._cancelled:
            raise StackError("interrupted")
        with self._lock:
            self._notes[name] = text

    def _tick(self) -> None:
        with self._lock:
            if not self._running:
                return
            now = time.monotonic()
            current = "; ".join(
                f"{name}{': ' + self._notes[name] if name in self._notes else ''} ({now - since:.0f} s)"
                for name, since in self._running.items()
            )
            if self.out.isatty():
                width = shutil.get_terminal_size().columns - 1
                self.out.write("\r\033[K" + f"      … {current}"[:width])
                self.out.flush()
            elif now - self._last_line > self.remind_seconds:
                self.note(f"      … {current}")

    def _clear(self) -> None:
        if self.out.isatty():
            self.out.write("\r\033[K")
