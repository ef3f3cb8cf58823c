"""The app in process, on a database of its own: two clients that are pushed to, and webhooks of GitHub and Jira."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from pulse import environ
from pulse.clients.spec import parse_spec
from pulse.clients.sync import sync_client
from pulse.ingest import keys
from pulse.ingest.app import create_app
from pulse.orchestration.credentials import credential_for
from pulse.sources.base import Integration
from pulse.sources.registry import source_for
from pulse.tenancy import client_role
from pulse.warehouse.connect import client_transaction
from pulse.warehouse.runs import RunStats
from pulse.warehouse.transforms import run_stage
from tests.support.database import TestDatabase

DEPLOYMENT: dict[str, Any] = {
    "id": "41",
    "service": "shop",
    "environment": "production",
    "result": "success",
    "sha": "a" * 40,
    "created_at": "2026-03-02T10:00:00Z",
    "finished_at": "2026-03-02T10:05:00Z",
}
INCIDENT = {"id": "7", "key": "INC-7", "title": "Shop is down", "service": "shop", "created_at": "2026-03-02T11:00:00Z"}
CHANGE = {
    "id": "3",
    "service": "shop",
    "title": "Basket",
    "opened_at": "2026-03-01T10:00:00Z",
    "merged_at": "2026-03-02T09:00:00Z",
}
STREAMS = [{"name": name, "entity": name} for name in ("deployments", "incidents", "changes")]


def variable(slug: str, settings: dict[str, Any] | None = None, streams: list[dict[str, Any]] = STREAMS) -> str:
    integrations = [
        {"type": "http_json", "name": "ci", "streams": streams},
        {"type": "github", "base_url": "https://github.example", "organization": "acme"},
        {"type": "jira", "base_url": "https://jira.example"},
    ]
    return json.dumps({"name": slug, "settings": settings or {}, "integrations": integrations})


@dataclass
class Push:
    """The app with its clients."""

    db: TestDatabase
    http: TestClient
    ids: dict[str, int] = field(default_factory=dict)
    started: list[str] = field(default_factory=list)

    def declare(self, slug: str, settings: dict[str, Any] | None = None, **more: Any) -> None:
        with self.db.connect("pulse_admin") as admin:
            self.ids[slug] = sync_client(admin, slug, parse_spec(slug, variable(slug, settings, **more))).client_id

    def key(self, slug: str, source: str = "ci") -> keys.NewKey:
        with self.db.connect("pulse_admin") as admin:
            return keys.make(admin, slug, source, "of the test")

    def revoke(self, slug: str, key_id: int) -> None:
        with self.db.connect("pulse_admin") as admin:
            assert keys.revoke(admin, slug, key_id)

    def post(self, token: str, body: Any, path: str = "/v1/acme/deployments", **headers: str) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.http.post(path, content=content, headers={"Authorization": f"Bearer {token}", **headers})

    def webhook(
        self, secret: str, payload: Any, kind: str = "github", delivery: str = "1", slug: str = "acme", **headers: str
    ) -> httpx.Response:
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        signature = f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"
        of_kind = {
            "github": {"X-Hub-Signature-256": signature, "X-GitHub-Delivery": delivery, "X-GitHub-Event": "deployment"},
            "jira": {"X-Hub-Signature": signature, "X-Atlassian-Webhook-Identifier": delivery},
        }[kind]
        return self.http.post(f"/v1/{slug}/webhooks/{kind}/{kind}", content=body, headers={**of_kind, **headers})

    def rows(self, query: str, slug: str = "acme") -> list[tuple[Any, ...]]:
        conn = self.db.connect("pulse_etl")
        with client_transaction(conn, self.ids[slug]):
            return list(conn.execute(query).fetchall())  # type: ignore[call-overload]

    def report(self, query: str, slug: str = "acme") -> list[tuple[Any, ...]]:
        """Rows that the client's own login sees on the replica."""
        self.db.wait_replica()
        conn = self.db.connect(client_role(self.ids[slug]), replica=True)
        return list(conn.execute(query).fetchall())  # type: ignore[call-overload]

    def records(self, slug: str = "acme") -> dict[str, Any]:
        return dict(self.rows("select record_id, payload -> 'record' from raw.http_json_records", slug))

    def rejects(self, slug: str = "acme") -> list[tuple[Any, ...]]:
        return self.rows("select record_id, reason from raw.rejects where replayed_at is null order by id", slug)

    def source(self, slug: str = "acme") -> Any:
        """The source as a task of the client's run has it, without a credential."""
        row = self.rows("select id, config_data from core.integrations where name = 'ci'", slug)[0]
        integration = Integration(self.ids[slug], slug, row[0], "http_json", "ci", "", f"http_json__{slug}__ci", row[1])

        return source_for("http_json")(
            integration, credential_for(integration), self.db.connect("pulse_etl"), RunStats()
        )

    def transform(self, slug: str = "acme") -> None:
        conn = self.db.connect("pulse_etl")
        for stage in ("normalise", "dora"):
            run_stage(conn, self.ids[slug], stage)  # type: ignore[arg-type]


@pytest.fixture
def push(db: TestDatabase, monkeypatch: pytest.MonkeyPatch) -> Iterator[Push]:
    for name, value in db.conn_env().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv(environ.WEBHOOK_SECRET.name, "webhook-secret-of-the-tests")
    started: list[str] = []

    def start(slug: str) -> bool:
        started.append(slug)
        return True

    with TestClient(create_app(start), raise_server_exceptions=False) as http:
        made = Push(db, http, started=started)
        made.declare("acme")
        made.declare("globex")
        yield made
