"""Where a benchmark runs: a PostgreSQL primary and replica of its own, a database a run, server processes on loopback."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from stack import postgres_roles
from stack.postgres import Cluster, Ports, free_port, running
from tests.support.database import TEMPLATE, TestDatabase

ROOT = Path(__file__).resolve().parents[1]


@contextlib.contextmanager
def cluster() -> Iterator[Cluster]:
    """A migrated primary and its replica in a temporary folder, with fsync off: what is compared runs on the same one."""
    state = Path(tempfile.mkdtemp(prefix="pulse-bench-"))
    state.chmod(0o755)
    made = Cluster(state, "secret-of-the-benchmark", Ports(free_port(), free_port(), free_port()), durable=False)
    try:
        made.prepare(made.primary)
        with contextlib.ExitStack() as servers:
            servers.enter_context(running(made.primary, state / "primary.log"))
            postgres_roles.bootstrap_primary(made, TEMPLATE)
            postgres_roles.migrate(made, TEMPLATE)
            postgres_roles.secure_roles(made, TEMPLATE)
            made.prepare_replica()
            servers.enter_context(running(made.replica, state / "replica.log"))
            yield made
        made.remove()
    finally:
        shutil.rmtree(state, ignore_errors=True)


def database(made: Cluster) -> contextlib.AbstractContextManager[TestDatabase]:
    """A migrated, empty database."""
    return TestDatabase.clone(made, TEMPLATE)


@contextlib.contextmanager
def server(module: str, *options: str) -> Iterator[str]:
    """A server process (`python -m module --port P options`); its address, once GET /health answers."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [sys.executable, "-m", module, "--port", str(port), *options], cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "plugins")])},
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 120
        while True:
            with contextlib.suppress(urllib.error.URLError, ConnectionError):
                urllib.request.urlopen(f"{url}/health", timeout=5).close()
                break
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{module} does not answer")
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait()
