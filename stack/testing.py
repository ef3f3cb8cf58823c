"""./pulse test: a whole stack of its own, pytest, and a plain closing line."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

from pulse import environ
from stack import environment, files
from stack.context import Stack, existing_stack, stack_to_start
from stack.install.tools import ensure_all
from stack.lifecycle import remove_state, start
from stack.paths import AIRFLOW_VENV, ROOT, TEST_STATE
from stack.ports import LOOPBACK
from stack.steps import StepFailed
from stack.supervision.supervisor import Supervisor

PORT_BASE = "10000"  # the test stack never takes the real one's ports, whichever is started first
# Three workers keep two cores busy: one has the stack, and much of its time is spent waiting for that.
# A worker that crashed is not replaced: pytest-xdist then waits for ever for tests that have run (3.8).
IN_PARALLEL = ["-n", "3", "--dist", "loadgroup", "--max-worker-restart", "0"]
# Options that say how to spread the tests, and those of somebody who looks at one of them.
AS_TOLD = ("-n", "--numprocesses", "--dist", "-s", "--capture", "--pdb", "--trace", "no:xdist", "-pno:xdist")
FEW_FILES = 3
# What --long asks for where the environment does not; one property test then takes many minutes.
LONG = {environ.EXAMPLES.name: "200", environ.SOAK_SEEDS.name: "1,2,3,4,5", environ.SOAK_ROUNDS.name: "200"}
LONG_TIMEOUT = "--timeout=7200"
# Folders of tests that take too long for the default run, and that each have an option of their own.
APART = ("containers", "drills")


def run_tests(arguments: list[str], *, with_stack: bool, long: bool = False) -> int:
    """Run pytest with these arguments; its exit code. The last line printed is `N passed, N failed`.

    `long` repeats the property tests on many random worlds, and the soak with several seeds.
    """
    _environment()
    ensure_all()
    if long:
        os.environ.update({name: value for name, value in LONG.items() if not os.environ.get(name)})
        arguments = [LONG_TIMEOUT, *arguments]
    if not with_stack:
        return _pytest(arguments, None)
    with _one_at_a_time():
        return _with_stack(arguments)


def _environment() -> None:
    """What the tests' own stack, and every command that they run, is told."""
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    os.environ[environ.STATE.name] = str(TEST_STATE)
    os.environ[environ.PORT_BASE.name] = PORT_BASE
    os.environ.pop(environ.BACKUPS.name, None)  # not among the backups of the real one
    os.environ[environ.FIXTURES.name] = str(environ.FIXTURES.get())


def run_apart(folder: str, arguments: list[str], *, with_stack: bool) -> int:
    """Run the tests of one of the folders APART, one after the other; pytest's exit code."""
    _environment()
    if folder == "drills":
        os.environ.update(_data_team())
    chosen = [] if any((ROOT / part.partition("::")[0]).exists() for part in arguments) else [f"tests/{folder}"]
    with _one_at_a_time():
        options = [*chosen, LONG_TIMEOUT, "-n", "0", *arguments]
        return _with_stack(options, apart=True) if with_stack else _pytest(options, None, apart=True)


def _data_team() -> dict[str, str]:
    """A mail server for the data team, which the drills run on this port."""
    with socket.create_server((LOOPBACK, 0)) as probe:
        port = probe.getsockname()[1]
    return {
        environ.SMTP_HOST.name: LOOPBACK,
        environ.SMTP_PORT.name: str(port),
        environ.SMTP_SECURITY.name: "none",
        environ.SMTP_FROM.name: "Pulse <pulse@example.com>",
        environ.ALERTS_TO.name: "data-team@example.com",
    }


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Two test runs of one checkout would share the test stack: the second waits for the first."""
    TEST_STATE.parent.mkdir(parents=True, exist_ok=True)
    lock = TEST_STATE.parent / "test.lock"
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(files.locked(lock, wait=False))
        except BlockingIOError:
            print("… waiting for another ./pulse test to end", flush=True)
            stack.enter_context(files.locked(lock))
        yield


def _with_stack(arguments: list[str], *, apart: bool = False) -> int:
    try:
        return _pytest(arguments, _fresh_stack(), apart=apart)
    except StepFailed as failure:
        print(f"pulse: the test stack did not start: {failure}", file=sys.stderr)
        print(closing_line(0, 1, 0))
        return 1
    finally:
        Supervisor(TEST_STATE).stop_everything()


def _fresh_stack() -> Stack:
    """A stack without a past, running, with the recorded client where its payloads are at hand."""
    Supervisor(TEST_STATE).stop_everything()
    if TEST_STATE.is_dir():
        remove_state(existing_stack())
    recorded = environ.FIXTURES.get() / "recorded"
    stack, _ = stack_to_start(True, str(recorded) if recorded.is_dir() else None)
    started = time.monotonic()
    start(stack, done=1)
    print(f"The test stack is up ({time.monotonic() - started:.0f} s).\n")
    return stack


def _pytest(arguments: list[str], stack: Stack | None, *, apart: bool = False) -> int:
    env = dict(os.environ)
    if stack is None:
        env.pop(environ.STATE.name, None)
    else:
        asked = {variable.name for variable in environ.declared() if variable.set_by == environ.TESTER}
        passed_on = {"CI", "TERM", environ.PORT_BASE.name} | asked
        env = environment.airflow(stack.settings) | {
            name: value for name, value in os.environ.items() if name in passed_on
        }
        env["PATH"] += os.pathsep + os.environ.get("PATH", "")
    env["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "plugins")])
    TEST_STATE.mkdir(parents=True, exist_ok=True)
    report = TEST_STATE / "junit.xml"
    report.unlink(missing_ok=True)
    python = str(AIRFLOW_VENV / "bin" / "python")
    command = [python, "-m", "pytest", f"--junitxml={report}", "-o", "junit_family=xunit2"]
    command += [] if apart else [f"--ignore=tests/{folder}" for folder in APART]
    command += [*spread(arguments), *arguments]
    code = subprocess.run(command, cwd=ROOT, env=env, check=False).returncode
    print(closing_line(*counts(report, code)), flush=True)
    return code


def spread(arguments: list[str]) -> list[str]:
    """Options that spread the tests over workers; none when the arguments say how, or name only a few files."""
    if any(argument.startswith(AS_TOLD) for argument in arguments):
        return []
    paths = [ROOT / argument.partition("::")[0] for argument in arguments if not argument.startswith("-")]
    chosen = [path for path in paths if path.exists()]
    few = 0 < len(chosen) <= FEW_FILES and all(path.is_file() for path in chosen)
    return [] if few else IN_PARALLEL


def counts(report: Path, code: int) -> tuple[int, int, int]:
    """(passed, failed, skipped) of a junit report; errors count as failed, and so does a run that ended badly."""
    try:
        suites = list(ET.parse(report).getroot().iter("testsuite"))
    except (OSError, ET.ParseError):
        suites = []
    total = {name: sum(int(s.get(name, 0)) for s in suites) for name in ("tests", "failures", "errors", "skipped")}
    failed = total["failures"] + total["errors"]
    passed = max(total["tests"] - failed - total["skipped"], 0)
    return passed, max(failed, int(code != 0)), total["skipped"]


def closing_line(passed: int, failed: int, skipped: int) -> str:
    """What scripts read."""
    return f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else "")
