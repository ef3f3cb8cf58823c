"""Deployments of commits that were not part of the default branch when they were deployed."""

from __future__ import annotations

import pytest

from tests.support.world import World, at, run, steady


def merged_branch_commit(world: World, repository: int, sha: str, merge: str) -> None:
    """A commit of a branch, with the position it gets once a merge has brought it in."""
    run(
        world,
        "insert into core.github_commits (client_id, integration_id, repository_id, sha, position, is_first_parent, committed_at)"
        " select client_id, integration_id, repository_id, %s, position, false, committed_at - interval '1 day'"
        " from core.github_commits where repository_id = %s and sha = %s",
        sha,
        repository,
        merge,
    )


def deployed(world: World) -> dict[str, str]:
    """The deployment that delivered each change, both by their commits."""
    return dict(
        world.rows(
            "select c.merge_commit_sha, d.sha from core.changes c join core.deployment_changes l on l.change_id = c.id"
            " join core.deployments d on d.id = l.deployment_id"
        )
    )


FLAGGED = "select sha from report.evidence_deployments where is_rollback or failed_change"


@pytest.mark.parametrize("known", ["at once", "step by step", "branch first"])
def test_a_branch_deployed_before_its_merge_has_no_position(world: World, known: str) -> None:
    """The default branch is deployed in between and again after the merge; that last deployment delivers the merge."""
    shop = steady(world, days=2)
    world.deploy(shop, "branch", at("2026-02-20 11:00"))
    world.change(shop, "meanwhile", at("2026-02-20 11:30"))
    world.deploy(shop, "meanwhile", at("2026-02-20 12:00"))
    if known == "step by step":
        world.compute()
    if known == "branch first":
        world.insert(
            "core.github_commits",
            integration_id=world.github,
            repository_id=shop,
            sha="branch",
            is_first_parent=False,
            position=world.positions[shop] + 1,
            committed_at=at("2026-02-20 10:00"),
        )
        world.compute()
    world.change(shop, "merge", at("2026-02-21 15:00"), lead_hours=40)
    if known != "branch first":
        merged_branch_commit(world, shop, "branch", "merge")
    world.deploy(shop, "merge", at("2026-02-21 16:00"))
    world.compute()
    found = deployed(world)
    assert (found["meanwhile"], found["merge"]) == ("meanwhile", "merge")
    assert world.rows(FLAGGED) == []


def test_a_branchs_commit_deployed_after_its_merge_has_the_merges_position(world: World) -> None:
    """For example, a pull request's head is deployed once it is merged. Deploying an older one after it is a rollback."""
    shop = steady(world, days=2)
    world.change(shop, "merge", at("2026-02-20 15:00"))
    merged_branch_commit(world, shop, "branch", "merge")
    world.deploy(shop, "branch", at("2026-02-20 15:10"))
    world.deploy(shop, "shop-1", at("2026-02-20 16:00"))
    world.compute()
    assert deployed(world)["merge"] == "branch"
    assert world.rows(FLAGGED + " order by finished_at") == [("branch",), ("shop-1",)]
