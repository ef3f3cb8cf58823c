"""Airflow's own metadata and logs.

Tasks may not reach Airflow's database, and the API server does: the app under /pulse/maintenance runs Airflow's command
`airflow db clean` there. Airflow mounts it without authentication; its one route asks for a token that only processes of
this installation can make, and takes nothing else from who calls.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit, urlunsplit

import requests
from fastapi import FastAPI, Header
from fastapi.responses import JSONResponse, Response

from pulse import environ
from pulse.maintenance.keep import days

PREFIX = "/pulse/maintenance"
PATH = f"{PREFIX}/airflow"
SECONDS = 3600
BATCH = "10000"
AUDIT = "log"  # Airflow's table of who did what: kept as long as Pulse's audit
AUDIT_DAYS = 365
# Airflow passes over one that an installation does not have: celery_taskmeta comes with the first worker.
TABLES = (
    *(
        "job",
        "dag",
        "dag_run",
        "asset_event",
        "import_error",
        "task_instance",
        "task_instance_history",
        "task_reschedule",
    ),
    *("xcom", "trigger", "dag_version", "callback", "deadline", "revoked_token", "connection_test_request"),
    "celery_taskmeta",
)

log = logging.getLogger(__name__)
_one_at_a_time = threading.Lock()


class NotPossible(Exception):
    """Airflow's metadata could not be cleaned; the message says why and what to do."""


def create_app() -> FastAPI:
    """The route at /airflow."""
    app = FastAPI(title="Pulse: maintenance", openapi_url=None, docs_url=None, redoc_url=None)

    @app.post("/airflow")
    def airflow(authorization: Annotated[str | None, Header()] = None) -> Response:
        if not _may(authorization):
            return JSONResponse({"detail": "only this installation's DAG maintenance may ask for this"}, 401)
        if not _one_at_a_time.acquire(blocking=False):
            return JSONResponse({"detail": "a cleaning is under way: wait until it is over"}, 409)
        try:
            return JSONResponse({"cleaned": clean(datetime.now(UTC))})
        except NotPossible as problem:
            log.warning("%s", problem)
            return JSONResponse({"detail": str(problem)}, 500)
        finally:
            _one_at_a_time.release()

    return app


def clean(now: datetime) -> list[str]:
    """Run `airflow db clean`, which commits table by table and batch by batch; up to when, for each. Raises NotPossible."""
    kept = days(environ.KEEP_AIRFLOW)
    if kept is None:
        return []
    done = []
    for tables, age in ((TABLES, kept), ((AUDIT,), max(AUDIT_DAYS, kept))):
        before = (now - timedelta(days=age)).isoformat(timespec="seconds")
        _run("db", "clean", "--clean-before-timestamp", before, "--tables", ",".join(tables), "--batch-size", BATCH)
        done.append(f"{', '.join(tables)}: before {before}")
    # What a command that was killed had set aside.
    _run("db", "drop-archived")
    return done


def _run(*command: str) -> None:
    more = ["--skip-archive"] if "clean" in command else []
    whole = [sys.executable, "-m", "airflow", *command, *more, "--yes"]
    done = subprocess.run(whole, capture_output=True, text=True, timeout=SECONDS, check=False)
    if done.returncode != 0:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise NotPossible(f"`airflow {' '.join(command)}` failed: {''.join(last)}. Run it by hand to see more")


def token() -> str | None:
    """What the DAG sends; None if this installation has no secret to make it from."""
    secret = environ.WEBHOOK_SECRET.given()
    return hmac.new(secret.encode(), b"pulse maintenance", hashlib.sha256).hexdigest() if secret else None


def _may(authorization: str | None) -> bool:
    wanted = token()
    return wanted is not None and hmac.compare_digest((authorization or "").encode(), f"Bearer {wanted}".encode())


def ask(execution_api: str) -> list[str]:
    """Have the API server clean up; what it says. `execution_api`: the address that tasks use. Raises NotPossible."""
    known = token()
    if known is None:
        raise NotPossible(
            f"{environ.WEBHOOK_SECRET.name} is not set, so nobody may ask the API server: set it for all processes of"
            " Airflow, or run `airflow db clean` by a timer of your own"
        )
    parts = urlsplit(execution_api)
    path = parts.path.rstrip("/").removesuffix("/execution")
    address = urlunsplit((parts.scheme, parts.netloc, f"{path}{PATH}", "", ""))
    try:
        answer = requests.post(address, headers={"Authorization": f"Bearer {known}"}, timeout=3 * SECONDS)
        found = answer.json()
    except (requests.RequestException, ValueError) as error:
        raise NotPossible(f"{address} does not answer as Pulse's app does ({type(error).__name__})") from error
    if answer.status_code != 200:
        raise NotPossible(f"{address} answers {answer.status_code}: {found.get('detail', '')}")
    return [str(line) for line in found["cleaned"]]


def trim_logs(folder: Path, keep: int | None, now: float | None = None) -> int:
    """Delete log files below Airflow's folder of logs that nothing has written to for so many days; how many.

    Only what Airflow itself puts there: logs of tasks (dag_id=…) and of reading DAG files (dag_processor).
    """
    if keep is None:
        return 0
    limit = (time.time() if now is None else now) - keep * 86400
    gone = 0
    for top in (*folder.glob("dag_id=*"), *folder.glob("dag_processor")):
        if top.is_symlink() or not top.is_dir():
            continue
        for path in sorted(top.rglob("*"), reverse=True):
            try:
                if path.is_dir() and not path.is_symlink():
                    if path.stat().st_mtime < limit:
                        path.rmdir()  # only when it is empty
                elif path.lstat().st_mtime < limit:
                    path.unlink()
                    gone += 1
            except OSError:  # not empty, or somebody else was faster
                continue
    return gone
