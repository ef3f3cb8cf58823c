"""Raw upstream records become rows of the typed tables."""

from __future__ import annotations

import json

import pytest

from pulse.warehouse.transforms import run_stage
from tests.support.world import World, run


@pytest.mark.parametrize(
    ("title", "branch", "body", "reverted"),
    [
        ('Revert "Add tax"', "revert-12-tax", "Reverts acme/shop#12", 12),
        ('Revert "Add tax"', "work", "Reverts #12, which broke the till", 12),
        ('Revert "Add tax" (#12)', "work", "", 12),
        ('Revert "Add tax"', "revert-12-tax", "", 12),
        ("Take it back", "revert-12", None, 12),
        ('Revert "Add tax"', "revert-tax", "This reverts commit 4f2a9c1.", None),
        ("Add tax (#12)", "work", "As #12, but right", None),
    ],
    ids=["GitHub's button", "its body", "its title", "its branch", "branch alone", "no number", "no revert"],
)
def test_which_pull_request_a_pull_request_reverts(
    world: World, title: str, branch: str, body: str | None, reverted: int | None
) -> None:
    store_pull_request(world, title=title, headRefName=branch, body=body)
    assert world.rows("select reverts_number from core.github_pull_requests") == [(reverted,)]


@pytest.mark.parametrize(
    ("title", "branch", "body", "named"),
    [
        ("Take it back", "work", "Reverts acme/Billing#12", (12, "acme/billing")),
        ("Revert acme/billing#12 and #3 (acme/billing#12)", "work", "", (12, "acme/billing")),
        ("Take it back", "work", "Reverts Acme/Shop#12", (12, None)),
        ("Take it back", "revert-12-tax", "Reverts acme/old-name#12", (12, None)),
    ],
    ids=["another repository", "in the title", "its own", "its own, before it was renamed"],
)
def test_whose_pull_request_a_pull_request_reverts(
    world: World, title: str, branch: str, body: str, named: tuple[int, str | None]
) -> None:
    store_pull_request(world, title=title, headRefName=branch, body=body)
    assert world.rows("select reverts_number, reverts_repository from core.github_pull_requests") == [named]


SHA = "4f2a9c1be07d5a3386c1f0e2d94b7a6c5d8e9f01"


@pytest.mark.parametrize(
    ("body", "reverted"),
    [
        (f"This reverts commit {SHA}.", SHA),
        (f"It broke the till.\r\n\r\nThis reverts commit {SHA}, reversing\r\nchanges made to 0b4faa4.", SHA),
        ("This reverts commit 4f2a9c1.", None),
        (f"Nothing that this reverts commit {SHA} for", None),
    ],
    ids=["a commit", "a merge", "abbreviated", "prose"],
)
def test_which_commit_a_pull_request_reverts(world: World, body: str, reverted: str | None) -> None:
    """In the words of `git revert`."""
    store_pull_request(world, body=body)
    assert world.rows("select reverts_sha from core.github_pull_requests") == [(reverted,)]


def store_pull_request(world: World, **fields: str | None) -> None:
    """A pull request as GitHub returns it, after staging."""
    shop = world.repository()
    payload = {
        "fullDatabaseId": 7,
        "number": 13,
        "title": "Change",
        "headRefName": "work",
        "state": "OPEN",
        "url": "https://github.com/acme/shop/pull/13",
        "baseRefName": "main",
        "createdAt": "2026-02-02T09:00:00Z",
        "updatedAt": "2026-02-02T09:00:00Z",
        **fields,
    }
    run(
        world,
        "insert into raw.github_pull_requests (client_id, integration_id, record_id, scope_key, payload, payload_hash)"
        " values (%s, %s, 'PR_7', %s, %s, '\\x00')",
        world.client_id,
        world.github,
        str(shop),
        json.dumps(payload),
    )
    run_stage(world.conn, world.client_id, "normalise")
