"""Two nodes under Patroni with etcd (deploy/patroni): the leader is killed, and the other one takes over by itself."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from deploy.init_databases import RemoteServers
from pulse.tenancy import RoleSecrets
from pulse.warehouse.connect import connect
from pulse_superset import accounts
from stack.paths import ROOT
from stack.postgres import roles
from stack.postgres.account import Account
from stack.postgres.cluster import REPLICATION_ROLE, Cluster
from stack.postgres.server import Server
from tests.drills.conftest import Figure
from tests.support.airflow_api import wait_for
from tests.support.servers import free_port

HOSTS = ("127.0.0.1", "127.0.0.2")  # of loopback; the port is the same, as it would be on two machines
SECRETS = RoleSecrets("drill of Patroni: services", "drill of Patroni: readers")
INSTALLED = "/etc/pulse"
WRITES_SECONDS = 3


@dataclass
class Node:
    """A Patroni and its PostgreSQL."""

    name: str
    host: str
    port: int
    rest: int
    home: Path
    account: Account
    etcd: str
    binaries: Path
    patroni: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        return self.home / self.name

    def start(self) -> None:
        """Start Patroni, which starts PostgreSQL."""
        arguments = self.account.popen_arguments()
        arguments["env"] = {
            "PATH": "/usr/bin:/bin",
            "LC_ALL": "C",
            "HOME": str(self.home),
            "PATRONI_NAME": self.name,
            "PATRONI_ETCD3_HOSTS": self.etcd,
            "PATRONI_RESTAPI_LISTEN": f"{self.host}:{self.rest}",
            "PATRONI_RESTAPI_CONNECT_ADDRESS": f"{self.host}:{self.rest}",
            "PATRONI_POSTGRESQL_LISTEN": f"{self.host}:{self.port}",
            "PATRONI_POSTGRESQL_CONNECT_ADDRESS": f"{self.host}:{self.port}",
            "PATRONI_POSTGRESQL_DATA_DIR": str(self.data),
            "PATRONI_POSTGRESQL_BIN_DIR": str(self.binaries),
            "PATRONI_SUPERUSER_PASSWORD": SECRETS.password("postgres"),
            "PATRONI_REPLICATION_PASSWORD": SECRETS.password(REPLICATION_ROLE),
        }
        with (self.home / f"{self.name}.log").open("ab") as log:
            self.patroni = subprocess.Popen(
                ["/usr/bin/patroni", str(self.home / "patroni" / "patroni.yml")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **arguments,
            )

    def kill(self) -> None:
        """Kill all of it at once, as when its machine is gone."""
        assert self.patroni is not None
        victims = [psutil.Process(self.patroni.pid)]
        with contextlib.suppress(OSError, psutil.Error):
            victims.append(psutil.Process(int((self.data / "postmaster.pid").read_text().split()[0])))
        victims += [child for process in victims for child in process.children(recursive=True)]
        for process in victims:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.patroni.wait()

    def says(self) -> dict[str, Any]:
        """What Patroni says of the node; nothing while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://{self.host}:{self.rest}/patroni", timeout=5) as answer:
                found: dict[str, Any] = json.load(answer)
        except OSError as error:
            body = getattr(error, "read", bytes)()
            found = json.loads(body) if body else {}
        return found

    def leads(self) -> bool:
        """Whether it is the primary, and has a replica that commits wait for."""
        found = self.says()
        followers = found.get("replication", [])
        return found.get("role") in ("master", "primary") and any(f["sync_state"] == "sync" for f in followers)

    def server(self) -> Server:
        """Its PostgreSQL."""
        return Server("primary", self.data, self.port, self.binaries, self.account, SECRETS, self.host)


class Witness:
    """Commits the time as Pulse's tasks would, by a Connection that names both nodes; ten times a second."""

    def __init__(self) -> None:
        self.ticks: list[datetime] = []
        self.unknown: list[datetime] = []  # begun, and never answered
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Witness:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.1):
            now = datetime.now(UTC)
            try:
                with connect("pulse_etl", autocommit=True, connect_timeout=2) as etl:
                    etl.execute("insert into witness.clock values (%s)", [now])
                self.ticks.append(now)
            except psycopg.Error:
                self.unknown.append(now)

    def longest_pause(self) -> float:
        """Seconds between two acknowledged commits, at most."""
        return max((b - a).total_seconds() for a, b in zip(self.ticks, self.ticks[1:], strict=False))


@pytest.fixture
def etcd(tmp_path: Path) -> Iterator[str]:
    """An etcd of its own on loopback; in production there are three."""
    if not (shutil.which("patroni") and shutil.which("etcd")):
        pytest.fail("needs Patroni and etcd: apt-get install patroni etcd-server")
    client, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    options = ["--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", peer]
    options += ["--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}"]
    with (tmp_path / "etcd.log").open("wb") as log:
        process = subprocess.Popen(["etcd", "--data-dir", str(tmp_path / "etcd"), *options], stdout=log, stderr=log)
    yield client.removeprefix("http://")
    process.terminate()
    process.wait()


@pytest.fixture
def nodes(etcd: str, tmp_path: Path) -> Iterator[list[Node]]:
    """Two nodes, of which one leads and has the other as replica; with Pulse's database."""
    state = Path(f"/var/tmp/pulse-patroni-{os.getpid()}")
    state.mkdir(mode=0o755)
    places = Cluster(state, SECRETS)  # the account, and binaries that it reaches
    for folder in ("patroni", "postgres"):
        shutil.copytree(ROOT / "deploy" / folder, places.home / folder)
    settings = places.home / "patroni" / "patroni.yml"
    settings.write_text(settings.read_text().replace(INSTALLED, str(places.home)))
    for path in [places.home, *places.home.rglob("*")]:
        places.account.own(path)
    port = free_port()
    found = [
        Node(f"node{number}", host, port, free_port(), places.home, places.account, etcd, places.binaries)
        for number, host in enumerate(HOSTS, 1)
    ]
    try:
        for node in found:
            node.start()
        leader = wait_for("a leader with a replica", lambda: next((n for n in found if n.leads()), None), 120)
        servers = RemoteServers(SECRETS, leader.server(), leader.server())
        roles.bootstrap_primary(servers)
        roles.migrate(servers)
        roles.secure_roles(servers)
        with leader.server().connect(database="pulse") as superuser:
            superuser.execute("create schema witness create table clock (at timestamptz)")
            superuser.execute("grant usage on schema witness to pulse_etl")
            superuser.execute("grant insert on witness.clock to pulse_etl")
        yield found
    finally:
        for node in found:
            if node.patroni is not None and node.patroni.poll() is None:
                node.kill()
        shutil.rmtree(state)


def stored(node: Node) -> Counter[datetime]:
    """The commits that a node has."""
    with node.server().connect(database="pulse") as superuser:
        return Counter(at for (at,) in superuser.execute("select at from witness.clock").fetchall())


def host_of_superset() -> str:
    """Where Superset writes sessions; "" while it has nowhere."""
    try:
        with accounts.primary.transaction() as cursor:
            cursor.execute("select host(inet_server_addr())")
            found: str = cursor.fetchone()[0]
    except accounts.DatabaseAway:
        return ""
    return found


def test_the_leader_is_killed_and_the_other_node_takes_over(
    nodes: list[Node], figure: Figure, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = ",".join(f"{node.host}:{node.port}" for node in nodes)
    login = f"pulse_etl:{SECRETS.password('pulse_etl')}"
    monkeypatch.setenv("AIRFLOW_CONN_PULSE_ETL", f"postgresql://{login}@{hosts}/pulse?target_session_attrs=read-write")
    monkeypatch.setenv("PULSE_PRIMARY_HOST", ",".join(node.host for node in nodes))
    monkeypatch.setenv("PULSE_PRIMARY_PORT", str(nodes[0].port))
    monkeypatch.setenv("PULSE_READER_SECRET", SECRETS.readers)
    old = next(node for node in nodes if node.leads())
    new = next(node for node in nodes if node is not old)
    assert host_of_superset() == old.host
    with Witness() as witness:
        wait_for("commits", lambda: len(witness.ticks) > 10 * WRITES_SECONDS, 60)
        old.kill()
        before = len(witness.ticks)
        wait_for("a commit", lambda: len(witness.ticks) > before + 1, 180, every=0.05)
        figure("Patroni's leader killed: longest time between two commits", witness.longest_pause())
        assert new.says()["role"] in ("master", "primary")
        wait_for("Superset's sessions", lambda: host_of_superset() == new.host, 30)
        time.sleep(WRITES_SECONDS)
        old.start()
        began = time.monotonic()
        wait_for("the old leader to follow", new.leads, 180)
        figure("… the old leader is a replica that commits wait for, after its start", time.monotonic() - began)
        time.sleep(WRITES_SECONDS)
    found = stored(new)
    lost = sum(found[tick] != 1 for tick in witness.ticks)
    figure(f"… of {len(witness.ticks)} acknowledged commits are missing", lost, "")
    figure("… commits that were not acknowledged, and are there", len(found.keys() - set(witness.ticks)), "")
    assert lost == 0
    assert found.keys() <= {*witness.ticks, *witness.unknown}
    wait_for("the replica to have them, too", lambda: stored(old) == found, 30)
    assert old.says()["role"] == "replica"
