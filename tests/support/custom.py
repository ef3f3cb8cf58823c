"""A client with one custom source (http_json), run without Airflow on a test's own database."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass, field
from typing import Any

from pulse.clients.spec import parse_spec
from pulse.sources.base import Credential, Integration
from pulse.sources.http_json.extract import HttpJsonSource
from pulse.warehouse.connect import client_transaction
from pulse.warehouse.runs import RunStats
from pulse.warehouse.transforms import run_stage
from tests.conftest import SandboxServer
from tests.support.database import TestDatabase

KEY = "custom_sandbox_acme"
DEPLOYS: dict[str, Any] = {
    "name": "deploys",
    "entity": "deployments",
    "path": "/none/deployments",
    "records": "deployments",
    "fields": {
        "id": "id",
        "service": "service.name",
        "environment": "env",
        "result": "outcome",
        "sha": "commit.sha",
        "ref_name": "commit.branch",
        "url": "links.0.href",
        "created_at": "started_at",
        "finished_at": "ended_at",
    },
    "values": {"result": {"ok": "success", "broken": "failure"}, "environment": {"prod": "production"}},
}
PAGER: dict[str, Any] = {
    "name": "pager",
    "entity": "incidents",
    "path": "/none/incidents",
    "records": "incidents",
    "fields": {
        "id": "incident_id",
        "key": "reference",
        "title": "summary",
        "severity": "urgency",
        "service": "impacted.0.component",
        "created_at": "opened",
        "resolved_at": "closed",
    },
}
# The same stream in pages of 100, as the sandbox returns it.
PAGED: dict[str, dict[str, Any]] = {
    "none": {},
    "page": {"path": "/page/deployments", "records": "data.deployments", "pagination": {"kind": "page"}},
    "offset": {"path": "/offset/deployments", "pagination": {"kind": "offset"}},
    "offset that tells its end": {"path": "/offset/deployments", "pagination": {"kind": "offset", "more": "more"}},
    "cursor": {"path": "/cursor/deployments", "pagination": {"kind": "cursor", "next": "meta.next_cursor"}},
    "link": {"path": "/link/deployments", "records": "", "pagination": {"kind": "link"}},
    "link in the answer": {
        "path": "/link/deployments",
        "params": {"envelope": 1},
        "pagination": {"kind": "link", "next": "next"},
    },
}


@dataclass
class Custom:
    """A client with one custom source, declared as an admin would."""

    db: TestDatabase
    sandbox: SandboxServer
    streams: list[dict[str, Any]]
    auth: dict[str, Any] = field(default_factory=dict)
    credential: Credential = field(default_factory=lambda: Credential(None, KEY))
    base_url: str = ""
    identity: tuple[int, int] | None = None

    def source(self, stats: RunStats | None = None) -> HttpJsonSource:
        base_url = self.base_url or f"{self.sandbox.url}/custom/acme"
        variable = {
            "name": "Acme",
            "integrations": [{"type": "http_json", "base_url": base_url, "auth": self.auth, "streams": self.streams}],
        }
        declared = parse_spec("acme", json.dumps(variable)).integrations[0]
        if self.identity is None:
            client_id = self.db.add_client("acme")
            self.identity = (client_id, self.db.add_integration(client_id, "http_json", base_url=declared.url))
        integration = Integration(
            *self.identity[:1],
            "acme",
            self.identity[1],
            "http_json",
            "http_json",
            declared.url,
            "http_json__acme",
            json.loads(json.dumps(declared.config())),
        )
        return HttpJsonSource(integration, self.credential, self.db.connect("pulse_etl"), stats)

    def sync(self) -> RunStats:
        total = RunStats()
        for scope in self.source().discover():
            total.add(self.source().extract(scope))
        return total

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        assert self.identity
        conn = self.db.connect("pulse_etl")
        with client_transaction(conn, self.identity[0]):
            return list(conn.execute(query).fetchall())  # type: ignore[call-overload]

    def records(self) -> dict[str, Any]:
        """Every stored record that is not deleted, by its id."""
        return dict(self.rows("select record_id, payload from raw.http_json_records where deleted_at is null"))

    def rejects(self) -> list[tuple[Any, ...]]:
        return self.rows("select record_id, scope_key, reason from raw.rejects where replayed_at is null order by id")

    def transform(self) -> None:
        assert self.identity
        run_stage(self.db.connect("pulse_etl"), self.identity[0], "normalise")

    def upstream(self, path: str) -> list[dict[str, Any]]:
        """What the sandbox returns when called directly."""
        request = urllib.request.Request(f"{self.sandbox.url}/custom/acme/none/{path}", headers={"X-Api-Key": KEY})
        with urllib.request.urlopen(request, timeout=10) as answer:
            found: list[dict[str, Any]] = json.load(answer)[path]
        return found

    def incidents(self) -> list[dict[str, Any]]:
        """The sandbox's incidents, without those that end before they begin, because these are rejected."""
        return [one for one in self.upstream("incidents") if not one["closed"] or one["closed"] >= one["opened"]]

    def answer(self, *records: Any) -> None:
        """Answer the next call for deployments with these."""
        self.sandbox.add_fault(path_regex="deployments", status=200, body={"deployments": list(records)})

    def calls(self, path: str = "") -> int:
        with urllib.request.urlopen(f"{self.sandbox.url}/_sandbox/counters", timeout=10) as answer:
            counted: dict[str, int] = json.load(answer)["calls"]
        return sum(count for called, count in counted.items() if path in called)
