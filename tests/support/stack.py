"""Reading a running stack: logins, databases, processes."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg

from pulse import environ
from pulse.superset.api import SupersetApi
from pulse.tenancy import RoleSecrets
from stack.secret_file import load_secrets
from tests.support.database import wait_replayed

ROOT = Path(__file__).resolve().parents[2]


def login_of(stack: dict[str, Any], system: str, role: str, client: str | None = None) -> dict[str, str]:
    """The login that `./pulse status --json` lists for a system, role and client."""
    for login in stack["logins"]:
        if (login["system"], login["role"], login["client"]) == (system, role, client):
            return dict(login)
    raise AssertionError(f"./pulse status --json lists no {system} login for role {role}, client {client}")


def database(stack: dict[str, Any], role: str, *, replica: bool = False) -> psycopg.Connection[Any]:
    """A connection to the stack's database pulse as one of its roles."""
    address = urlsplit(stack["addresses"]["replica" if replica else "primary"])
    secrets = load_secrets(environ.STATE.get())
    return psycopg.connect(
        host=address.hostname,
        port=address.port,
        dbname="pulse",
        user=role,
        password=RoleSecrets(secrets["PULSE_ROLE_SECRET"], secrets["PULSE_READER_SECRET"]).password(role),
    )


def superset_service(stack: dict[str, Any]) -> SupersetApi:
    """Superset's API as its service account, which a task logs in as."""
    login = urlsplit(os.environ["AIRFLOW_CONN_PULSE_SUPERSET"])
    return SupersetApi(stack["addresses"]["superset"], login.username or "", login.password or "")


def wait_replica(stack: dict[str, Any], seconds: float = 30) -> None:
    """Wait until the stack's replica has replayed everything committed so far."""
    with database(stack, "pulse_admin") as primary, database(stack, "pulse_staff", replica=True) as replica:
        wait_replayed(primary, replica, seconds)


def password_hash(password: str) -> str:
    salt = "0123456789abcdef"
    digest = hashlib.scrypt(password.encode(), salt=salt.encode(), n=32768, r=8, p=1, maxmem=132 * 32768 * 8 + 4096)
    return f"scrypt:32768:8:1${salt}${digest.hex()}"


def raise_version(stack: dict[str, Any], slug: str) -> int:
    """As a run that wrote something; the version."""
    with database(stack, "pulse_admin") as admin:
        row = admin.execute(
            "update core.data_versions v set version = version + 1 from core.clients c"
            " where c.id = v.client_id and c.slug = %s returning v.version",
            [slug],
        ).fetchone()
    assert row is not None
    return int(row[0])


def supervisorctl(*args: str) -> str:
    """Run the launcher's `ctl` command against the running test stack."""
    done = subprocess.run(
        [sys.executable, "-m", "stack", "ctl", *args],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}"},
    )
    return done.stdout + done.stderr


def client_ids(stack: dict[str, Any]) -> dict[str, int]:
    """Id of every client by slug."""
    with database(stack, "pulse_staff", replica=True) as conn:
        return dict(conn.execute("select slug, id from core.clients where active").fetchall())
