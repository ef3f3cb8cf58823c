"""What changes name: pull requests of other repositories, and issues in any spelling. And deployments that have not been yet."""

from __future__ import annotations

from tests.support.world import World, at, steady

MARCH = at("2026-03-31 12:00")


def test_a_revert_may_be_of_another_repository(world: World) -> None:
    shop, billing = world.repository(), world.repository("billing")
    world.change(shop, "mine", at("2026-02-03 09:00"), number=12)
    world.change(shop, "back", at("2026-02-04 09:00"), reverts_number=12, reverts_repository="acme/billing")
    query = "select c.reverts_change_id = t.id from core.changes c left join core.changes t on t.merge_commit_sha = 'theirs'"
    world.compute(MARCH)
    assert world.rows(f"{query} where c.merge_commit_sha = 'back'") == [(None,)]
    world.change(billing, "theirs", at("2026-02-03 09:00"), number=12)
    world.compute(MARCH)
    assert world.rows(f"{query} where c.merge_commit_sha = 'back'") == [(True,)]
    assert world.rows("select count(*) from core.changes where is_revert") == [(1,)]


def test_issues_are_named_in_any_spelling_of_known_projects(world: World) -> None:
    shop = world.repository()
    titles = {
        "a": ("proj_x-12: fix", "work"),
        "b": ("Fix", "Feature/Proj_X-12-till"),
        "c": ("Fix", "fix_my_ops-3"),
        "d": ("utf-8 and x-12", "work"),
        "e": ("OPS-4, ops-4, INC-9", "work"),
    }
    for n, (sha, (title, branch)) in enumerate(titles.items(), start=1):
        world.change(shop, sha, at(f"2026-02-0{n} 09:00"), title=title, head_branch=branch)
    query = (
        "select c.merge_commit_sha, array_agg(r.issue_key order by 1) from core.changes c"
        " join core.change_references r on r.change_id = c.id"
        " where r.issue_key in ('PROJ_X-12', 'OPS-3', 'OPS-4', 'INC-9', 'UTF-8', 'X-12') group by 1 order by 1"
    )
    world.compute(MARCH)
    assert ("a", ["PROJ_X-12"]) not in world.rows(query)
    world.insert(
        "core.jira_projects", integration_id=world.jira, id=2, key="PROJ_X", name="X", url="https://jira.example/X"
    )
    world.compute(MARCH)
    named = dict(world.rows(query))
    assert (named["a"], named["b"]) == (["PROJ_X-12"], ["PROJ_X-12"])
    assert named["c"] == ["OPS-3"]
    assert "d" not in named
    assert sorted(named["e"]) == ["INC-9", "OPS-4"]


def test_a_deployment_in_the_future_is_a_warning_and_counts_when_its_day_has_come(world: World) -> None:
    shop = steady(world, days=5)
    world.change(shop, "new", at("2026-02-07 09:00"))
    early = world.deploy(shop, "new", at("2026-02-09 10:00"))
    query = (
        "select status, numerator, value, examples from report.quality_checks where check_name = 'future_deployments'"
    )
    world.compute(at("2026-02-08 12:00"))
    assert world.rows(query) == [("fail", None, 1.0, [early])]
    assert world.metric("deployment_frequency", "month", at("2026-02-08 00:00"))["numerator"] == 6
    assert world.metric("lead_time_for_changes", "month", at("2026-02-08 00:00"))["sample_size"] == 5
    world.compute(at("2026-02-09 12:00"))
    assert world.rows(query)[0][0] == "pass"
    assert world.metric("deployment_frequency", "month", at("2026-02-08 00:00"))["numerator"] == 7
    assert world.metric("lead_time_for_changes", "month", at("2026-02-08 00:00"))["sample_size"] == 6
