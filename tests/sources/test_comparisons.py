"""Deployments of branches: what they hold is asked of GitHub once, and delivers the changes that were picked onto them."""

from __future__ import annotations

from tests.conftest import SandboxServer
from tests.sources.test_github_world import portal
from tests.support.database import TestDatabase
from tests.support.extraction import Pipeline

ASKED = "select payload ->> 'oid' from raw.github_comparisons"
DELIVERED = """
    select d.sha from core.deployment_changes l join core.deployments d on d.id = l.deployment_id
    join core.changes c on c.id = l.change_id where c.merge_commit_sha = %s
"""


def compared(sandbox: SandboxServer) -> int:
    return sum("/compare/" in str(request) for request in sandbox.counters()["requests"])


def synced(pipeline: Pipeline) -> None:
    pipeline.extract()
    pipeline.transform()


def test_a_deployed_branch_is_compared_once_and_delivers_what_it_holds(
    db: TestDatabase, sandbox: SandboxServer
) -> None:
    pipeline = portal(db, sandbox)
    synced(pipeline)
    assert compared(sandbox) == 0, "everything that is deployed is on the default branch"
    sandbox.mutate("acme", 3, actions=["open_pull_request", "merge"], repository="portal", steps=12)
    sandbox.mutate("acme", 3, actions=["hotfix"], repository="portal")
    synced(pipeline)
    unknown = "select count(*) from core.deployments where contains_to is null and environment_tier = 'production'"
    assert pipeline.rows(unknown) == [(1,)]
    synced(pipeline)
    ((branch,),) = pipeline.rows(ASKED)
    assert compared(sandbox) == 1
    ((base, count),) = pipeline.rows("select base_sha, commit_count from core.deployed_branches")
    assert count == 2
    ((picked,),) = pipeline.rows(
        "select picked_from[1] from core.deployed_branch_commits where commit_sha = %s", branch
    )
    assert pipeline.rows(DELIVERED, picked) == [(branch,)]
    position = "select position from core.commits where sha = %s"
    assert pipeline.rows("select contains_to from core.deployments where sha = %s", branch) == pipeline.rows(
        position, base
    )
    assert pipeline.rows(unknown) == [(0,)]
    calls = len(sandbox.counters()["requests"])
    synced(pipeline)
    assert len(sandbox.counters()["requests"]) - calls <= 2, "nothing is asked again"
