"""The commands of ./pulse that need the installed packages. Each takes its arguments and returns the exit code."""

from __future__ import annotations

import argparse
import ast
import contextlib
import fcntl
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from typing import NoReturn

from pulse.tenancy import role_password
from stack import environment
from stack.cli import STARTED, total_steps
from stack.context import Stack, existing_stack, stack_to_start
from stack.errors import StackError
from stack.paths import AIRFLOW_VENV, ROOT, TEST_STATE, VENVS, make_state_folder, state_folder
from stack.postgres import Cluster
from stack.status import access_table, processes_table, report, stopped_report
from stack.steps import Progress
from stack.supervision import Supervisor, our_processes


def up(arguments: argparse.Namespace, _: list[str]) -> int:
    """Start everything; says where it is and who may log in."""
    with only_one_start():
        stack, moved = stack_to_start(arguments.demo, arguments.recorded)
        for line in moved:
            print(f"      {line}")
        start(stack, done=1)
    print(f"\n{access_table(report(stack.settings, [], sandbox=stack.options.sandbox))}")
    seconds = time.time() - float(os.environ.get(STARTED, time.time()))
    print(f"\nPulse is up ({seconds:.0f} s). ./pulse status shows its processes, ./pulse down stops them.")
    return 0


@contextlib.contextmanager
def only_one_start() -> Iterator[None]:
    """Two ./pulse up on one state folder would get into each other's way: the second is told so (StackError)."""
    state = make_state_folder()
    with (state / "up.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StackError(f"another ./pulse up is at work on {state}: wait until it has ended") from None
        yield


def start(stack: Stack, done: int) -> None:
    """Run the steps of ./pulse up that follow the installation. Raises StepFailed."""
    from stack.up import Up

    Up(stack).run(Progress(total_steps(sandbox=stack.options.sandbox), done))


def down(_arguments: argparse.Namespace, _: list[str]) -> int:
    """Stop everything."""
    state = state_folder()
    supervisor = Supervisor(state)
    if not supervisor.running() and not our_processes(state):
        print("Nothing runs.")
        return 0
    started = time.monotonic()
    left = supervisor.stop_everything()
    extra = f", {left} of them left over from an earlier start" if left else ""
    print(f"All processes are stopped{extra} ({time.monotonic() - started:.1f} s).")
    return 0


def status(arguments: argparse.Namespace, _: list[str]) -> int:
    """What runs; exit code 0 when all is healthy."""
    stack = existing_stack()
    content = stopped_report()
    if stack is not None:
        content = report(stack.settings, stack.health(), sandbox=stack.options.sandbox)
    if arguments.json:
        print(json.dumps(content, indent=2))
    elif stack is None:
        print("Pulse has not been started here yet: ./pulse up")
    else:
        print(f"{processes_table(content['processes'])}\n\n{access_table(content)}")
    return 0 if content["healthy"] else 1


def logs(arguments: argparse.Namespace, _: list[str]) -> int:
    """Show a log, or which there are."""
    folder = state_folder() / "logs"
    found = {path.stem: path for path in sorted(folder.glob("*.log"))}
    if arguments.name is None:
        if not found:
            raise StackError("there are no logs yet: ./pulse up")
        for name, path in found.items():
            print(f"{name:<24} {path.stat().st_size // 1024:>7} KB  {path}")
        print("\nLogs of Airflow tasks are in Airflow, beside each task.")
        return 0
    if arguments.name not in found:
        raise StackError(f"there is no log {arguments.name}; there are: {', '.join(found) or 'none yet'}")
    command = ["tail", "-n", str(arguments.lines), *(["-F"] if arguments.follow else []), str(found[arguments.name])]
    return _become("tail", command, dict(os.environ))


def reset(arguments: argparse.Namespace, _: list[str]) -> int:
    """Delete all data, logs and secrets; the installed packages stay."""
    state = state_folder()
    if not state.is_dir():
        print("Nothing to delete.")
        return 0
    if not arguments.yes:
        question = f"This deletes every client's data, all logs and all secrets in {state}. Type yes to go on: "
        if not sys.stdin.isatty() or input(question).strip() != "yes":
            raise StackError("nothing was deleted (./pulse reset --yes does not ask)")
    stack = existing_stack()
    Supervisor(state).stop_everything()
    remove_state(stack)
    print("All data, logs and secrets are deleted. ./pulse up starts afresh.")
    return 0


def remove_state(stack: Stack | None) -> None:
    """Delete the content of the state folder apart from the virtual environments and the test stack's folder."""
    state = state_folder()
    cluster = stack.cluster if stack else (Cluster(state, "-") if (state / "postgres").exists() else None)
    if cluster is not None:
        cluster.remove()
    for path in state.iterdir():
        if path in (VENVS, TEST_STATE, TEST_STATE.parent / "test.lock"):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


def psql(arguments: argparse.Namespace, rest: list[str]) -> int:
    """Open the clients' database."""
    stack = existing_stack()
    if stack is None:
        raise StackError("Pulse has not been started here yet: ./pulse up")
    server = stack.cluster.replica if arguments.replica else stack.cluster.primary
    role = arguments.role or ("pulse_staff" if arguments.replica else "pulse_owner")
    binary = str(server.binaries / "psql")
    # The password goes by the environment: an argument would show in the list of processes.
    env = {
        **os.environ,
        "PGHOST": server.host,
        "PGPORT": str(server.port),
        "PGUSER": role,
        "PGDATABASE": "pulse",
        "PGPASSWORD": role_password(stack.settings.secrets["PULSE_ROLE_SECRET"], role),
    }
    return _become(binary, [binary, *rest], env)


def bench(arguments: argparse.Namespace, rest: list[str]) -> int:
    """Run bench/NAME.py."""
    found = {path.stem: path for path in sorted((ROOT / "bench").glob("*.py")) if not path.stem.startswith("_")}
    if arguments.name is None or arguments.name not in found:
        if arguments.name is not None:
            print(f"pulse: there is no benchmark {arguments.name}", file=sys.stderr)
        for name, path in found.items():
            summary = (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n")[0]
            print(f"{name:<20} {summary}")
        if not found:
            print("There are no benchmarks in bench/ yet.")
        return 0 if arguments.name is None else 2
    stack = existing_stack()
    env = {**os.environ, **(environment.airflow(stack.settings) if stack else {})}
    env["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "plugins")])
    python = str(AIRFLOW_VENV / "bin" / "python")
    os.chdir(ROOT)
    return _become(python, [python, "-m", f"bench.{arguments.name}", *rest], env)


def schema(_arguments: argparse.Namespace, _: list[str]) -> int:
    """Write migrations/schema.sql, from a database of its own."""
    os.chdir(ROOT)
    return _become(sys.executable, [sys.executable, "-m", "tests.support.schema"], dict(os.environ))


def test(arguments: argparse.Namespace, rest: list[str]) -> int:
    """Run the tests."""
    from stack.testing import run_tests

    return run_tests(rest, with_stack=not arguments.no_stack)


def ctl(arguments: argparse.Namespace, _: list[str]) -> int:
    """Start, stop or restart one process and wait until it is so."""
    stack = existing_stack()
    if stack is None or not stack.supervisor.running():
        raise StackError("Pulse does not run: ./pulse up")
    if arguments.name not in stack.names:
        raise StackError(f"there is no process {arguments.name}; there are: {', '.join(stack.names)}")
    if arguments.action in ("stop", "restart"):
        stack.supervisor.stop_processes([arguments.name])
    if arguments.action in ("start", "restart"):
        stack.supervisor.start_process(arguments.name)
        deadline = time.monotonic() + 120
        while not (health := stack.health([arguments.name])[0]).healthy:
            if time.monotonic() > deadline:
                raise StackError(f"{arguments.name} is not healthy after 120 s: {health.detail}")
            time.sleep(0.3)
    print(f"{arguments.name}: {arguments.action} done")
    return 0


def _become(program: str, command: list[str], env: dict[str, str]) -> NoReturn:
    sys.stdout.flush()
    os.execvpe(program, command, env)
