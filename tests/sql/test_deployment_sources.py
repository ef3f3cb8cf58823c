"""What counts as a deployment by the client's setting: GitHub deployments, workflow runs, releases, merges, or a custom
source's records."""

from __future__ import annotations

import pytest

from tests.conftest import SandboxServer
from tests.support.database import TestDatabase
from tests.support.extraction import Pipeline
from tests.support.world import World, at


@pytest.fixture
def sandbox(sandbox_server: SandboxServer) -> SandboxServer:
    sandbox_server.reset()
    return sandbox_server


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            "workflow_runs",
            "github_workflow_runs where workflow_name = 'Deploy' and conclusion in ('success', 'failure')",
        ),
        ("releases", "github_releases where published_at is not null"),
        ("merges", "github_pull_requests where merged_at is not null and base_branch = 'main'"),
    ],
)
def test_extracted_records_become_deployments(
    db: TestDatabase, sandbox: SandboxServer, source: str, expected: str
) -> None:
    pipeline = Pipeline.of(db, sandbox.url, "acme", repositories=["portal"])
    pipeline.integrations = pipeline.integrations[:1]
    db.set_setting(pipeline.client_id, "dora.deployment_source", source)
    db.set_setting(pipeline.client_id, "dora.workflow_pattern", "^Deploy$")
    pipeline.extract()
    pipeline.transform()
    ((wanted,),) = pipeline.rows(f"select count(*) from core.{expected} and deleted_at is null")
    assert wanted > 10
    assert pipeline.rows("select count(*), count(distinct source) from core.deployments") == [(wanted, 1)]
    ((linked,),) = pipeline.rows("select count(*) from core.deployment_changes")
    assert linked > 100


def custom(world: World, table: str, **columns: object) -> None:
    """A row of a custom source."""
    world.insert(f"core.custom_{table}", integration_id=world.custom(), **columns)


def test_a_custom_deployment_is_placed_by_name_and_commit(db: TestDatabase) -> None:
    world = World(db, minimum_sample=1, deployment_source="custom")
    shop = world.repository("Shop")
    world.change(shop, "base", at("2026-02-02 09:00"))
    world.change(shop, "a", at("2026-02-03 09:00"))
    for number, sha in enumerate(("base", "a")):
        custom(
            world,
            "deployments",
            id=f"d{number}",
            service="shop",
            environment="production",
            result="success",
            sha=sha,
            created_at=at(f"2026-02-0{number + 2} 10:00"),
            finished_at=at(f"2026-02-0{number + 2} 10:05"),
        )
    world.compute()
    assert world.rows("select title, deployed_at from report.evidence_changes where deployed_at is not null") == [
        ("Change a", at("2026-02-03 10:05"))
    ]
    assert world.rows("select count(*) from core.services") == [(1,)]


def test_a_service_that_only_a_custom_source_names(db: TestDatabase) -> None:
    """Without a commit graph, a deployment contains what was merged before it began."""
    world = World(db, minimum_sample=1, deployment_source="custom")
    for number, hour in ((1, "09:00"), (2, "11:00")):
        custom(
            world,
            "changes",
            id=f"c{number}",
            service="Mainframe",
            title=f"Change {number}",
            opened_at=at(f"2026-02-03 {hour}"),
            merged_at=at(f"2026-02-03 {hour}"),
        )
    for number, day in enumerate(("02", "03", "04")):
        custom(
            world,
            "deployments",
            id=f"d{number}",
            service="Mainframe",
            environment="production",
            result="success",
            created_at=at(f"2026-02-{day} 10:00"),
            finished_at=at(f"2026-02-{day} 10:30"),
        )
    custom(
        world,
        "incidents",
        id="i1",
        key="PD-1",
        title="Down",
        service="mainframe",
        created_at=at("2026-02-03 11:00"),
        resolved_at=at("2026-02-03 12:00"),
    )
    world.compute()
    assert world.rows("select title, deployed_at from report.evidence_changes order by 1") == [
        ("Change 1", at("2026-02-03 10:30")),
        ("Change 2", at("2026-02-04 10:30")),
    ]
    assert world.rows("select key, caused_by_deployment_id from report.evidence_incidents") == [
        ("PD-1", f"custom:{world.custom()}:d1")
    ]
    assert world.rows("select name from core.services") == [("Mainframe",)]


def test_a_github_issue_can_be_an_incident(db: TestDatabase) -> None:
    world = World(db, minimum_sample=1, incident_rule={"source": "github", "labels": ["incident"]})
    shop = world.repository()
    world.change(shop, "base", at("2026-02-02 09:00"))
    world.deploy(shop, "base", at("2026-02-02 10:00"))
    for number, labels in ((1, ["Incident"]), (2, ["bug"])):
        world.insert(
            "core.github_issues",
            integration_id=world.github,
            id=number,
            repository_id=shop,
            number=number,
            title="Down",
            state="closed",
            labels=labels,
            url=f"https://github.com/acme/shop/issues/{number}",
            created_at=at("2026-02-02 12:00"),
            updated_at=at("2026-02-02 14:00"),
            closed_at=at("2026-02-02 14:00"),
        )
    world.compute()
    assert world.rows("select key, resolved_at from report.evidence_incidents") == [("#1", at("2026-02-02 14:00"))]
