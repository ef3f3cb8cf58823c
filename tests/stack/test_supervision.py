"""A real supervisord: starts, restarts, changes and stops processes, and leaves none behind."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stack.supervision.programs import Program
from stack.supervision.supervisor import Supervisor, our_processes


def sleeper(name: str, state: Path, code: str = "import time; time.sleep(1000)", **env: str) -> Program:
    return Program(name, [sys.executable, "-c", code], {"PATH": "/usr/bin:/bin", **env}, state / "airflow", 10)


def eventually(probe: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not probe():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture(params=["short", "deep"])
def supervisor(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Supervisor]:
    state = tmp_path / "state" if request.param == "short" else tmp_path / "/".join(["quite-a-long-name"] * 8)
    (state / "logs").mkdir(parents=True)
    (state / "airflow").mkdir()
    made = Supervisor(state)
    yield made
    made.stop_everything()


def test_start_restart_change_and_stop(supervisor: Supervisor) -> None:
    state = supervisor.state
    one, two = sleeper("one", state), sleeper("two", state)
    supervisor.start([one, two])
    assert supervisor.config.stat().st_mode & 0o777 == 0o600
    assert supervisor.start_process("one")
    assert not supervisor.start_process("one"), "a second start does nothing"
    supervisor.start_process("two")
    eventually(lambda: all(p.state == "RUNNING" for p in supervisor.processes().values()))
    pids = {name: p.pid for name, p in supervisor.processes().items()}

    killed = pids["one"]
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: supervisor.processes()["one"].pid not in (None, killed))

    assert not supervisor.config_differs([one, two])
    changed = sleeper("one", state, PULSE_BUILD="2")
    assert supervisor.config_differs([changed, two])
    supervisor.change([changed, two])
    supervisor.start_process("one")
    assert supervisor.processes()["two"].pid == pids["two"], "what did not change keeps running"

    everyone = our_processes(state)
    assert len(everyone) == 3
    assert supervisor.stop_everything() == 0
    assert our_processes(state) == []
    assert not supervisor.running()


def test_orphans_of_a_killed_supervisor_are_found_and_ended(supervisor: Supervisor) -> None:
    state = supervisor.state
    # The second hides its environment as Airflow's processes do, the third is its child in a process group of its own.
    hidden = (
        "import os, time\n"
        "from setproctitle import setproctitle\n"
        "if os.fork() == 0:\n"
        "    os.setpgid(0, 0)\n"
        "setproctitle('airflow something' + 'x' * 4000)\n"
        "time.sleep(1000)\n"
    )
    script = state / "hidden.py"
    script.write_text(hidden)
    program = Program("hidden", [sys.executable, str(script)], {"PATH": "/usr/bin:/bin"}, state / "airflow", 10)
    supervisor.start([sleeper("one", state), program])
    for name in ("one", "hidden"):
        supervisor.start_process(name)
    eventually(lambda: len(our_processes(state)) == 4)
    leader = int((state / "supervisord.pid").read_text())
    os.kill(leader, signal.SIGKILL)
    eventually(lambda: not supervisor.running())
    assert supervisor.stop_everything() == 3
    assert our_processes(state) == []


def test_a_bystander_in_the_state_folder_is_left_alone(supervisor: Supervisor) -> None:
    import subprocess

    state = supervisor.state
    supervisor.start([sleeper("one", state)])
    supervisor.start_process("one")
    shell = subprocess.Popen(
        ["sleep", "1000"], cwd=state / "airflow", env={"PULSE_STATE": str(state), "PATH": "/usr/bin:/bin"}
    )
    try:
        supervisor.stop_everything()
        assert shell.poll() is None
    finally:
        shell.kill()
        shell.wait()
