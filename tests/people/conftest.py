"""A database with two clients, a mail server, and Superset's pages."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests

from pulse.clients.passwords import hash_password
from stack.paths import ROOT, SUPERSET_VENV
from stack.postgres import roles as postgres_roles
from stack.postgres.cluster import Cluster
from tests.reports.conftest import Mailbox, mailbox  # noqa: F401
from tests.support.database import TEMPLATE, TestDatabase
from tests.support.servers import free_port

PASSWORD = "regen katze sommer tee"


@dataclass
class World:
    """Two clients with an admin and an executive each, and Superset's pages over them."""

    db: TestDatabase
    url: str
    clients: dict[str, int]
    log: Path
    meta: str  # the address of Superset's own database

    @cached_property
    def admin(self) -> psycopg.Connection[Any]:
        """A connection as sync_clients has it."""
        return self.db.connect("pulse_admin", autocommit=True)

    def add(self, client: str, name: str, role: str = "executive", **values: Any) -> str:
        """A person whom the Variable names, with PASSWORD; the address."""
        email = f"{name}@{client}.example"
        row = {"origin": "variable", "active": True, "password_hash": HASH} | values
        self.admin.execute(
            "insert into core.users (client_id, email, full_name, role, origin, active, password_hash, language)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s)",
            [
                *(self.clients[client], email, name.title(), role, row["origin"], row["active"]),
                *(row["password_hash"], row.get("language")),
            ],
        )
        self.db.wait_replica()
        return email

    def forget_tries(self) -> None:
        """As if nobody had tried to sign in, or asked for a password, before."""
        with psycopg.connect(self.meta) as meta:
            meta.execute("delete from pulse_login_attempts")

    @contextmanager
    def primary_away(self) -> Iterator[None]:
        """Superset's login for accounts cannot reach the primary; the replica follows and answers."""
        with self.db.cluster.primary.connect() as superuser:
            superuser.execute("alter role pulse_auth connection limit 0")
            superuser.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'pulse_auth'")
            try:
                yield
            finally:
                superuser.execute("alter role pulse_auth connection limit 20")


HASH = hash_password(PASSWORD)


class Browser(requests.Session):
    """Somebody with a browser: keeps cookies, and sends forms as a page of ours would."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url

    def page(self, path: str) -> requests.Response:
        return self.get(self.url + path, allow_redirects=False, timeout=60)

    def submit(self, path: str, *, csrf: str | None = None, **fields: str) -> requests.Response:
        """A form, with the token of the page at this path unless another one is given."""
        token = self.token(path) if csrf is None else csrf
        return self.post(self.url + path, data={"csrf_token": token, **fields}, allow_redirects=False, timeout=60)

    def token(self, path: str) -> str:
        found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', self.page(path).text, re.S)
        return found[1] if found else ""

    def sign_in(self, email: str, password: str = PASSWORD) -> bool:
        self.submit("/login/", username=email, password=password)
        return self.is_in()

    def is_in(self) -> bool:
        """Whether the session counts; the role of these tests may open nothing of Superset's."""
        return self.page("/api/v1/me/").status_code != 401


@pytest.fixture(scope="module")
def world(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Not to be changed but for people that a test adds."""
    with making_world(cluster, tmp_path_factory.mktemp("superset"), free_port()) as world:
        yield world


@contextmanager
def making_world(
    cluster: Cluster, folder: Path, port: int, slugs: tuple[str, ...] = ("techcorp", "acme"), **environment: str
) -> Iterator[World]:
    """The world; Superset listens on `port` and has these variables, too."""
    with TestDatabase.clone(cluster, TEMPLATE) as db, cluster.primary.connect() as superuser:
        clients = {slug: db.add_client(slug, slug.title()) for slug in slugs}
        meta = f"{db.name}_superset"
        postgres_roles.ensure_database(superuser, meta, "postgres", search_path=None)
        address = cluster.primary.url("postgres", meta)
        world = World(db, f"http://127.0.0.1:{port}", clients, folder / "superset.log", address)
        try:
            with _serving(world, folder, environment):
                yield world
        finally:
            superuser.execute(f'drop database "{meta}" with (force)'.encode())


@contextmanager
def _serving(world: World, folder: Path, more: dict[str, str]) -> Iterator[None]:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT / "plugins"),
        "PULSE_STATE": str(folder),
        "PULSE_DATABASE": world.db.name,
        "PULSE_SUPERSET_DB_URL": world.meta.replace("postgresql:", "postgresql+psycopg2:"),
        "PULSE_SUPERSET_SECRET_KEY": "the secret key of the tests, long enough",
        "PULSE_SUPERSET_PUBLIC_URL": world.url,
        "SUPERSET_CONFIG_PATH": str(ROOT / "superset" / "superset_config.py"),
        **world.db.conn_env(),
        **more,
    }
    with world.log.open("wb") as out:
        process = subprocess.Popen(
            [
                str(SUPERSET_VENV / "bin" / "python"),
                str(ROOT / "tests" / "support" / "small_superset.py"),
                world.url.rpartition(":")[2],
                ",".join(map(str, world.clients.values())),
                PASSWORD,
            ],
            cwd=folder,
            stdout=out,
            stderr=out,
            env=environment,
        )
    try:
        _wait(world, process)
        yield
    finally:
        process.terminate()
        process.wait(20)


def _wait(world: World, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while True:
        with suppress(requests.ConnectionError):
            if requests.get(f"{world.url}/health", timeout=5).ok:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"Superset does not answer:\n{world.log.read_text()[-4000:]}")
        time.sleep(0.2)
