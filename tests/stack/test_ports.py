"""Ports: the usual ones, others if those are taken; remembered, and chosen again if a stranger uses one."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from stack import ports
from stack.errors import StackError
from stack.ports import StackPorts, choose_ports, load_ports

BASE = 22000
pytestmark = pytest.mark.xdist_group("ports")  # all of them want the same ports


@pytest.fixture(autouse=True)
def released() -> Iterator[None]:
    """Nothing stays reserved for the tests' whole process."""
    yield
    ports.release()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Somebody else's server on a port of the range that the tests use."""
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        yield server


def listen(server: socket.socket, port: int, host: str = "127.0.0.1") -> None:
    server.bind((host, port))
    server.listen()


def test_the_first_choice_is_the_usual_ports() -> None:
    assert asdict(StackPorts()) | {"primary": 5432, "replica": 5433, "airflow": 8080, "superset": 8088} == asdict(
        StackPorts()
    )


def test_a_free_set_is_taken_and_remembered(tmp_path: Path) -> None:
    chosen, moved = choose_ports(tmp_path, BASE)
    assert chosen.primary == BASE + 5432
    assert moved == []
    assert load_ports(tmp_path) == chosen
    assert choose_ports(tmp_path, 0) == (chosen, []), "what was chosen once stays, whatever the base is later"


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_the_pair_moves_together_when_the_replicas_port_is_taken(
    tmp_path: Path, listener: socket.socket, host: str
) -> None:
    listen(listener, BASE + 5433, host)
    chosen, moved = choose_ports(tmp_path, BASE)
    assert (chosen.replica, chosen.meta) == (chosen.primary + 1, chosen.primary + 2)
    assert chosen.primary != BASE + 5432
    assert chosen.airflow == BASE + 8080, "other services keep theirs"
    assert len(moved) == 1
    assert f"port {BASE + 5433} is taken" in moved[0]
    assert str(chosen.replica) in moved[0]


def test_a_remembered_port_that_a_stranger_took_is_chosen_again(tmp_path: Path, listener: socket.socket) -> None:
    before, _ = choose_ports(tmp_path, BASE)
    listen(listener, before.superset)
    after, moved = choose_ports(tmp_path)
    assert after.superset != before.superset
    assert after.primary == before.primary
    assert len(moved) == 1
    assert load_ports(tmp_path) == after


def choose_elsewhere(state: Path) -> subprocess.Popen[str]:
    """Another process that chooses ports and listens on none of them, as ./pulse up does at first. It ends with its input."""
    code = (
        "import sys; from pathlib import Path; from stack.ports import choose_ports\n"
        f"print(choose_ports(Path({str(state)!r}), {BASE})[0].primary, flush=True); sys.stdin.read()"
    )
    return subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_two_starts_at_once_in_two_folders_choose_different_ports(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two", "three")]
    for folder in folders:
        folder.mkdir()
    with contextlib.ExitStack() as closing:
        others = [closing.enter_context(choose_elsewhere(folder)) for folder in folders[:2]]
        chosen = [int(other.stdout.readline()) for other in others if other.stdout]
        assert sorted(chosen) == [BASE + 5432, BASE + 5432 + ports.STEP]
        ours, moved = choose_ports(folders[2], BASE)
        assert ours.primary == BASE + 5432 + 2 * ports.STEP
        assert f"port {BASE + 5432} is taken" in moved[0]
        for other in others:
            other.kill()
    ports.release()
    assert choose_ports(tmp_path, BASE)[0].primary == BASE + 5432, "a process that is killed leaves nothing reserved"


def test_moved_ports_never_meet(tmp_path: Path) -> None:
    every = [port + step * ports.STEP for port in asdict(StackPorts()).values() for step in range(ports.ATTEMPTS)]
    assert len(every) == len(set(every))


def test_no_free_port_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "HIGHEST", 0)
    with pytest.raises(StackError, match="PULSE_PORT_BASE"):
        choose_ports(tmp_path, BASE)


def test_a_damaged_note_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / ports.FILE_NAME).write_text('{"primary": 1')
    assert load_ports(tmp_path) is None
    assert choose_ports(tmp_path, BASE)[0].primary == BASE + 5432
