"""Flows beside the default branch, worked out by hand: release branches, hotfixes, git flow, tags on a branch."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.support.database import TestDatabase
from tests.support.world import World, at, run

MARCH = at("2026-03-31 12:00")


def delivered(world: World) -> dict[str, Any]:
    """The commit whose deployment delivered each change, and the lead time in hours."""
    return {
        sha: (deployed, hours)
        for sha, deployed, hours in world.rows(
            "select c.merge_commit_sha, d.sha, l.lead_time_hours from core.changes c"
            " left join core.deployment_changes l on l.change_id = c.id and l.exclusion_reason is null"
            " left join core.deployments d on d.id = l.deployment_id"
        )
    }


def kinds(world: World) -> list[tuple[str, str, bool]]:
    return [
        (str(sha), str(kind), bool(failed))
        for sha, kind, failed in world.rows(
            "select sha, kind, failed_change from core.deployments order by finished_at"
        )
    ]


def releases(world: World) -> int:
    """A shop that deploys release branches: r1 began at m2, r2 at m5. Changes m1 to m6 are merged daily at 09:00."""
    shop = world.repository()
    for n in range(1, 7):
        world.change(shop, f"m{n}", at(f"2026-02-0{n + 1} 09:00"))
    world.branch(shop, "r1", "m2", r1=None)
    world.deploy(shop, "r1", at("2026-02-03 12:00"))
    world.branch(shop, "r2", "m5", r2=None)
    world.deploy(shop, "r2", at("2026-02-07 12:00"))
    return shop


def test_a_release_branch_that_never_merges_delivers_what_it_began_with(world: World) -> None:
    """m1 and m2 came with the first release, which is the baseline; m6 was merged after the second one began."""
    releases(world)
    world.compute(MARCH)
    found = delivered(world)
    assert [found[f"m{n}"][0] for n in range(1, 7)] == [None, None, "r2", "r2", "r2", None]
    assert found["m3"][1] == 10 + 3 * 24 + 3
    assert kinds(world) == [("r1", "release", False), ("r2", "release", False)]
    unknown = "select status, value from report.quality_checks where check_name = 'deployments_without_commit'"
    assert world.rows(unknown) == [("pass", 0.0)]


def test_a_hotfix_is_delivered_by_the_first_deployment_that_holds_it(world: World) -> None:
    """m4 is picked onto the first release branch, m5 as the same change; going back from there is a rollback."""
    shop = releases(world)
    world.branch(shop, "hot", "m2", r1=None, picked="m4", hot=None)
    world.deploy(shop, "hot", at("2026-02-06 10:00"))
    world.deploy(shop, "r1", at("2026-02-06 12:00"))
    world.compute(MARCH)
    assert [delivered(world)[sha][0] for sha in ("m3", "m4", "m5")] == ["r2", "hot", "r2"]
    authored = at("2026-02-05 20:00")
    run(world, "update core.github_commits set authored_at = %s, headline = 'Fix' where sha = 'm5'", authored)
    run(
        world,
        "update core.deployed_branch_commits set authored_at = %s, headline = 'Fix' where commit_sha = 'hot'",
        authored,
    )
    world.compute(MARCH)
    assert [delivered(world)[sha] for sha in ("m4", "m5")] == [("hot", 35.0), ("hot", 11.0)]
    assert kinds(world)[1:3] == [("hot", "release", True), ("r1", "rollback", False)]


def test_a_hotfix_merged_into_the_release_branch_is_a_change(world: World) -> None:
    """Whether the branch is merged back or not. Once the default branch has a copy, the copy is the change."""
    shop = releases(world)
    fix = world.pull_request(shop, "fix", at("2026-02-08 09:00"), 2, own=("f1",), base_branch="release/2")
    assert world.compute(MARCH)
    assert "fix" not in delivered(world)
    world.branch(shop, "fix", "m5", r2=None, fix=None)
    world.deploy(shop, "fix", at("2026-02-08 10:00"))
    world.compute(MARCH)
    assert delivered(world)["fix"] == ("fix", 3.0)
    assert world.rows("select merged_into, merge_position from core.changes where pull_request_id = %s", fix) == [
        ("release/2", None)
    ]
    world.commit(shop, "back-merge", at("2026-02-09 09:00"))
    position = world.positions[shop]
    side = {"repository_id": shop, "position": position, "is_first_parent": False}
    world.insert(
        "core.github_commits", integration_id=world.github, sha="fix", committed_at=at("2026-02-08 09:00"), **side
    )
    world.compute(MARCH)
    assert delivered(world)["fix"] == ("fix", 3.0)
    assert world.rows("select merge_position from core.changes where pull_request_id = %s", fix) == [(position,)]
    run(world, "delete from core.github_commits where sha = 'fix'")
    run(world, "update core.deployed_branch_commits set picked_from = '{copy}' where commit_sha = 'fix'")
    world.change(shop, "copy", at("2026-02-10 09:00"), 50)
    world.compute(MARCH)
    assert "fix" not in delivered(world)
    assert delivered(world)["copy"] == ("fix", 3.0)


def git_flow(world: World, merged: bool, **columns: Any) -> int:
    """Two pull requests into develop, and one that brings them to main: as a merge, or as one commit."""
    shop = world.repository()
    world.change(shop, "base", at("2026-02-02 09:00"))
    world.deploy(shop, "base", at("2026-02-02 10:00"))
    for day, sha in ((3, "a"), (4, "b")):
        world.pull_request(shop, sha, at(f"2026-02-0{day} 09:00"), base_branch="develop")
    world.pull_request(shop, "later", at("2026-02-06 09:00"), base_branch="develop")
    opened = {"created_at": at("2026-02-05 08:00"), "ready_at": at("2026-02-05 08:00"), "head_branch": "develop"}
    world.change(shop, "merge", at("2026-02-05 09:00"), 60, own=("a", "b", "bump"), **opened, **columns)
    if merged:
        for sha in ("a", "b"):
            side = {"position": world.positions[shop], "is_first_parent": False, "sha": sha, "repository_id": shop}
            world.insert(
                "core.github_commits", integration_id=world.github, committed_at=at("2026-02-03 09:00"), **side
            )
    return shop


def test_a_merge_of_develop_delivers_the_pull_requests_inside(db: TestDatabase) -> None:
    for n, merged in enumerate((True, False)):
        world = World(db, f"client{n}", minimum_sample=1)
        shop = git_flow(world, merged)
        world.deploy(shop, "merge", at("2026-02-05 11:00"))
        world.compute(MARCH)
        assert delivered(world) == {
            "base": (None, None),
            "a": ("merge", 10 + 48 + 2.0),
            "b": ("merge", 10 + 24 + 2.0),
            "merge": (None, None),
        }
        reason = "select exclusion_reason from report.evidence_lead_time where merge_commit_sha = 'merge'"
        assert world.rows(reason) == [("carries others",)]
        sizes = world.metric("pull_request_size", "month", at("2026-02-03 00:00"))
        assert sizes["sample_size"] == 3
        assert world.rows("select count(*) from report.evidence_pull_requests") == [(3,)]
        assert world.rows("select change_count from core.deployments where sha = 'merge'") == [(2,)]


def test_a_merge_that_deploys_delivers_what_it_carries(db: TestDatabase) -> None:
    world = World(db, minimum_sample=1, deployment_source="merges")
    git_flow(world, merged=False)
    world.compute(MARCH)
    found = delivered(world)
    assert {sha: hours for sha, (_, hours) in found.items()} == {"base": 10.0, "a": 58.0, "b": 34.0, "merge": None}
    assert {found["a"][0], found["b"][0]} == {"merge"}
    assert world.metric("deployment_frequency", "month", at("2026-02-03 00:00"))["numerator"] == 2


def test_with_a_production_branch_that_is_not_read_a_merge_still_brings_its_pull_requests(db: TestDatabase) -> None:
    world = World(db, minimum_sample=1, production_branches=["^production$"])
    shop = git_flow(world, merged=False, base_branch="production")
    run(world, "update core.github_pull_requests set base_branch = 'production' where merge_commit_sha = 'base'")
    world.deploy(shop, "elsewhere", at("2026-02-05 11:00"))
    world.compute(MARCH)
    assert {sha: hours for sha, (_, hours) in delivered(world).items()} == {
        **{"base": None, "a": 60.0, "b": 36.0, "merge": None}
    }


def test_merges_of_the_default_branch_into_production_deliver_its_pull_requests(world: World) -> None:
    """Git flow with develop as the default branch: what is deployed is on main, which never comes back."""
    shop = world.repository()
    for n in range(1, 5):
        world.change(shop, f"d{n}", at(f"2026-02-0{n + 1} 09:00"))
    for n, base in ((1, "d1"), (2, "d3")):
        world.branch(shop, f"main{n}", base, main1=None, **({"main2": None} if n > 1 else {}))
        world.pull_request(
            shop, f"main{n}", at(f"2026-02-0{2 * n} 10:00"), base_branch="main-line", head_branch="main", own=("d1",)
        )
        world.deploy(shop, f"main{n}", at(f"2026-02-0{2 * n} 11:00"))
    world.compute(MARCH)
    assert {sha: deployed for sha, (deployed, _) in delivered(world).items()} == {
        **{"d1": None, "d2": "main2", "d3": "main2", "d4": None}
    }


def test_a_feature_branch_with_pull_requests_of_its_own_is_a_change_too(world: World) -> None:
    """It was opened first, so it is no pull request that was made to bring others."""
    shop = world.repository()
    world.change(shop, "base", at("2026-02-02 09:00"))
    world.deploy(shop, "base", at("2026-02-02 10:00"))
    world.pull_request(shop, "part", at("2026-02-04 09:00"), base_branch="feature")
    opened = {"created_at": at("2026-02-03 08:00"), "head_branch": "feature"}
    world.change(shop, "whole", at("2026-02-05 09:00"), own=("part", "rest"), **opened)
    world.deploy(shop, "whole", at("2026-02-05 09:00") + timedelta(hours=1))
    world.compute(MARCH)
    assert {sha for sha, (deployed, _) in delivered(world).items() if deployed == "whole"} == {"part", "whole"}
