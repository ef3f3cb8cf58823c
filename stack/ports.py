"""Which TCP ports this installation listens on: the usual ones, or the next free set, remembered once chosen."""

from __future__ import annotations

import socket
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from pulse import environ
from stack import files
from stack.errors import StackError

LOOPBACK = "127.0.0.1"
FILE_NAME = "ports.json"
ATTEMPTS = 40
HIGHEST = 32000  # above it the kernel hands out ports to outgoing connections


@dataclass(frozen=True)
class StackPorts:
    """Every port the stack listens on, on loopback."""

    primary: int = 5432
    replica: int = 5433
    meta: int = 5434
    airflow: int = 8080
    superset: int = 8088
    sandbox: int = 8099


# Ports of one group move together, so that the replica is always the primary's neighbour.
GROUPS = (("primary", "replica", "meta"), ("airflow",), ("superset",), ("sandbox",))
STEP = 100  # the defaults differ in their last two digits, so moved ports never meet

_reserved: dict[int, socket.socket] = {}


def is_free(port: int) -> bool:
    """Whether nobody listens on the port, on loopback or on all addresses."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def release() -> None:
    """Give up every port that this process has reserved."""
    while _reserved:
        _reserved.popitem()[1].close()


def _reserve(group: list[int]) -> int | None:
    """Take ports for this process; None, or the first that is taken: then none of them is.

    Between choosing a port and listening on it, minutes pass, in which a `./pulse up` in another folder must not choose it
    too. The reservation is a socket in Linux's abstract namespace, which is as wide as that of the ports and leaves nothing
    behind, however the process ends.
    """
    new: list[int] = []
    for port in group:
        if port in _reserved and is_free(port):
            continue
        claim = socket.socket(socket.AF_UNIX)
        try:
            if not is_free(port):
                raise OSError
            claim.bind(f"\0pulse-port-{port}")
        except OSError:
            claim.close()
            for taken in new:
                _reserved.pop(taken).close()
            return port
        _reserved[port] = claim
        new.append(port)
    return None


def load_ports(state: Path) -> StackPorts | None:
    """The remembered ports; None when none were chosen yet."""
    stored = files.read_json(state / FILE_NAME)
    try:
        return StackPorts(**{field.name: int(stored[field.name]) for field in fields(StackPorts)})
    except (ValueError, KeyError, TypeError):
        return None


def choose_ports(state: Path, base: int | None = None) -> tuple[StackPorts, list[str]]:
    """Ports for starting a stack that is not running, and messages about ports that had to move.

    Remembered ports are kept if they are still free. The ports are reserved until this process ends or calls release().
    `base` is added to every default (PULSE_PORT_BASE; the test stack uses 10000 so that it never takes the real one's).
    Raises StackError when no set is free.
    """
    if base is None:
        base = environ.PORT_BASE.get()
    remembered = load_ports(state)
    start = asdict(remembered) if remembered else {name: port + base for name, port in asdict(StackPorts()).items()}
    chosen: dict[str, int] = {}
    moved: list[str] = []
    for group in GROUPS:
        offset, taken = _free_offset([start[name] for name in group])
        if offset:
            moved.append(f"port {taken} is taken: {', '.join(f'{name} uses {start[name] + offset}' for name in group)}")
        chosen |= {name: start[name] + offset for name in group}
    ports = StackPorts(**chosen)
    if ports != remembered:
        files.replace_json(state / FILE_NAME, chosen)
    return ports, moved


def _free_offset(group: list[int]) -> tuple[int, int | None]:
    """What is to be added to a group's ports, which are reserved then; and the port for which it is not 0."""
    first = None
    for attempt in range(ATTEMPTS):
        offset = attempt * STEP
        if max(group) + offset >= HIGHEST:
            break
        taken = _reserve([port + offset for port in group])
        if taken is None:
            return offset, first
        first = first or taken
    raise StackError(
        f"port {group[0]} and the {ATTEMPTS} alternatives after it are taken: stop what listens there "
        "(ss -ltnp shows it), or set PULSE_PORT_BASE to a number that is added to every port"
    )
