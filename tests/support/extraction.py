"""Running a client's extraction and transforms without Airflow, on a test's own database."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql

from pulse.sources.base import Credential, Integration
from pulse.sources.github import actions
from pulse.sources.registry import source_for
from pulse.tenancy import client_role
from pulse.warehouse.connect import client_transaction, connect
from pulse.warehouse.runs import RunStats
from pulse.warehouse.transforms import run_stage
from tests.support.database import TestDatabase


@dataclass
class Pipeline:
    """One client of the sandbox on a database."""

    db: TestDatabase
    client_id: int
    integrations: list[tuple[Integration, Credential]]

    @classmethod
    def of(cls, db: TestDatabase, sandbox_url: str, owner: str, slug: str | None = None, **config: Any) -> Pipeline:
        """Declare a client that reads `owner`'s GitHub and the Jira site `slug`."""
        slug = slug or owner
        client_id = db.add_client(slug, slug.title(), time_zone=config.pop("time_zone", "Europe/Berlin"))
        github = {"organization": owner, "repositories": config.pop("repositories", ["*"])}
        made = []
        for kind, url, data, credential in (
            ("github", f"{sandbox_url}/github", github, Credential(None, f"ghp_sandbox_{owner}")),
            (
                "jira",
                f"{sandbox_url}/jira/{slug}",
                {"projects": ["*"]},
                Credential(f"pulse@{slug}.example", f"jira_sandbox_{slug}"),
            ),
        ):
            identity = db.add_integration(client_id, kind, base_url=url, config_data=data)
            made.append((Integration(client_id, slug, identity, kind, kind, url, f"{kind}__{slug}", data), credential))
        return cls(db, client_id, made)

    def copy_of(self, db: TestDatabase, slug: str) -> Pipeline:
        """A new client that reads the same sources."""
        client_id = db.add_client(slug)
        made = []
        for integration, credential in self.integrations:
            identity = db.add_integration(
                client_id, integration.integration_type, base_url=integration.base_url, config_data=integration.config
            )
            made.append((replace(integration, client_id=client_id, client_slug=slug, id=identity), credential))
        return Pipeline(db, client_id, made)

    def arguments(self) -> list[str]:
        """What run_from_environment needs to extract this client elsewhere."""
        return [
            json.dumps({"integration": asdict(integration), "credential": asdict(credential)})
            for integration, credential in self.integrations
        ]

    def extract(self, kinds: tuple[str, ...] = ("github", "jira")) -> RunStats:
        """Extract every scope of the named integrations, one after the other."""
        total = RunStats()
        for integration, credential in self.integrations:
            if integration.integration_type in kinds:
                conn = self.db.connect("pulse_etl")
                build = source_for(integration.integration_type)
                source = build(integration, credential, conn)
                scopes = source.discover()
                total.add(source.stats)
                for scope in scopes:
                    total.add(build(integration, credential, conn).extract(scope))
                conn.close()
        return total

    def transform(self) -> dict[str, int]:
        """Run both stages; returns the rows written by each SQL file."""
        conn = self.db.connect("pulse_etl")
        steps = [*run_stage(conn, self.client_id, "normalise"), *run_stage(conn, self.client_id, "dora")]
        conn.close()
        return {step.file: step.rows for step in steps}

    def rows(self, query: str, *params: Any) -> list[tuple[Any, ...]]:
        """Rows of this client that the ETL sees."""
        conn = self.db.connect("pulse_etl")
        with client_transaction(conn, self.client_id):
            found = conn.execute(query, params).fetchall()  # type: ignore[call-overload]
        conn.close()
        return list(found)

    def report(self, query: str, *params: Any) -> list[tuple[Any, ...]]:
        """Rows that the client's own login sees on the replica."""
        self.db.wait_replica()
        conn = self.db.connect(client_role(self.client_id), replica=True)
        found = conn.execute(query, params).fetchall()  # type: ignore[call-overload]
        conn.close()
        return list(found)

    def snapshot(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every raw row of the client (identity, payload, deletion), by table: the basis for comparing extractions."""
        conn = self.db.connect("pulse_etl")
        with client_transaction(conn, self.client_id):
            found = dict(self._tables(conn))
        conn.close()
        return found

    def comparable(self, now: datetime) -> dict[str, dict[str, Any]]:
        """The rows that are not marked as deleted, by table and id.

        A full read asks for earlier attempts only of runs of the last quarter, and for jobs only of the newest attempt. What
        stepwise reads know beyond that is left out.
        """
        found = {table: {row[0]: row[1:3] for row in rows if row[3]} for table, rows in self.snapshot().items()}
        newest: dict[int, int] = {}
        for _, run in found["github_workflow_runs"].values():
            newest[run["id"]] = max(run["run_attempt"], newest.get(run["id"], 0))
        young = (now - actions.ATTEMPTS_OF).isoformat()
        found["github_workflow_runs"] = {
            key: row
            for key, row in found["github_workflow_runs"].items()
            if row[1]["run_attempt"] == newest[row[1]["id"]] or row[1]["created_at"] >= young
        }
        found["github_workflow_jobs"] = {
            key: row
            for key, row in found["github_workflow_jobs"].items()
            if row[1]["runAttempt"] == newest[row[1]["runId"]]
        }
        return found

    def _tables(self, conn: psycopg.Connection[Any]) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
        names = conn.execute(
            "select c.relname from pg_class c where c.relnamespace = 'raw'::regnamespace and c.relkind = 'r'"
            " and c.relname <> 'rejects' order by 1"
        ).fetchall()
        for (name,) in names:
            yield (
                name,
                conn.execute(
                    sql.SQL("select record_id, scope_key, payload, deleted_at is null from raw.{} order by 1").format(
                        sql.Identifier(name)
                    )
                ).fetchall(),
            )


def run_from_environment(arguments: list[str]) -> None:
    """Extract an existing client in a process of its own: JSON of integrations and credentials, see Pipeline.arguments."""
    conn = connect("pulse_etl")
    for text in arguments:
        declared = json.loads(text)
        integration, credential = Integration(**declared["integration"]), Credential(**declared["credential"])
        build = source_for(integration.integration_type)
        for scope in build(integration, credential, conn).discover():
            build(integration, credential, conn).extract(scope)
