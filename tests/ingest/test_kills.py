"""What was acknowledged is there, whichever process is killed: the app's server, and every kind of process of PostgreSQL."""

from __future__ import annotations

import contextlib
import itertools
import signal
import threading
import time
from collections.abc import Callable

import psutil
import psycopg
import pytest
import requests

from pulse.clients.spec import parse_spec
from pulse.clients.sync import sync_client
from pulse.ingest import keys
from pulse.ingest.keys import PREFIX
from stack.postgres.cluster import Cluster
from tests.ingest.conftest import DEPLOYMENT, variable
from tests.support import ingest_server
from tests.support.database import TEMPLATE, TestDatabase, temporary_cluster
from tests.support.servers import free_port, start, stop

SECRET = "secret-of-the-kills"
KILLS = ("app", "backend", "app", "walwriter", "checkpointer", "postmaster", "app")
BATCH = 20


class Sender(threading.Thread):
    """Pushes batch after batch, each until it is acknowledged."""

    def __init__(self, url: str, token: str, numbers: itertools.count[int]) -> None:
        super().__init__(daemon=True)
        self.url = url
        self.headers = {"Authorization": f"Bearer {token}"}
        self.numbers = numbers
        self.acknowledged: list[str] = []
        self.failures = 0
        self.stopped = False

    def run(self) -> None:
        while not self.stopped:
            ids = [f"{self.name}-{next(self.numbers)}" for _ in range(BATCH)]
            while not self.push(ids) and not self.stopped:
                self.failures += 1
                time.sleep(0.05)

    def push(self, ids: list[str]) -> bool:
        batch = [DEPLOYMENT | {"id": one} for one in ids]
        try:
            answer = requests.post(self.url, json=batch, headers=self.headers, timeout=15)
        except requests.RequestException:
            return False
        if answer.status_code == 202:
            assert answer.json()["taken"] == BATCH
            self.acknowledged.extend(ids)
        return answer.status_code == 202


def kill(what: str, cluster: Cluster) -> None:
    """SIGKILL to a process of the primary."""
    postmaster = psutil.Process(cluster.primary.pid())
    if what == "postmaster":
        children = postmaster.children()
        postmaster.send_signal(signal.SIGKILL)
        postmaster.wait(10)  # it is our child: until then its id is taken
        psutil.wait_procs(children, 10)  # they notice, and end by themselves
        return
    wanted: Callable[[str], bool] = (
        (lambda line: "pulse_ingest" in line) if what == "backend" else lambda line: what in line
    )
    for process in postmaster.children():
        if wanted(" ".join(process.cmdline())):
            process.send_signal(signal.SIGKILL)
            return
    raise AssertionError(f"there is no {what} to kill")


def answers(cluster: Cluster) -> bool:
    try:
        with cluster.primary.connect():
            return True
    except psycopg.OperationalError:
        return False


@pytest.mark.timeout(300)
def test_nothing_acknowledged_is_lost_over_kill_9_of_any_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSE_READER_SECRET", SECRET)
    with (
        temporary_cluster(SECRET, light=True) as cluster,
        contextlib.ExitStack() as at_end,
        TestDatabase.clone(cluster, TEMPLATE) as db,
    ):
        at_end.callback(stop, cluster.primary)
        with db.connect("pulse_admin") as admin:
            sync_client(admin, "acme", parse_spec("acme", variable("acme")))
            token = keys.make(admin, "acme", "ci").secret
        db.close()
        environment = {"AIRFLOW_CONN_PULSE_INGEST": db.url("pulse_ingest")}
        port, numbers = free_port(), itertools.count()
        server = ingest_server.start(port, environment)
        url = f"http://127.0.0.1:{port}{PREFIX}/v1/acme/deployments"
        senders = [Sender(url, token, numbers) for _ in range(3)]
        for sender in senders:
            sender.start()
        try:
            for what in KILLS:
                before = sum(len(sender.acknowledged) for sender in senders)
                wait(lambda before=before: sum(len(s.acknowledged) for s in senders) > before + 10 * BATCH)
                if what == "app":
                    server.kill()
                    server.wait()
                    server = ingest_server.start(port, environment)
                    continue
                kill(what, cluster)
                if what == "postmaster":
                    start(cluster.primary, cluster.state / "primary.log")
                wait(lambda: answers(cluster))
            for sender in senders:
                sender.stopped = True
                sender.join(30)
            acknowledged = {one for sender in senders for one in sender.acknowledged}
            with cluster.primary.connect(database=db.name) as superuser:
                stored = {row[0] for row in superuser.execute("select record_id from raw.http_json_records")}
            assert {f"deployments:{one}" for one in acknowledged} - stored == set()
            assert len(acknowledged) > len(KILLS) * 10 * BATCH
            assert sum(sender.failures for sender in senders) > 0, "no request was interrupted"
        finally:
            server.kill()
            server.wait()


def wait(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)
