"""Witnesses of a failure: what the primary acknowledged, what was stored of whom, and what the data team was told."""

from __future__ import annotations

import email
import email.policy
import threading
from collections import Counter
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

import psycopg
from aiosmtpd.smtp import Envelope, Session

from stack.context import Stack
from tests.support.airflow_api import AirflowApi, wait_for

# What a row is upstream, of each kind: `owner` is the organisation or site that it belongs to.
KEYS = {
    "pull request": (
        "select p.client_id, split_part(r.full_name, '/', 1), r.full_name || ' ' || p.number"
        " from core.pull_requests p join core.repositories r on (r.client_id, r.id) = (p.client_id, p.repository_id)"
        " where p.number is not null"
    ),
    "commit": (
        "select c.client_id, split_part(r.full_name, '/', 1), r.full_name || ' ' || c.sha"
        " from core.commits c join core.repositories r on (r.client_id, r.id) = (c.client_id, c.repository_id)"
    ),
    "deployment": "select client_id, '', service_id || ' ' || id from core.deployments",
    "incident": "select client_id, '', source || ' ' || key from core.incidents",
}


class Clock:
    """Commits the time to the primary, ten times a second, as a witness of what was acknowledged."""

    def __init__(self, installation: Stack) -> None:
        self.primary = installation.cluster.primary
        self.acknowledged = datetime.now(UTC)
        self.ticks: list[datetime] = []
        self.refused = 0
        self._stop = threading.Event()
        with self.primary.connect(database="postgres") as superuser:
            superuser.execute("create table if not exists public.clock (at timestamptz)")
            superuser.execute("insert into public.clock values (now())")
        self._thread = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Clock:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Commit nothing more."""
        self._stop.set()
        self._thread.join()

    def _tick(self) -> None:
        while not self._stop.wait(0.1):
            try:
                with self.primary.connect(database="postgres") as superuser:
                    now = datetime.now(UTC)
                    superuser.execute("insert into public.clock values (%s)", [now])
                    self.acknowledged = now
                    self.ticks.append(now)
            except psycopg.Error:
                self.refused += 1

    def lost_seconds(self) -> float:
        """From the last commit that the primary has now to the last one that was acknowledged before."""
        with self.primary.connect(database="postgres") as superuser:
            row = superuser.execute("select max(at) from public.clock where at <= %s", [self.acknowledged]).fetchone()
        assert row is not None
        return float((self.acknowledged - row[0]).total_seconds())

    def lost(self) -> int:
        """How many acknowledged commits the primary does not have exactly once."""
        with self.primary.connect(database="postgres") as superuser:
            found = Counter(at for (at,) in superuser.execute("select at from public.clock").fetchall())
        return sum(found[tick] != 1 for tick in self.ticks)


class Contents:
    """Every row of the clients at a moment, by what it is upstream."""

    def __init__(self, installation: Stack) -> None:
        self.rows: dict[tuple[str, int], Counter[str]] = {}
        self.owners: dict[int, set[str]] = {}
        with installation.cluster.primary.connect(database="pulse") as superuser:
            for kind, query in KEYS.items():
                for client, owner, key in superuser.execute(query.encode()).fetchall():
                    self.rows.setdefault((kind, client), Counter())[key] += 1
                    if owner:
                        self.owners.setdefault(client, set()).add(owner)

    def check_since(self, before: Contents) -> None:
        """Raise AssertionError for a row that is missing, is there twice, or is another client's."""
        for place, keys in before.rows.items():
            missing = keys.keys() - self.rows.get(place, Counter()).keys()
            assert not missing, f"{len(missing)} lost of {place}: {sorted(missing)[:3]}"
        for place, keys in self.rows.items():
            twice = [key for key, count in keys.items() if count > 1]
            assert not twice, f"{place} is there twice: {twice[:3]}"
        assert self.owners == before.owners, "a client has another one's rows"


class Mailbox:
    """What the data team was sent."""

    def __init__(self) -> None:
        self.taken: list[EmailMessage] = []

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:
        content = envelope.content
        assert isinstance(content, bytes)
        made = email.message_from_bytes(content, policy=email.policy.default)
        assert isinstance(made, EmailMessage)
        self.taken.append(made)
        return "250 OK"

    def told(self, slug: str, since: int, *, over: bool = False) -> list[str]:
        """Subjects of the messages after the first `since` that tell of this client's beginning (or ended) problem."""
        found = []
        for message in self.taken[since:]:
            for line in str(message.get_content()).splitlines():
                if f"client {slug} " in line and line.startswith("Over: ") == over:
                    found.append(line)
        return found


def watch(airflow: AirflowApi) -> str:
    """Run watch_clients now, wait until it ends, and return its state."""
    run_id = wait_for("watch_clients to accept a run", lambda: airflow._try_trigger("watch_clients"), 60)
    return airflow.wait_run("watch_clients", run_id)
