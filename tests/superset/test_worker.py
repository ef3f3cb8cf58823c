"""What bounds a worker process of Superset, and what it does for the replica."""

from __future__ import annotations

import runpy
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from pulse.tenancy import client_role
from stack.context import existing_stack
from stack.paths import ROOT
from stack.supervision.supervisor import our_processes
from tests.support.database import TestDatabase

CONFIG = ROOT / "superset" / "gunicorn.conf.py"


@pytest.fixture
def config() -> dict[str, Any]:
    return runpy.run_path(str(CONFIG))


def test_a_worker_that_has_grown_is_replaced(config: dict[str, Any]) -> None:
    logged: list[str] = []
    worker = SimpleNamespace(alive=True, log=SimpleNamespace(info=lambda text, *values: logged.append(text % values)))
    after = config["post_request"]
    after(worker, None, {}, None)
    assert worker.alive
    after.__globals__["RECYCLED_BYTES"] = 1 << 20
    after(worker, None, {}, None)
    assert not worker.alive
    assert "is replaced" in logged[0]


def test_requests_are_bounded_by_gunicorn(config: dict[str, Any]) -> None:
    assert 0 < config["limit_request_line"] <= 8190
    assert 0 < config["limit_request_field_size"] <= 8190
    assert config["forwarded_allow_ips"] == ""


def test_the_running_worker_cannot_take_all_memory(stack: dict[str, Any], config: dict[str, Any]) -> None:
    installation = existing_stack()
    assert installation is not None
    gunicorn = [p for p in our_processes(installation.state) if any("gunicorn" in word for word in p.cmdline())]
    workers = [process for process in gunicorn if process.ppid() in {p.pid for p in gunicorn}]
    assert workers
    for worker in workers:
        limits = Path(f"/proc/{worker.pid}/limits").read_text()
        line = next(line for line in limits.splitlines() if line.startswith("Max data size"))
        assert line.split()[3:5] == [str(config["MEMORY_BYTES"])] * 2


def test_the_watchdog_ends_what_is_too_old(
    superset_modules: None, db: TestDatabase, two_clients: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    from pulse_superset import accounts, watchdog

    for name, value in db.conn_env().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PULSE_DATABASE", db.name)
    monkeypatch.setattr(accounts, "replica", accounts.Server("replica"))
    db.wait_replica()
    hostile = db.connect(client_role(two_clients[0]), replica=True, autocommit=True)
    hostile.execute("set statement_timeout = 0")
    errors: list[psycopg.Error] = []

    def run() -> None:
        try:
            hostile.execute("select count(*) from generate_series(1, 1000000000000) n")
        except psycopg.Error as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(0.5)
    assert watchdog.end_long_queries() == 0
    monkeypatch.setattr(watchdog, "LONGEST_SECONDS", 1)
    monkeypatch.setattr(watchdog, "EVERY_SECONDS", 0.2)
    stop = watchdog.start()
    thread.join(20)
    stop.set()
    assert errors, "the query is still running"
