"""A client with the repository acme/billing, or others of the sandbox, and what GitHub says when it withholds something."""

from __future__ import annotations

from typing import Any

from tests.conftest import SandboxServer
from tests.support.database import TestDatabase
from tests.support.extraction import Pipeline

SAML = "Resource protected by organization SAML enforcement. You must grant your personal access token access."
IP = "Although you appear to have the correct authorization credentials, the organization has an IP allow list enabled."
PERMISSION = "Resource not accessible by personal access token"
BLOCKED = "Repository access blocked"


def github(db: TestDatabase, sandbox: SandboxServer, *names: str, slug: str = "acme", **config: Any) -> Pipeline:
    pipeline = Pipeline.of(db, sandbox.url, "acme", slug, repositories=list(names or ("billing",)))
    pipeline.integrations = pipeline.integrations[:1]
    pipeline.integrations[0][0].config.update(config)
    return pipeline


def count(pipeline: Pipeline, table: str) -> int:
    return int(pipeline.rows(f"select count(*) from raw.github_{table} where deleted_at is null")[0][0])


def numbers_come(pipeline: Pipeline) -> None:
    pipeline.transform()
    assert pipeline.rows("select count(*) > 5 from core.changes") == [(True,)]


def forbidden(path: list[Any], message: str = SAML, kind: str | None = "FORBIDDEN") -> dict[str, Any]:
    return {"path": path, "message": message, "locations": [{"line": 1, "column": 1}]} | (
        {"type": kind} if kind else {}
    )


def total(sandbox: SandboxServer) -> int:
    return sandbox.pull_requests("acme", "billing")
