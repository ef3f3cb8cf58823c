"""Changes made with AI: what counts as one, the shares, and the comparison with others of their kind, against plain Python."""

from __future__ import annotations

import math
import random
import statistics
from collections import defaultdict
from datetime import timedelta
from typing import Any

import pytest

from tests.support.world import World, at, run

NOW = at("2026-02-20 12:00")
CLAUDE, CURSOR = "Claude Code", "Cursor"


def merged(world: World, repository: int, day: float, hours: float = 10, **columns: Any) -> int:
    """A pull request merged some days before NOW, and deployed with it an hour later."""
    when = NOW - timedelta(days=day)
    sha = f"c{world.new_id()}"
    found = world.change(repository, sha, when, hours, **columns)
    world.deploy(repository, sha, when + timedelta(hours=1))
    return found


def kinds(world: World) -> dict[int, tuple[str | None, list[str]]]:
    return {row[0]: row[1:] for row in world.rows("select pull_request_id, ai, assisted_by from core.changes")}


def test_what_a_change_is_made_with(world: World) -> None:
    shop = world.repository()
    none = merged(world, shop, 9)
    own = merged(world, shop, 8, assisted_by=[CLAUDE])
    agent = merged(world, shop, 7, author_login="copilot-swe-agent", author_is_bot=True)
    both = merged(world, shop, 6, author_login="devin-ai-integration[bot]", author_is_bot=True, assisted_by=[CURSOR])
    squash = merged(world, shop, 5, merge_commit_sha="squash", assisted_by=[CURSOR])
    world.commit(shop, "squash", NOW - timedelta(days=5))
    run(world, "update core.commits set assisted_by = %s where sha = 'squash'", [CLAUDE])
    world.compute(NOW)
    assert kinds(world) == {
        none: (None, []),
        own: ("assistant", [CLAUDE]),
        agent: ("agent", []),
        both: ("agent", [CURSOR]),
        squash: ("assistant", [CLAUDE, CURSOR]),
    }
    told = {row[0]: row[1:] for row in world.rows("select topic, answer, note from report.ai_summary")}
    assert told["share"] == ("4 of 5", "4 of 5 merged changes")
    assert told["agents"][0] == "2"
    assert told["tools"] == (CLAUDE, "signs found: Claude Code 2, Cursor 2, A coding agent 1")
    assert told["outcome"][0] == "—"


def test_a_sign_that_comes_later_counts_without_a_full_run(world: World) -> None:
    shop = world.repository()
    pull = merged(world, shop, 5, merge_commit_sha="late")
    world.commit(shop, "late", NOW - timedelta(days=5))
    world.compute(NOW)
    assert kinds(world)[pull] == (None, [])
    run(world, "update core.commits set assisted_by = %s where sha = 'late'", [CLAUDE])
    world.compute(NOW)
    assert kinds(world)[pull] == ("assistant", [CLAUDE])
    run(world, "update core.pull_requests set assisted_by = %s where id = %s", [CURSOR], pull)
    world.compute(NOW)
    assert kinds(world)[pull] == ("assistant", [CLAUDE, CURSOR])
    run(world, "update core.commits set assisted_by = '{}' where sha = 'late'")
    run(world, "update core.pull_requests set assisted_by = '{}' where id = %s", pull)
    world.compute(NOW)
    assert kinds(world)[pull] == (None, [])


def test_automation_is_no_ai(world: World) -> None:
    """A dependency bot is neither with AI nor without: it does not count at all, whatever its text says."""
    shop = world.repository()
    merged(world, shop, 9)
    merged(world, shop, 8, author_login="dependabot[bot]", author_is_bot=True, assisted_by=[CLAUDE])
    world.compute(NOW)
    told = {row[0]: row[1:] for row in world.rows("select topic, answer, note from report.ai_summary")}
    assert told["share"] == ("0 of 1", "0 of 1 merged changes")
    assert told["tools"][0] == "none seen"


def test_a_client_without_pull_requests_is_told_so(world: World) -> None:
    world.repository()
    world.compute(NOW)
    assert [row[0] for row in world.rows("select topic from report.ai_summary")] == ["none"]
    assert {row[0] for row in world.rows("select enough from report.ai_outcomes")} == {False}


Row = tuple[str, bool, float]  # group, with AI, value


def comparable(rows: list[Row]) -> dict[str, tuple[list[float], list[float]]]:
    groups: dict[str, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    for group, is_ai, value in rows:
        groups[group][0 if is_ai else 1].append(value)
    return {group: two for group, two in groups.items() if two[0] and two[1]}


def van_elteren(groups: dict[str, tuple[list[float], list[float]]]) -> float:
    """The stratified Wilcoxon statistic, by its definition: rank sums against their mean and permutation variance."""
    excess = variance = 0.0
    for with_ai, others in groups.values():
        every = sorted(with_ai + others)
        n = len(every)
        rank = {v: statistics.mean(i for i, x in enumerate(every, 1) if x == v) for v in every}
        middle = (n + 1) / 2
        excess += sum(rank[v] - middle for v in with_ai) / (n + 1)
        spread = sum((rank[v] - middle) ** 2 for v in every)
        variance += len(with_ai) * len(others) / (n * (n - 1)) * spread / (n + 1) ** 2
    return excess / math.sqrt(variance)


def weighted_median(groups: dict[str, tuple[list[float], list[float]]]) -> float:
    """Of the others, each weighted so that a group weighs as much as its changes with AI."""
    found = sorted((v, len(a) / len(o)) for a, o in groups.values() for v in o)
    whole, upto = sum(w for _, w in found), 0.0
    for value, weight in found:
        upto += weight
        if upto >= whole / 2 - 1e-9:
            return value
    raise AssertionError


@pytest.mark.parametrize("factor", [1.0, 0.4])
def test_the_comparison_is_of_like_with_like(world: World, factor: float) -> None:
    """Two services of which one is slow and uses AI most: pooled, AI would look slow. With a factor of 0.4, it is faster."""
    rnd = random.Random(factor)
    kind: dict[str, tuple[str, bool]] = {}
    for name, base, share in (("fast", 5, 0.25), ("slow", 60, 0.75)):
        repository = world.repository(name)
        for place in range(70):
            is_ai = rnd.random() < share
            hours = base * math.exp(rnd.gauss(0, 0.5)) * (factor if is_ai else 1)
            size = rnd.choice((5, 100))
            day = 45 - place * 0.6  # all of one quarter
            pull = merged(world, repository, day, round(hours) + 1, additions=size, assisted_by=[CLAUDE] * is_ai)
            kind[f"gh-pr:{world.github}:{pull}"] = (f"{name} {size}", is_ai)
    world.compute(NOW)
    delivered = world.rows("select change_id, lead_time_hours from report.evidence_lead_time where in_lead_time")
    assert len(delivered) > 130
    rows = [(*kind[change], hours) for change, hours in delivered]
    groups = comparable(rows)
    with_ai = [v for a, _ in groups.values() for v in a]
    found = world.rows(
        "select changes_with_ai, comparable_others, value_with_ai, value_others, z, verdict"
        " from report.ai_outcomes where measure = 'lead_time'"
    )[0]
    assert found[:2] == (len(with_ai), sum(len(o) for _, o in groups.values()))
    assert found[2] == statistics.median_low(with_ai)
    assert found[3] == weighted_median(groups)
    assert found[4] == pytest.approx(van_elteren(groups), abs=1e-9)
    assert found[5] == ("none" if factor == 1 else "better")
    pooled = [statistics.median([v for _, is_ai, v in rows if is_ai is kind]) for kind in (True, False)]
    if factor == 1:
        assert pooled[0] > 2 * pooled[1], "the trap is set"


def test_shares_of_failed_and_undone_changes(world: World) -> None:
    shop = world.repository()
    for number in range(50):
        is_ai = number % 2 == 0
        pull = merged(world, shop, 3 + number // 2, assisted_by=[CURSOR] if is_ai else [])
        if is_ai and number % 4 == 0:  # 13 of the 25
            at_number = world.rows("select number from core.pull_requests where id = %s", pull)[0][0]
            merged(world, shop, 2, reverts_number=at_number, title="Revert it", additions=5000)
    world.compute(NOW)
    value_with_ai, value_others, verdict = world.rows(
        "select value_with_ai, value_others, verdict from report.ai_outcomes where measure = 'undone'"
    )[0]
    assert (value_with_ai, value_others, verdict) == (pytest.approx(13 / 25), 0, "worse")
