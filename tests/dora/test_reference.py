"""The reference itself, on cases worked out by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.dora.days import hours
from tests.dora.metrics import percentile
from tests.dora.model import (
    Comment,
    Commit,
    Deployment,
    Issue,
    MetricRow,
    Move,
    PullRequest,
    Repository,
    Result,
    Review,
    World,
)
from tests.dora.reference import compute

SHA = {name: f"{n:x}" * 40 for n, name in enumerate("abcdef", start=10)}
HOUR = timedelta(hours=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def world_of(**parts: Any) -> World:
    """A shop with commits a to f on its chain, merged by pull requests 1 to 6 on 2 to 7 March 2026 at 09:00."""
    commits = [Commit(1, sha, n, at(f"2026-03-0{n + 1} 09:00")) for n, sha in enumerate(SHA.values(), start=1)]
    pulls = [
        PullRequest(
            n,
            1,
            n,
            f"Change {n}",
            c.committed_at - 10 * HOUR,
            c.committed_at,
            c.sha,
            first_authored_at=c.committed_at - 10 * HOUR,
        )
        for n, c in enumerate(commits, start=1)
    ]
    world = World(
        "UTC", at("2026-03-20 12:00"), {"minimum_sample": 1}, [Repository(1, "acme/shop")], commits, pulls, [], []
    )
    for name, value in parts.items():
        setattr(world, name, value)
    return world


def deploy(n: int, commit: str, finished: str, environment: str = "production", **columns: Any) -> Deployment:
    end = at(finished)
    return Deployment(n, 1, environment, SHA[commit], end - timedelta(minutes=5), end, **columns)


def owners(result: Result) -> dict[int, int]:
    """The deployment of every change, both as bare numbers."""
    return {int(c.rpartition(":")[2]): int(d.deployment_id.rpartition(":")[2]) for c, d in result.deployed.items()}


def metric(result: Result, name: str, grain: str, day: str, scope: tuple[str, str] = ("client", "")) -> MetricRow:
    return result.metrics[name, grain, *scope, date.fromisoformat(day)]


def test_a_change_is_delivered_by_the_first_deployment_that_contains_it() -> None:
    deployments = [
        deploy(1, "b", "2026-03-03 12:00"),
        deploy(2, "d", "2026-03-05 12:00"),
        deploy(3, "e", "2026-03-06 12:00"),
        deploy(4, "d", "2026-03-06 13:00"),
        deploy(5, "f", "2026-03-09 12:00"),
    ]
    result = compute(world_of(deployments=deployments))
    assert owners(result) == {3: 2, 4: 2, 5: 3, 6: 5}
    facts = {int(d.id.rpartition(":")[2]): d for d in result.deployments.values()}
    assert [n for n, d in facts.items() if d.is_baseline] == [1]
    assert [n for n, d in facts.items() if d.is_rollback] == [4]
    assert facts[3].rolled_back_by == facts[4].id
    assert facts[3].failed_change
    assert [d.contains_after for d in facts.values()] == [None, 2, 4, 5, 5]
    assert facts[4].rework == {("rollback", facts[3].id)}
    week = metric(result, "change_failure_rate", "week", "2026-03-08")
    assert (week.numerator, week.denominator, week.null_reason) == (1, 3, None)
    assert [facts[n].kind for n in (1, 2, 3, 4, 5)] == ["release", "release", "release", "rollback", "release"]
    recovery = metric(result, "failed_deployment_recovery_time", "week", "2026-03-08")
    assert (facts[3].recovery_hours, recovery.sample_size) == (1, 1)
    rework = metric(result, "deployment_rework_rate", "week", "2026-03-08")
    assert (rework.numerator, rework.denominator) == (1, 4)
    assert metric(result, "rollbacks", "week", "2026-03-08").metric_value == 1


def test_a_second_environment_has_a_baseline_of_its_own() -> None:
    deployments = [
        deploy(1, "a", "2026-03-02 12:00"),
        deploy(2, "b", "2026-03-03 12:00"),
        deploy(3, "c", "2026-03-04 12:00", "production-eu"),
        deploy(4, "d", "2026-03-05 12:00", "production-eu"),
        deploy(5, "d", "2026-03-05 13:00"),
        deploy(6, "e", "2026-03-06 13:00", "staging"),
    ]
    assert owners(compute(world_of(deployments=deployments))) == {2: 2, 3: 5, 4: 4}


def test_the_resolution_is_the_first_done_after_the_last_reopening() -> None:
    began = at("2026-03-04 10:00")
    walks = {
        "done and closed": (["3", "4"], 1),
        "reopened": (["3", "1", "2", "4", "3"], 4),
        "open again": (["3", "1"], None),
        "never done": ([], None),
    }
    for name, (walk, hours_later) in walks.items():
        moves, status = [], "1"
        for n, target in enumerate(walk, start=1):
            moves.append(Move(began + n * HOUR, status, target))
            status = target
        (incident,) = compute(world_of(issues=[Issue(1, "OPS-1", began, moves=moves)])).incidents.values()
        assert incident.time_to_restore_hours == hours_later, name


@pytest.mark.parametrize(
    ("issue", "pulls", "expected"),
    [
        ({"components": ["SHOP"]}, {}, ("time_window", 3)),
        ({}, {}, None),
        ({"description": "Since https://ci.example/2."}, {}, ("explicit", 2)),
        ({"description": f"Since {SHA['b'][:7]}, I think"}, {}, ("explicit", 2)),
        ({"description": "See https://github.example/acme/r1/pull/2"}, {}, ("explicit", 2)),
        ({"description": f"{SHA['b']} or {SHA['d']}"}, {}, ("explicit", 2)),
        ({"description": f"Fixed by {SHA['d']}", "components": ["shop"]}, {}, ("time_window", 3)),
        ({"components": ["shop"]}, {5: {"title": "Revert, for OPS-1", "reverts_number": 2}}, ("fix_reverts", 2)),
        ({"links": ["DEV-7"]}, {2: {"title": "DEV-7: more"}}, ("linked_issue", 2)),
        ({"fix_versions": ["v4"]}, {}, ("fix_version", 3)),
        ({"fix_versions": ["v4"], "components": ["shop"]}, {}, ("fix_version", 3)),
        ({"labels": ["external", "incident"], "components": ["shop"]}, {}, None),
    ],
)
def test_causes(issue: dict[str, Any], pulls: dict[int, dict[str, Any]], expected: tuple[str, int] | None) -> None:
    """Deployments of a to d on 2 to 5 March at noon; an incident on 4 March at 18:00."""
    world = world_of(given={"incident_rule": {"issue_types": ["Incident"], "external_labels": ["external"]}})
    world.deployments = [
        deploy(n, name, f"2026-03-0{n + 1} 12:00", url=f"https://ci.example/{n}", ref_name=f"v{n}")
        for n, name in enumerate("abcd", start=1)
    ]
    world.issues = [Issue(1, "OPS-1", at("2026-03-04 18:00"), **issue)]
    for n, columns in pulls.items():
        vars(world.pull_requests[n - 1]).update(columns)
    found = [(c.method, int(c.deployment_id.rpartition(":")[2])) for c in compute(world).causes.values()]
    assert found == ([expected] if expected else [])


def test_rework_is_a_deployment_that_repairs() -> None:
    world = world_of(
        deployments=[deploy(n, name, f"2026-03-0{n + 1} 12:00") for n, name in enumerate("abcdef", start=1)]
    )
    world.issues = [Issue(1, "OPS-1", at("2026-03-04 18:00")), Issue(2, "OPS-2", at("2026-03-07 18:00"))]
    titles = [
        "OPS-1: the baseline claims nothing",
        "Hotfix: now",
        "OPS-1: later reported",
        "OPS-1: fix",
        "Plain",
        "OPS-2: ahead",
    ]
    for pull, title in zip(world.pull_requests, titles, strict=True):
        pull.title = title
    world.pull_requests[4].reverts_number = 2
    result = compute(world)
    reasons = {int(d.id.rpartition(":")[2]): {rule for rule, _ in d.rework} for d in result.deployments.values()}
    assert reasons == {1: set(), 2: {"hotfix"}, 3: set(), 4: {"incident"}, 5: {"revert"}, 6: set()}
    month = metric(result, "deployment_rework_rate", "month", "2026-03-31")
    assert (month.numerator, month.denominator) == (3, 6)


def test_frequency_counts_from_the_first_success_until_today() -> None:
    failed = Deployment(1, 1, "production", None, at("2026-03-01 10:00"), first_failure_at=at("2026-03-01 10:05"))
    result = compute(
        world_of(deployments=[failed, deploy(2, "c", "2026-03-04 12:00"), deploy(3, "d", "2026-03-11 12:00")])
    )
    frequency = {
        key: metric(result, "deployment_frequency", *key)
        for key in [
            ("day", "2026-03-01"),
            ("week", "2026-03-08"),
            ("week", "2026-03-15"),
            ("week", "2026-03-22"),
            ("month", "2026-03-31"),
            ("rolling_7d", "2026-03-20"),
            ("rolling_7d", "2026-03-01"),
        ]
    }
    assert {k: (v.numerator, v.denominator, v.is_partial, v.null_reason) for k, v in frequency.items()} == {
        ("day", "2026-03-01"): (0, None, True, "no_data"),
        ("week", "2026-03-08"): (1, 5, True, None),
        ("week", "2026-03-15"): (1, 7, False, None),
        ("week", "2026-03-22"): (0, 5, True, None),
        ("month", "2026-03-31"): (2, 17, True, None),
        ("rolling_7d", "2026-03-20"): (0, 7, False, None),
        ("rolling_7d", "2026-03-01"): (0, None, True, "no_data"),
    }
    days = metric(result, "deployment_days_per_week", "month", "2026-03-31")
    assert (days.metric_value, days.sample_size) == (1.0, 1)
    assert ("deployment_frequency", "day", "service", "gh-repo:1:1", date(2026, 3, 5)) not in result.metrics
    assert metric(result, "deployment_frequency", "week", "2026-03-22", ("service", "gh-repo:1:1")).metric_value == 0


def test_days_follow_the_clients_time_zone_and_hours_are_elapsed() -> None:
    """29 March 2026 has 23 hours in Berlin, and 22:30 UTC of it is already the 30th there."""
    berlin = ZoneInfo("Europe/Berlin")
    weekend = {"days": ["sat", "sun"], "holidays": []}
    start, end = at("2026-03-27 12:00"), at("2026-03-30 12:00")
    assert hours(start, end, berlin, None) == 72
    assert hours(start, end, berlin, weekend) == 47
    assert hours(start, end, berlin, {**weekend, "holidays": ["2026-03-28"]}) == 23
    assert hours(end, start, berlin, None) is None
    late = deploy(1, "f", "2026-03-29 22:30")
    result = compute(world_of(time_zone="Europe/Berlin", now=at("2026-04-02 12:00"), deployments=[late]))
    assert next(iter(result.deployments.values())).finished_on == date(2026, 3, 30)


def test_excluded_changes_and_too_few_events() -> None:
    world = world_of(deployments=[deploy(1, "a", "2026-03-02 12:00"), deploy(2, "f", "2026-03-07 12:00")])
    world.given = {"minimum_sample": 3}
    world.pull_requests[1].author_is_bot = True
    world.pull_requests[2].first_authored_at = None
    world.pull_requests[3].first_authored_at = at("2026-03-08 09:00")
    world.pull_requests[4].reviews = [
        Review("ada", False, "COMMENTED", at("2026-03-06 07:00")),
        Review("bob", False, "CHANGES_REQUESTED", at("2026-03-06 08:00")),
    ]
    result = compute(world)
    reasons = [result.deployed[f"gh-pr:1:{n}"].exclusion_reason for n in range(2, 7)]
    assert reasons == ["bot", "no commits", "negative duration", None, None]
    stages = result.deployed["gh-pr:1:5"]
    assert (stages.coding_hours, stages.pickup_hours, stages.review_hours, stages.merge_to_deploy_hours) == (
        0,
        9,
        1,
        27,
    )
    lead = metric(result, "lead_time_for_changes", "week", "2026-03-08")
    assert (lead.metric_value, lead.sample_size, lead.null_reason) == (None, 2, "below_minimum_sample")
    review = metric(result, "merged_without_review", "month", "2026-03-31")
    assert (review.numerator, review.denominator) == (4, 5)
    assert percentile([1, 2, 3, 4], 0.9) == pytest.approx(3.7)


def test_a_comment_starts_the_review_stage_but_is_not_a_review() -> None:
    world = world_of(deployments=[deploy(1, "a", "2026-03-02 12:00"), deploy(2, "f", "2026-03-07 12:00")])
    world.pull_requests[4].comments = [Comment("bob", at("2026-03-06 07:30"))]
    result = compute(world)
    stages = result.deployed["gh-pr:1:5"]
    assert (stages.pickup_hours, stages.review_hours) == (8.5, 1.5)
    review = metric(result, "merged_without_review", "month", "2026-03-31")
    assert review.numerator == review.denominator
