"""Open pull requests, review load, builds, kinds of work and what failed releases cost, worked out by hand."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support.database import TestDatabase
from tests.support.world import World, at, run, steady

NOW = at("2026-02-20 12:00")


def review(world: World, pull: int, login: str, when: datetime) -> None:
    world.insert(
        "core.github_pull_request_reviews",
        **{"integration_id": world.github, "pull_request_id": pull, "id": world.new_id(), "author_login": login},
        **{"author_is_bot": False, "state": "APPROVED", "submitted_at": when},
    )


def reviewed(world: World, repository: int, hours: int, login: str = "bob", **columns: Any) -> None:
    """A pull request merged so many hours after its opening, with a review halfway."""
    merged = at("2026-02-10 12:00") + timedelta(hours=hours)
    opened, looked = merged - timedelta(hours=hours), merged - timedelta(hours=hours / 2)
    columns = {"lead_hours": hours, "first_review_at": looked, **columns}
    pull = world.change(repository, f"r{world.new_id()}", merged, **columns)
    assert opened < looked
    review(world, pull, login, looked)


def opened(world: World, repository: int, when: str, **columns: Any) -> None:
    identity = world.new_id()
    world.insert(
        "core.github_pull_requests",
        **{"integration_id": world.github, "id": identity, "repository_id": repository, "number": identity % 1000},
        **{
            "title": "Open",
            "url": f"https://github.com/acme/x/pull/{identity}",
            "state": "open",
            "base_branch": "main",
        },
        **{"created_at": at(when), "ready_at": at(when), "updated_at": at(when), "author_login": "ada", **columns},
    )


def answers(world: World, view: str) -> dict[str, tuple[str, str]]:
    return {row[0]: row[1:] for row in world.rows(f"select topic, answer, note from report.{view}")}


def test_open_pull_requests_are_old_against_what_merged_ones_took(world: World) -> None:
    shop = world.repository()
    for hours in range(10, 120, 10):  # 10 to 110 hours: 85 % took 95 at most
        reviewed(world, shop, hours)
    opened(world, shop, "2026-02-16 00:00")
    opened(world, shop, "2026-02-16 02:00", first_review_at=at("2026-02-17 00:00"))
    opened(world, shop, "2026-02-01 00:00", is_draft=True)
    opened(world, shop, "2026-02-20 09:00", approved_at=at("2026-02-20 10:00"))
    opened(world, shop, "2026-01-01 00:00", author_login="renovate[bot]", author_is_bot=True)
    opened(world, shop, "2026-01-01 00:00", deleted_at=at("2026-01-02 00:00"))
    world.compute(NOW)
    found = world.rows("select age_hours, stage_text, is_over, p85_hours from report.open_pull_requests order by 1")
    assert found == [
        (0, "Approved, not merged", False, 95),
        (94, "In review", False, 95),
        (96, "Waits for a first review", True, 95),
        (456, "Draft", False, 95),
    ]
    told = answers(world, "flow_summary")
    assert told["ageing"][0] == "1 of 4"
    assert told["pickup"] == ("30.0 h", "half waited less; 85 of 100 at most 47.5 h")
    assert told["merged"] == ("11", "in these 30 days; 0 in the 30 days before")


def test_review_load_counts_people_and_names_none(world: World) -> None:
    shop = world.repository()
    for login, count in {"ann": 4, "bob": 3, "cem": 2, "dia": 1}.items():
        for _ in range(count):
            reviewed(world, shop, 10, login)
    reviewed(world, shop, 10, "merge-bot")
    reviewed(world, shop, 10, "ada")  # of the own change
    world.compute(NOW)
    assert answers(world, "flow_summary")["load"][0] == "—", "four people"
    reviewed(world, shop, 10, "eve")
    world.compute(NOW)
    # 11 reviews: ann and bob gave 7, ann alone 4.
    assert answers(world, "flow_summary")["load"] == ("2 of 5 people", "gave half of the reviews of 11 changes")
    assert world.rows("select reviews, reviewers, half_reviewers from core.review_load") == [(11, 5, 2)]


def test_builds_by_week(world: World) -> None:
    shop = world.repository()
    for day, minutes, conclusion in (
        (16, 4, "success"),
        (17, 8, "failure"),
        (18, 6, "timed_out"),
        (19, 90, "cancelled"),
    ):
        began = at(f"2026-02-{day} 10:00")
        world.insert(
            "core.github_workflow_runs",
            **{
                "integration_id": world.github,
                "id": day,
                "run_attempt": 1,
                "repository_id": shop,
                "workflow_name": "CI",
            },
            **{
                "event": "push",
                "head_sha": "a",
                "status": "completed",
                "conclusion": conclusion,
                "url": "https://ci/1",
            },
            **{"created_at": began, "started_at": began, "updated_at": began + timedelta(minutes=minutes)},
        )
    world.compute(NOW)
    columns = "week_at, workflow_name, runs, failures, median_minutes, total_minutes"
    assert world.rows(f"select {columns} from report.workflow_weeks") == [(datetime(2026, 2, 16), "CI", 3, 2, 6, 18)]


@pytest.mark.parametrize("rates", [True, False])
def test_what_a_failed_release_cost(db: TestDatabase, rates: bool) -> None:
    """It broke at 10:00 and was well again at 15:00, with a hotfix of 2 hours; another team's hotfix is not its repair."""
    world = World(db, minimum_sample=1)
    if rates:
        for key, value in {"currency": "EUR", "hour_of_failure": 100, "hour_of_work": 50}.items():
            db.set_setting(world.client_id, f"cost.{key}", value)
    shop, other = steady(world, days=3), steady(world, "other", days=1)
    incident = world.incident(at("2026-02-04 11:00"), at("2026-02-04 15:00"))
    for repository, sha in ((shop, "fix"), (other, "unrelated")):
        world.change(repository, sha, at("2026-02-04 14:00"), 1, title="hotfix: stop it")
        world.deploy(repository, sha, at("2026-02-04 15:00"))
    world.compute(NOW)
    assert incident
    columns = "service_name, recovery_hours, repairs, repair_hours, money_text"
    money = "600 EUR" if rates else None
    assert world.rows(f"select {columns} from report.failure_costs") == [("shop", 5, 1, 2, money)]
    told = answers(world, "investment_summary")
    assert (told["failure"][0], told["repair"][0]) == ("5 hours", "2 hours")
    assert told["money"][0] == (money or "—")
    assert ("nobody has said what an hour costs" in told["money"][1]) == (not rates)


def test_shares_of_effort_leave_out_epics_and_sub_tasks(world: World) -> None:
    def item(kind: str, **columns: Any) -> int:
        identity = world.new_id()
        world.insert(
            "core.jira_issues",
            **{
                "integration_id": world.jira,
                "id": identity,
                "project_id": 1,
                "key": f"OPS-{identity}",
                "url": "https://j/1",
            },
            **{"issue_type": kind, "summary": "x", "status": "Done", "status_category": "done"},
            **{"created_at": at("2026-02-02 09:00"), "resolution_at": at("2026-02-03 09:00"), **columns},
        )
        return identity

    assert answers(world, "work_summary") == {}, "nothing was computed yet"
    world.compute(NOW)
    assert list(answers(world, "work_summary")) == ["none"]
    epic = item("Epic")
    for kind in ("Story", "Story", "Bug", "Sub-task"):
        item(kind, parent_key=f"OPS-{epic}")
    world.compute(NOW)
    assert answers(world, "investment_summary")["largest"] == ("—", "3 of 5 items finished: not enough yet")
    item("Chore"), item("Story")
    world.compute(NOW)
    months = world.rows("select category, is_unplanned, items, items_percent from report.investment_months order by 1")
    assert months == [("Bugs", True, 1, 20), ("New features", False, 3, 60), ("Other work", False, 1, 20)]
    told = answers(world, "investment_summary")
    assert told["largest"] == ("New features 60 %", "of 5 finished items. All: New features 3, Bugs 1, Other work 1")
    assert told["unplanned"] == ("20 %", "1 of 5 finished items (bugs)")
    assert "none" not in answers(world, "work_summary")
    run(world, "delete from core.jira_issues")
    world.compute(NOW)
    assert list(answers(world, "work_summary")) == ["none"]
