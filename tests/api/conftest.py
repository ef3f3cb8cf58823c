"""Superset's pages over two clients that have numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import psycopg
import pytest
import requests

from stack.postgres.cluster import Cluster
from tests.people.conftest import PASSWORD, making_world
from tests.people.conftest import World as Pages
from tests.support.servers import free_port
from tests.support.world import World, at

NOW = at("2026-02-20 12:00")
ROOT = "/api/v1/pulse/"


@dataclass
class Api:
    """The API, and somebody's token."""

    url: str
    token: str | None

    def get(self, path: str, **headers: str) -> requests.Response:
        """The answer at a path below the root, or at a whole one."""
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        where = path if path.startswith("/") else ROOT + path
        return requests.get(self.url + where, headers=headers, timeout=60)

    def rows(self, path: str) -> list[dict[str, Any]]:
        """All rows, page by page."""
        found, where = [], path
        while where:
            answer = self.get(where)
            assert answer.status_code == 200, answer.text
            found += answer.json()["data"]
            where = answer.json()["next"]
        return found


@dataclass
class Data:
    """What the tests have: the pages, both clients' rows, and who asks."""

    pages: Pages
    techcorp: World
    acme: World
    tokens: dict[str, str] = field(default_factory=dict)

    def api(self, client: str | None) -> Api:
        """As the client's executive; as `staff`; or as a visitor."""
        if client is not None and client not in self.tokens:
            name = "staff" if client == "staff" else f"ceo@{client}.example"
            body = {"username": name, "password": PASSWORD, "provider": "db", "refresh": False}
            answer = requests.post(f"{self.pages.url}/api/v1/security/login", json=body, timeout=60)
            assert answer.status_code == 200, answer.text
            self.tokens[client] = answer.json()["access_token"]
        return Api(self.pages.url, self.tokens.get(client or ""))

    def count(self, client: World, view: str) -> int:
        """Rows of a view for a client's login."""
        return int(client.rows(f"select count(*) from report.{view}")[0][0])


def fill(world: World, name: str) -> None:
    """Two services that ship daily for ten weeks; some releases fail, and one change is corrected later."""
    for number, service in enumerate((f"{name}-shop", f"{name}-pay")):
        repository = world.repository(service)
        for day in range(70, 0, -1):
            when = NOW - timedelta(days=day, hours=number)
            world.change(repository, f"{service}{day}", when, 5 + day % 7, title=f"{name} secret {day}")
            world.deploy(repository, f"{service}{day}", when + timedelta(hours=1))
            if day % 9 == 0:
                world.incident(when + timedelta(hours=2), when + timedelta(hours=4), component=service)
    world.compute(NOW)
    world.change(repository, "late", NOW - timedelta(days=40), 300)
    world.deploy(repository, "late", NOW - timedelta(days=40) + timedelta(hours=1))
    world.compute(NOW)


@pytest.fixture(scope="module")
def data(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Data]:
    with making_world(cluster, tmp_path_factory.mktemp("superset"), free_port()) as pages:
        worlds = {slug: World(pages.db, slug, client_id=pages.clients[slug]) for slug in ("techcorp", "acme")}
        for slug, world in worlds.items():
            fill(world, slug)
            pages.add(slug, "ceo")
        pages.db.wait_replica()
        yield Data(pages, worlds["techcorp"], worlds["acme"])


@pytest.fixture
def superuser(data: Data) -> Iterator[psycopg.Connection[Any]]:
    with data.pages.db.cluster.primary.connect(database=data.pages.db.name) as connection:
        yield connection
