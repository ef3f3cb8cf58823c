"""Where a benchmark runs: its own PostgreSQL primary and replica, one database per run, server processes on loopback."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from stack.postgres.cluster import Cluster
from tests.support.database import TEMPLATE, TestDatabase, temporary_cluster
from tests.support.servers import free_port

ROOT = Path(__file__).resolve().parents[1]


def cluster() -> contextlib.AbstractContextManager[Cluster]:
    """A migrated primary and replica for this benchmark alone; whatever is compared runs on the same ones."""
    return temporary_cluster("secret-of-the-benchmark")


def database(made: Cluster) -> contextlib.AbstractContextManager[TestDatabase]:
    """A migrated, empty database."""
    return TestDatabase.clone(made, TEMPLATE)


@contextlib.contextmanager
def server(module: str, *options: str) -> Iterator[str]:
    """A server process (`python -m module --port P options`). Yields its address once GET /health answers; a source
    may then read it."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [sys.executable, "-m", module, "--port", str(port), *options],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "plugins")])},
    )
    try:
        deadline = time.monotonic() + 120
        while True:
            with contextlib.suppress(urllib.error.URLError, ConnectionError):
                urllib.request.urlopen(f"{url}/health", timeout=5).close()
                break
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{module} does not answer")
            time.sleep(0.1)
        os.environ["PULSE_PRIVATE_URLS"] = url.removeprefix("http://")
        yield url
    finally:
        process.terminate()
        process.wait()
