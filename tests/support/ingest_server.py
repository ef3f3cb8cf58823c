"""The app that tools push to, in a server process of its own: `python -m tests.support.ingest_server --port P`.

The database comes from the environment (TestDatabase.conn_env), as it does for Airflow's API server. No run is started.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from pulse.ingest.app import create_app
from pulse.ingest.keys import PREFIX

ROOT = Path(__file__).resolve().parents[2]


def start(port: int, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start a server, and wait until it answers."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "plugins")])
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.ingest_server", "--port", str(port)],
        cwd=ROOT,
        env={**os.environ, **environment, "PYTHONPATH": path},
    )
    deadline = time.monotonic() + 60
    while True:
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}{PREFIX}/v1/openapi.json", timeout=5).close()
            return process
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("the server does not answer")
        time.sleep(0.05)


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    ingest = create_app(lambda slug: True)
    app = FastAPI(lifespan=ingest.router.lifespan_context)
    app.mount(PREFIX, ingest)
    uvicorn.run(app, host="127.0.0.1", port=parser.parse_args().port, log_level="warning")


if __name__ == "__main__":
    main()
