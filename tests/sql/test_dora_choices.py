"""Settings that define what a deployment, a production branch, an incident, a working day or a service is."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support.database import TestDatabase
from tests.support.world import World, at, run, steady


def workflow_run(
    world: World,
    repository: int,
    sha: str,
    created_at: datetime,
    *,
    branch: str = "main",
    attempt: int = 1,
    identity: int | None = None,
    started_at: datetime | None = None,
    event: str = "push",
) -> str:
    """A successful attempt of ten minutes; returns its id in core.deployments."""
    identity, started_at = identity or world.new_id(), started_at or created_at
    world.insert(
        "core.github_workflow_runs",
        integration_id=world.github,
        id=identity,
        run_attempt=attempt,
        repository_id=repository,
        workflow_name="Deploy",
        event=event,
        head_branch=branch,
        head_sha=sha,
        status="completed",
        conclusion="success",
        url=f"https://github.com/acme/shop/actions/runs/{identity}",
        created_at=created_at,
        started_at=started_at,
        updated_at=started_at + timedelta(minutes=10),
    )
    return f"gh-run:{world.github}:{identity}:{attempt}"


def deployed(world: World) -> list[str]:
    """The commits of the successful production deployments, in order."""
    query = (
        "select sha from report.evidence_deployments where environment_tier = 'production' order by finished_at, sha"
    )
    return [sha for (sha,) in world.rows(query)]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, ["a", "e"]),
        ({"workflow_branches": [r"^v\d"]}, ["b", "e"]),
        ({"production_branches": ["^main$", "^release/"]}, ["a", "c"]),
        ({"workflow_branches": [".*"]}, ["a", "b", "c", "d", "e"]),
        ({"workflow_branches": [".*"], "production_environments": ["^live$"]}, ["a", "b", "c", "d", "e"]),
    ],
    ids=["the default branch", "tags", "production branches", "any", "they have no environment"],
)
def test_which_runs_are_deployments(db: TestDatabase, settings: dict[str, Any], expected: list[str]) -> None:
    world = World(db, minimum_sample=1, deployment_source="workflow_runs", **settings)
    shop = world.repository()
    for day, (sha, branch, event) in enumerate(
        (
            ("a", "main", "push"),
            ("b", "v1.2.3", "push"),
            ("c", "release/1", "push"),
            ("d", "main", "pull_request"),
            ("e", "v2", "release"),
        )
    ):
        workflow_run(world, shop, sha, at(f"2026-02-0{day + 2} 10:00"), branch=branch, event=event)
    world.compute()
    assert deployed(world) == expected


def test_repeating_an_old_run_is_a_rollback(db: TestDatabase) -> None:
    """GitHub keeps the created_at of the first attempt, so a deployment begins when its own attempt started."""
    world = World(db, minimum_sample=1, deployment_source="workflow_runs")
    shop = world.repository()
    for day, sha in enumerate(("base", "good", "bad")):
        world.change(shop, sha, at(f"2026-02-0{day + 2} 09:00"))
        workflow_run(world, shop, sha, at(f"2026-02-0{day + 2} 10:00"), identity=day + 1)
    workflow_run(world, shop, "good", at("2026-02-03 10:00"), identity=2, attempt=2, started_at=at("2026-02-04 11:00"))
    world.compute()
    query = "select sha, is_rollback, failed_change, is_rework from report.evidence_deployments order by finished_at"
    assert world.rows(query)[-2:] == [("bad", False, True, False), ("good", True, False, True)]


def test_each_merge_deploys_its_own_change(db: TestDatabase) -> None:
    """From the first one on, and even if the commit is not in the known history."""
    world = World(db, minimum_sample=1, deployment_source="merges", production_branches=["^main$", "^release/"])
    shop = world.repository()
    world.change(shop, "a", at("2026-02-02 09:00"), lead_hours=10)
    world.change(shop, "b", at("2026-02-03 09:00"), lead_hours=20)
    pull = world.change(shop, "c", at("2026-02-04 09:00"), lead_hours=30, base_branch="release/1")
    run(world, "update core.github_commits set position = null where sha = 'c'")
    world.compute(at("2026-02-20 12:00"))
    query = (
        "select merge_commit_sha, lead_time_hours, deployed_at = merged_at from report.evidence_lead_time order by 1"
    )
    assert world.rows(query) == [("a", 10, True), ("b", 20, True), ("c", 30, True)]
    assert world.metric("lead_time_for_changes", "month", at("2026-02-02 09:00"))["metric_value"] == 20
    assert world.rows("select count(*) from report.evidence_deployments where is_baseline or is_rollback") == [(0,)]
    checks = "select count(*) from core.quality_results where check_name like %s and value > 0"
    assert world.rows(checks, "%_without_commit") == [(0,)]
    run(world, "update core.github_pull_requests set base_branch = 'work' where id = %s", pull)
    world.compute(at("2026-02-20 12:00"))
    assert [sha for sha, *_ in world.rows(query)] == ["a", "b"]


def test_a_production_branch_whose_history_is_not_read_uses_times(db: TestDatabase) -> None:
    """Work is collected on the default branch; what is merged into the branch production is deployed from there."""
    world = World(db, minimum_sample=1, production_branches=["^production$"])
    shop = world.repository()
    for day in (2, 3, 4):
        merged = at(f"2026-02-0{day} 09:00")
        world.change(shop, f"release-{day}", merged, base_branch="production")
        run(world, "update core.github_commits set position = null where sha = %s", f"release-{day}")
        world.change(shop, f"work-{day}", merged)
        world.deploy(shop, f"release-{day}", merged + timedelta(hours=1))
    world.compute()
    assert world.rows("select title, deployed_at from report.evidence_changes order by merged_at") == [
        ("Change release-2", None),
        ("Change release-3", at("2026-02-03 10:00")),
        ("Change release-4", at("2026-02-04 10:00")),
    ]
    run(world, "update core.github_repositories set default_branch = 'production'")
    world.compute()
    assert world.rows("select count(*) from report.evidence_lead_time") == [(0,)], "no commit of it has a position"


def test_a_rule_can_require_all_parts_or_any(db: TestDatabase) -> None:
    found = {}
    for match in ("any", "all"):
        world = World(
            db,
            match,
            minimum_sample=1,
            incident_rule={
                "issue_types": ["Bug"],
                "priorities": ["Highest"],
                "fields": {"Where": ["live"]},
                "match": match,
            },
        )
        for key, kind, priority, where in (
            ("OPS-1", "Bug", "Highest", "live"),
            ("OPS-2", "Bug", "Low", "live"),
            ("OPS-3", "Task", "Highest", "live"),
            ("OPS-4", "Bug", None, "live"),
            ("OPS-5", "Bug", "Highest", "test"),
            ("OPS-6", "Task", None, "test"),
        ):
            world.insert(
                "core.jira_issues",
                integration_id=world.jira,
                id=int(key[4:]),
                project_id=1,
                key=key,
                summary="Down",
                url=f"https://jira.example/{key}",
                issue_type=kind,
                status="Open",
                status_category="new",
                priority=priority,
                custom_fields=f'{{"Where": "{where}"}}',
                created_at=at("2026-02-02 09:00"),
                updated_at=at("2026-02-02 09:00"),
            )
        world.compute()
        found[match] = [key for (key,) in world.rows("select key from report.evidence_incidents order by key")]
    assert found == {"any": ["OPS-1", "OPS-2", "OPS-3", "OPS-4", "OPS-5"], "all": ["OPS-1"]}


def test_a_day_off_can_be_a_working_day(db: TestDatabase) -> None:
    """Begun on Friday at noon, deployed on Monday at noon, and people worked on Saturday: 48 hours, not 24."""
    world = World(db, minimum_sample=1, working_calendar={"workdays": ["2026-02-07"]})
    shop = world.repository()
    world.change(shop, "base", at("2026-01-30 09:00"))
    world.deploy(shop, "base", at("2026-01-30 10:00"))
    world.change(shop, "a", at("2026-02-09 11:00"), first_authored_at=at("2026-02-06 12:00"))
    world.deploy(shop, "a", at("2026-02-09 12:00"))
    world.compute()
    assert world.rows("select lead_time_hours from report.evidence_lead_time") == [(48,)]


def test_the_calendar_is_continued_before_it_ends(db: TestDatabase) -> None:
    """A run of the next year has working days to count with; until then, the calendar is not written again."""
    world = World(db, minimum_sample=1, working_calendar={"days": ["mon", "tue", "wed", "thu", "fri"]})
    steady(world, days=2)
    last = "select max(day)::text, max(worked_days_before) from core.client_calendar"
    world.compute(at("2026-03-02 12:00"))
    first = world.rows(last)
    assert first[0][0] == "2027-04-06"
    world.compute(at("2027-03-01 12:00"))
    assert world.rows(last) == first
    world.compute(at("2027-03-20 12:00"))
    ((until, days),) = world.rows(last)
    assert until == "2028-04-23"
    world.compute(at("2027-03-20 12:00"), full=True)
    assert world.rows(last) == [(until, days)]


def test_a_jira_project_can_give_the_service(db: TestDatabase) -> None:
    """For issues in which nothing else names a service."""
    world = World(db, minimum_sample=1, jira_services={"OPS": "Shop"})
    steady(world, days=2)
    steady(world, "billing", days=2)
    for component in ("nothing we know", "billing"):
        world.incident(at("2026-02-03 12:00"), at("2026-02-03 13:00"), component=component)
    world.compute()
    query = "select service_name, method from report.evidence_incidents order by incident_id"
    assert world.rows(query) == [("shop", "time_window"), ("billing", "time_window")]
    items = "select s.name from core.work_items w join core.services s on s.id = w.service_id order by w.issue_id"
    assert world.rows(items) == [("shop",), ("billing",)]


def test_a_revert_says_so_in_its_title(world: World) -> None:
    shop = steady(world, days=2)
    for day, title in ((5, 'Revert "Change shop-1"'), (6, "Reverting thoughts")):
        world.change(shop, title, at(f"2026-02-0{day} 09:00"), title=title)
        world.deploy(shop, title, at(f"2026-02-0{day} 10:00"))
    world.compute()
    query = "select is_revert, reverts_change_id from report.evidence_changes order by merged_at desc limit 2"
    assert world.rows(query) == [(False, None), (True, None)]
    assert world.rows("select rule, evidence_text from report.evidence_rework") == [
        ("revert", 'Revert "Change shop-1"')
    ]


@pytest.mark.parametrize("arrives", ["with the change", "after the change", "before the change", "before the commits"])
def test_a_commit_of_a_pull_request_names_the_deployment_that_delivered_it(world: World, arrives: str) -> None:
    """Whenever the incident arrives."""
    shop, sha = steady(world, days=2), "4f2a9c1be07d5a3386c1f0e2d94b7a6c5d8e9f01"

    def incident() -> None:
        world.incident(at("2026-02-06 12:00"), at("2026-02-06 13:00"), description="root cause: 4f2a9c1be07d5a33")

    def commits() -> None:
        world.insert(
            "core.github_pull_request_commits", integration_id=world.github, pull_request_id=pull, sha=sha, position=0
        )

    if arrives == "before the change":
        incident()
        world.compute()
    pull = world.change(shop, "squashed", at("2026-02-05 09:00"))
    if arrives != "before the commits":
        commits()
    guilty = world.deploy(shop, "squashed", at("2026-02-05 10:00"))
    world.change(shop, "later", at("2026-02-06 09:00"))
    world.deploy(shop, "later", at("2026-02-06 10:00"))
    if arrives == "after the change":
        world.compute()
    if arrives != "before the change":
        incident()
    world.compute()
    if arrives == "before the commits":
        commits()
        world.compute()
    assert world.rows("select caused_by_deployment_id, method from report.evidence_incidents") == [(guilty, "explicit")]


def test_a_change_without_a_pull_request_is_not_in_pull_request_metrics(db: TestDatabase) -> None:
    """A custom source's change has unknown lines and reviews, so it does not count as small and unreviewed."""
    world = World(db, minimum_sample=1)
    shop = steady(world, days=1)
    run(world, "update core.github_pull_requests set additions = 7 where repository_id = %s", shop)
    for number in range(3):
        world.insert(
            "core.custom_changes",
            integration_id=world.custom(),
            id=f"c{number}",
            service="shop",
            title="Change",
            opened_at=at("2026-02-02 08:00"),
            merged_at=at("2026-02-02 09:00"),
        )
    world.compute()
    month = world.metric("pull_request_size", "month", at("2026-02-02 09:00"))
    assert (month["metric_value"], month["sample_size"]) == (7, 2)
    assert world.rows("select count(*) from report.evidence_pull_requests") == [(2,)]


def test_commits_without_a_pull_request_can_be_changes(db: TestDatabase) -> None:
    """Except those of a pull request: its merge and what a rebase merge added, whichever of the two is known first."""
    world = World(db, minimum_sample=1, direct_pushes=True, start_event="first_commit")
    shop = world.repository()
    world.change(shop, "base", at("2026-02-02 09:00"))
    world.deploy(shop, "base", at("2026-02-02 10:00"))
    for sha, headline in (("pushed", "OPS-7 hotfix"), ("rebased", "First half"), ("similar", "First half")):
        world.commit(shop, sha, at("2026-02-03 09:00"))
        authored = at("2026-02-03 08:00") if sha != "similar" else at("2026-02-03 07:00")
        run(
            world,
            "update core.github_commits set headline = %s, authored_at = %s where sha = %s",
            headline,
            authored,
            sha,
        )
    pull = world.change(shop, "last", at("2026-02-03 10:00"))
    for position, (sha, headline) in enumerate((("x", "First half"), ("y", "Second half"), ("z", "The rest"))):
        world.insert(
            "core.github_pull_request_commits",
            integration_id=world.github,
            pull_request_id=pull,
            sha=sha,
            position=position,
            headline=headline,
            authored_at=at("2026-02-03 08:00"),
        )
    run(world, "update core.github_pull_requests set commit_count = 3 where id = %s", pull)
    world.deploy(shop, "last", at("2026-02-03 12:00"))
    world.compute()
    query = "select merge_commit_sha, lead_time_hours from report.evidence_lead_time order by 1"
    assert world.rows(query) == [("last", 12), ("pushed", 4), ("similar", 5)]
    assert world.rows("select url, number from report.evidence_changes where title = 'OPS-7 hotfix'") == [
        ("https://github.com/acme/shop/commit/pushed", None)
    ]
    commits = "select sha, authored_at from report.evidence_commits where deployed_at is not null order by 1"
    assert world.rows(commits) == [
        ("pushed", at("2026-02-03 08:00")),
        ("similar", at("2026-02-03 07:00")),
        ("x", at("2026-02-03 08:00")),
        ("y", at("2026-02-03 08:00")),
        ("z", at("2026-02-03 08:00")),
    ]
    assert world.metric("pull_request_size", "month", at("2026-02-03 09:00"))["sample_size"] == 2
    # Whose the last commits were becomes known later; what they counted as until then goes.
    run(world, "update core.github_pull_requests set merge_commit_sha = 'similar' where id = %s", pull)
    world.compute()
    assert [sha for sha, _ in world.rows(query)] == ["last", "pushed", "similar"]
    run(world, "delete from core.github_pull_request_commits where sha = 'x'")
    world.compute()
    assert [sha for sha, _ in world.rows(query)] == ["last", "pushed", "rebased", "similar"]
    numbers = "select metric_type, grain, calculation_date, metric_value from core.dora_metrics order by 1, 2, 3"
    incremental = world.rows(numbers)
    world.compute(full=True)
    assert world.rows(numbers) == incremental


def test_a_push_is_its_own_deployment_if_merges_are_deployments(db: TestDatabase) -> None:
    world = World(db, minimum_sample=1, direct_pushes=True, deployment_source="merges")
    shop = world.repository()
    world.commit(shop, "pushed", at("2026-02-02 09:00"))
    run(world, "update core.github_commits set authored_at = committed_at - interval '3 hours'")
    world.change(shop, "merged", at("2026-02-03 09:00"), lead_hours=10)
    world.compute()
    query = "select merge_commit_sha, lead_time_hours from report.evidence_lead_time order by 1"
    assert world.rows(query) == [("merged", 10), ("pushed", 3)]
    world.insert(
        "core.github_pull_requests",
        integration_id=world.github,
        id=1,
        repository_id=shop,
        number=1,
        title="Late",
        url="https://github.com/acme/shop/pull/1",
        state="merged",
        base_branch="main",
        head_branch="work",
        created_at=at("2026-02-01 09:00"),
        updated_at=at("2026-02-02 09:00"),
        merged_at=at("2026-02-02 09:00"),
        first_authored_at=at("2026-02-02 04:00"),
        merge_commit_sha="pushed",
    )
    world.compute()
    assert world.rows(query) == [("merged", 10), ("pushed", 5)]
    assert world.rows("select count(*) from report.evidence_deployments") == [(2,)]


def test_reviews_are_counted_whatever_count_the_pull_request_reports(world: World) -> None:
    shop = steady(world, days=1)
    pull = world.change(shop, "x", at("2026-02-20 09:00"), review_count=0)
    world.insert(
        "core.github_pull_request_reviews",
        integration_id=world.github,
        pull_request_id=pull,
        id=1,
        author_login="bob",
        state="APPROVED",
        submitted_at=at("2026-02-20 08:00"),
    )
    world.compute()
    assert world.rows("select is_reviewed from report.evidence_pull_requests where title = 'Change x'") == [(True,)]


@pytest.mark.parametrize(
    ("week_start", "weeks"), [("sunday", {"2026-02-01": 3}), ("saturday", {"2026-01-31": 2, "2026-02-07": 1})]
)
def test_a_week_begins_where_the_client_says(db: TestDatabase, week_start: str, weeks: dict[str, int]) -> None:
    """Deployed on a Sunday, the Wednesday after it and the Saturday after that."""
    world = World(db, minimum_sample=1)
    shop = world.repository()
    for sha, day in (("a", "2026-02-01"), ("b", "2026-02-04"), ("c", "2026-02-07")):
        world.change(shop, sha, at(f"{day} 09:00"))
        world.deploy(shop, sha, at(f"{day} 10:00"))
    found = (
        "select period_start::text, numerator from core.dora_metrics where metric_type = 'deployment_frequency'"
        " and grain = 'week' and scope_type = 'client' and numerator > 0"
    )
    world.compute(at("2026-02-20 12:00"))
    assert dict(world.rows(found)) == {"2026-01-26": 1, "2026-02-02": 2}
    db.set_setting(world.client_id, "dora.week_start", week_start)
    world.compute(at("2026-02-20 12:00"))
    assert dict(world.rows(found)) == weeks
    # No number of a week was wrong: other weeks are told. Old ones are gone, and what was shown is kept.
    kept = "select distinct extract(isodow from period_start)::integer from {} where grain = 'week'"
    assert world.rows(kept.format("core.dora_metrics")) == [({"sunday": 7, "saturday": 6}[week_start],)]
    assert world.rows("select * from core.dora_restatements where grain = 'week'") == []
    assert world.rows(kept.format("core.dora_metric_history")) == [(1,)]
    assert world.rows(kept.format("core.lead_time_stages")) == world.rows(kept.format("core.dora_metrics"))
