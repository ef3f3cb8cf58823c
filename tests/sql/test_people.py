"""People and machines: whose changes and reviews count."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from tests.support.database import TestDatabase
from tests.support.world import World, at

MERGED = at("2026-02-03 12:00")


def review(world: World, pull: int, login: str, when: str, state: str = "APPROVED", is_bot: bool = False) -> None:
    world.insert(
        "core.github_pull_request_reviews",
        integration_id=world.github,
        pull_request_id=pull,
        id=world.new_id(),
        author_login=login,
        author_is_bot=is_bot,
        state=state,
        submitted_at=at(when),
    )


def change(world: World, **columns: Any) -> int:
    return world.change(world.repository(), "one", MERGED, **columns)


@pytest.mark.parametrize(
    ("login", "is_typed", "is_bot"),
    [
        ("ada", False, False),
        ("abbott", False, False),
        ("talbot", False, False),
        ("robottom", False, False),
        ("cindy", False, False),
        ("bot-lover", False, False),
        ("release-bot", False, True),
        ("Deploy_Bot", False, True),
        ("ci-runner", False, True),
        ("renovate[bot]", False, True),
        ("dependabot", True, True),
        ("copilot-swe-agent", True, False),
        ("devin-ai-integration[bot]", True, False),
        ("claude", False, False),
    ],
)
def test_who_is_automation(world: World, login: str, is_typed: bool, is_bot: bool) -> None:
    change(world, author_login=login, author_is_bot=is_typed)
    world.compute(at("2026-02-05 12:00"))
    assert world.rows("select is_bot from report.evidence_changes") == [(is_bot,)]


@pytest.mark.parametrize("login", ["merge-bot", "ci-approver", "github-actions[bot]", "claude[bot]"])
def test_the_approval_of_a_machine_is_no_approval(world: World, login: str) -> None:
    pull = change(world, author_login="ada", first_review_at=at("2026-02-03 09:00"))
    review(world, pull, login, "2026-02-03 09:00")
    world.compute(at("2026-02-05 12:00"))
    query = "select first_review_at, approved_at from report.evidence_changes"
    assert world.rows(query) == [(None, None)]
    assert world.rows("select is_reviewed from report.evidence_pull_requests") == [(False,)]
    review(world, pull, "bob", "2026-02-03 11:00")
    world.compute(at("2026-02-05 12:00"))
    assert world.rows(query) == [(at("2026-02-03 11:00"), at("2026-02-03 11:00"))]
    assert world.rows("select is_reviewed from report.evidence_pull_requests") == [(True,)]


def test_an_author_does_not_approve_the_own_change(world: World) -> None:
    pull = change(world, author_login="ada")
    review(world, pull, "ada", "2026-02-03 09:00")
    world.compute(at("2026-02-05 12:00"))
    assert world.rows("select approved_at from report.evidence_changes") == [(None,)]


def test_the_client_says_who_is_automation(db: TestDatabase) -> None:
    world = World(db, minimum_sample=1, bots=["^robo$"], agents=["^helper$"])
    repository = world.repository()
    for n, (login, is_typed) in enumerate((("robo", False), ("release-bot", False), ("helper", True), ("other", True))):
        world.change(repository, f"c{n}", MERGED, author_login=login, author_is_bot=is_typed)
    world.db.set_setting(world.client_id, "privacy.people", "names")
    world.compute(at("2026-02-05 12:00"))
    assert dict(world.rows("select author, is_bot from report.evidence_changes")) == {
        "robo": True,
        "release-bot": False,
        "helper": False,
        "other": True,
    }


@pytest.mark.parametrize(
    ("bots", "first", "answered"),
    [
        (None, "ci-helper", "2026-02-03 10:00"),
        (None, "our-robot", "2026-02-03 09:00"),
        (["robot$"], "our-robot", "2026-02-03 10:00"),
    ],
)
def test_a_comment_of_a_machine_is_no_answer(
    db: TestDatabase, bots: list[str] | None, first: str, answered: str
) -> None:
    world = World(db, **({"bots": bots} if bots else {}))
    times = [at("2026-02-03 09:00"), at("2026-02-03 10:00")]
    change(world, author_login="ada", first_review_at=times[0], commenters=[first, "bob"], commented_at=times)
    world.compute(at("2026-02-05 12:00"))
    assert world.rows("select first_review_at from report.evidence_changes") == [(at(answered),)]


def views_that_say(world: World, text: str) -> set[str]:
    """The views of report in which a client's reader finds a text. Those for staff are closed to the reader."""
    views = world.rows(
        "select relname from pg_class where relkind = 'v' and relnamespace = 'report'::regnamespace"
        " and has_table_privilege(oid, 'select')"
    )
    assert len(views) > 20
    query = "select 1 from report.{} v where position(%s in v::text) > 0 limit 1"
    return {name for (name,) in views if world.rows(query.format(name), text)}


def test_no_view_names_a_person_unless_the_client_says_so(world: World) -> None:
    repository = world.repository()
    for n in range(12):
        merged = MERGED + timedelta(hours=n)
        pull = world.change(repository, f"c{n}", merged, author_login="ada-marker", head_branch="work")
        world.insert(
            "core.github_pull_request_commits",
            integration_id=world.github,
            pull_request_id=pull,
            sha=f"own{n}",
            position=0,
            authored_at=merged,
            author_login="ada-marker",
            headline="Change",
        )
        world.deploy(repository, f"c{n}", merged + timedelta(hours=1))
    world.change(repository, "by-a-bot", MERGED, author_login="dependabot", author_is_bot=True)
    world.compute(at("2026-02-05 12:00"))
    assert views_that_say(world, "ada-marker") == set()
    assert "evidence_changes" in views_that_say(world, "dependabot")

    world.db.set_setting(world.client_id, "privacy.people", "pseudonyms")
    assert views_that_say(world, "ada-marker") == set()
    shown = world.rows("select author, count(*) from report.evidence_changes where not is_bot group by 1")
    assert len(shown) == 1
    assert re.fullmatch(r"person [0-9a-f]{6}", shown[0][0])

    world.db.set_setting(world.client_id, "privacy.people", "names")
    named = {"evidence_changes", "evidence_lead_time", "evidence_pull_requests", "evidence_commits"}
    assert views_that_say(world, "ada-marker") == named
