"""The people of `./pulse bench abuse`: who they are, and what an ordinary one does."""

from __future__ import annotations

import json
import random
import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import requests

from pulse.clients.passwords import hash_password
from stack.context import existing_stack
from stack.supervision.supervisor import our_processes
from tests.support.stack import database, wait_replica

RANGES = ("Last week", "Last month", "Last quarter", "Last year", "No filter")
THINK_SECONDS = (20.0, 60.0)  # a page refreshes itself every minute, and people choose other filters
BROWSER_CONNECTIONS = 6
PATIENCE_SECONDS = 60
RETRIED = (502, 503, 504)  # as Superset's pages do

Timed = tuple[float, bool]  # milliseconds, and whether there was an answer


@dataclass
class Person:
    """Somebody who is logged in, with the queries of the dashboard's charts."""

    base: str
    email: str
    password: str = field(repr=False)
    token: str = ""
    charts: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        body = {"username": self.email, "password": self.password, "provider": "db"}
        answer = requests.post(f"{self.base}/api/v1/security/login", json=body, timeout=60)
        answer.raise_for_status()
        self.token = answer.json()["access_token"]
        self.charts = chart_queries(self.base, self.token)


def session_of(token: str) -> requests.Session:
    """Connections of a person's own."""
    session = requests.Session()
    session.trust_env = False
    session.headers["Authorization"] = f"Bearer {token}"
    session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=64))
    return session


def chart_queries(base: str, token: str) -> list[dict[str, Any]]:
    """The requests that the overview's page sends for its charts."""
    return list(chart_queries_of(base, token, "executive-overview").values())


def chart_queries_of(base: str, token: str, dashboard: str) -> dict[str, dict[str, Any]]:
    """The requests that a dashboard's page sends for its charts, by the chart's name."""
    session = session_of(token)
    found = session.get(f"{base}/api/v1/dashboard/{dashboard}/charts", timeout=60)
    found.raise_for_status()
    queries = {}
    for chart in found.json()["result"]:
        one = session.get(f"{base}/api/v1/chart/{chart['id']}", timeout=60).json()["result"]
        context = json.loads(one["query_context"])
        context["datasource"] = dict(zip(("id", "type"), chart["form_data"]["datasource"].split("__"), strict=True))
        context["form_data"] = {}
        queries[str(one["slice_name"])] = context
    return queries


def ask_ordinarily(people: list[Person], seconds: float) -> list[Timed]:
    """Let people open the dashboard, look at it, choose another time range, and so on; every request's time."""
    times: list[Timed] = []
    until = time.monotonic() + seconds
    threads = [threading.Thread(target=_look, args=(person, until, times)) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times


def _look(person: Person, until: float, times: list[Timed]) -> None:
    session = session_of(person.token)
    time.sleep(random.uniform(0, THINK_SECONDS[1] / 2))
    while time.monotonic() < until:
        times.append(_timed(session, "GET", f"{person.base}/superset/dashboard/executive-overview/"))
        chosen = random.choice(RANGES)
        requests_left = [_with_range(context, chosen) for context in person.charts]
        threads = [
            threading.Thread(target=_charts, args=(session, person.base, requests_left, times))
            for _ in range(BROWSER_CONNECTIONS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        time.sleep(random.uniform(*THINK_SECONDS))


def _charts(session: requests.Session, base: str, left: list[dict[str, Any]], times: list[Timed]) -> None:
    while True:
        try:
            context = left.pop()
        except IndexError:
            return
        times.append(_timed(session, "POST", f"{base}/api/v1/chart/data", json=context))


def _with_range(context: dict[str, Any], chosen: str) -> dict[str, Any]:
    queries = [{**query, **({"time_range": chosen} if "granularity" in query else {})} for query in context["queries"]]
    return {**context, "queries": queries}


def _timed(session: requests.Session, method: str, url: str, **kwargs: Any) -> Timed:
    """One request, repeated while it is answered with `try again`, as the page does."""
    started = time.monotonic()
    status = 0
    for delay in (1, 2, 4, 0):
        try:
            status = session.request(method, url, timeout=PATIENCE_SECONDS, **kwargs).status_code
        except requests.RequestException:
            status = 0
        if status not in RETRIED:
            break
        time.sleep(delay)
    return (time.monotonic() - started) * 1000, status == 200


def declare(status: dict[str, Any], emails: list[str]) -> dict[str, str]:
    """Executives of the demo clients in turn, with these addresses; their passwords."""
    passwords = {email: secrets.token_urlsafe(15) for email in emails}
    with database(status, "pulse_admin") as conn:
        clients = [row[0] for row in conn.execute("select id from core.clients where active order by id")]
        for number, (email, password) in enumerate(passwords.items()):
            conn.execute(
                "insert into core.users (client_id, email, password_hash, role) values (%s, %s, %s, 'executive')",
                [clients[number % len(clients)], email, hash_password(password)],
            )
    wait_replica(status)
    return passwords


def remove(status: dict[str, Any], emails: list[str]) -> None:
    """Take them away again."""
    with database(status, "pulse_admin") as conn:
        conn.execute("delete from core.users where email = any (%s)", [emails])


def worker_ids() -> set[int]:
    """The processes of gunicorn."""
    stack = existing_stack()
    assert stack is not None
    return {
        process.pid for process in our_processes(stack.state) if any("gunicorn" in word for word in process.cmdline())
    }
