"""The first comment by another person: found however far down it is, read no further than that, and the same on every way."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from pulse.sources.github import queries, records
from pulse.sources.github.client import GitHubClient, Node
from pulse.sources.github.extract import GitHubSource
from pulse.warehouse.loader import Page
from tests.conftest import SandboxServer
from tests.support.database import TestDatabase
from tests.support.extraction import Pipeline

NOON = datetime(2026, 6, 30, 12, tzinfo=UTC)
WITH_A_PAGE = queries.PULL_REQUEST_CONNECTIONS["comments"][2]
MIRA, TARIQ, GHOST = {"__typename": "User", "login": "mira"}, {"__typename": "User", "login": "tariq"}, None
BOT, OLD_BOT = {"__typename": "Bot", "login": "renovate"}, {"__typename": "User", "login": "renovate[bot]"}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The inner connections that were continued."""
    calls: list[str] = []
    ask_sized = GitHubClient.ask_sized

    def recorded(client: GitHubClient, query: str, what: str, *args: Any, **variables: Any) -> Any:
        calls.append(what)
        return ask_sized(client, query, what, *args, **variables)

    monkeypatch.setattr(GitHubClient, "ask_sized", recorded)
    return calls


def test_the_first_review_is_the_first_review_or_comment_of_another_person(
    db: TestDatabase, sandbox: SandboxServer
) -> None:
    """While it is ready and not merged. Compared with everything that REST says about each pull request."""
    sandbox.mutate("acme", 1, 20, actions=["open_pull_request"], repository="portal")
    sandbox.mutate("acme", 1, 25, actions=["comment_alone"], repository="portal")
    sandbox.set_clock(str(NOON + timedelta(hours=1)))
    sandbox.mutate("acme", 1, 25, actions=["comment"], repository="portal")
    pipeline = portal(db, sandbox)
    pipeline.extract(("github",))
    pipeline.transform()
    seen = {"comment first": 0, "review first": 0, "nobody else": 0, "behind a page": 0}
    stored = pipeline.rows(
        "select number, first_review_at, comment_count, ready_at, merged_at from core.github_pull_requests order by 1"
    )
    assert len(stored) > 300
    for number, first_review_at, comment_count, ready_at, merged_at in stored:
        pull = rest(sandbox, f"pulls/{number}")
        pages = range(1, pull["comments"] // 100 + 2)
        said = [c for p in pages for c in rest(sandbox, f"issues/{number}/comments?per_page=100&page={p}")]
        comments = [c["created_at"] if is_another(c, pull) else None for c in said]
        reviews = [r["submitted_at"] for r in rest(sandbox, f"pulls/{number}/reviews") if is_another(r, pull)]
        first_comment = min(filter(None, comments), default="9999")
        first_review = min(reviews, default="9999")
        assert comment_count == len(comments) == pull["comments"]
        looked = sorted({first_comment, *reviews})
        while_open = [t for t in looked if written(ready_at) <= t <= written(merged_at)]
        expected = min([*while_open, *([] if while_open else [first_comment, first_review])])
        assert written(first_review_at) == expected, number
        seen["comment first"] += first_comment < first_review
        seen["review first"] += first_review < first_comment
        seen["nobody else"] += bool(comments) and not any(comments)
        seen["behind a page"] += not any(comments[:WITH_A_PAGE]) and first_comment < first_review
    assert all(seen.values()), seen


def test_comments_are_read_only_until_one_counts(db: TestDatabase, sandbox: SandboxServer, asked: list[str]) -> None:
    pipeline = portal(db, sandbox)
    pipeline.extract(("github",))
    assert "PullRequest.comments" not in asked

    # Long discussions in which another person is among the first: nothing more is requested.
    sandbox.set_clock(str(NOON + timedelta(minutes=10)))
    sandbox.mutate("acme", 5, 6, actions=["comment"], repository="portal")
    spoken = pipeline.extract(("github",))
    longest = "select max((payload -> 'comments' ->> 'totalCount')::integer) from raw.github_pull_requests"
    assert pipeline.rows(longest)[0][0] > 100
    assert "PullRequest.comments" not in asked
    assert (spoken.api_calls, spoken.api_points) == (2, 2)  # the probe, and one page

    # Discussions of the author and a bot: all comments are read, of several pull requests per call.
    sandbox.set_clock(str(NOON + timedelta(minutes=20)))
    sandbox.mutate("acme", 2, 8, actions=["comment_alone"], repository="portal")
    alone = pipeline.extract(("github",))
    kept = "select count(*) from raw.github_pull_requests where jsonb_array_length(payload -> 'firstComments') > %s"
    assert pipeline.rows(kept, WITH_A_PAGE)[0][0] > 1
    assert asked.count("PullRequest.comments") == 1
    assert (alone.api_calls, alone.api_points) == (3, 3)


def test_the_comments_up_to_the_one_that_counts_are_kept() -> None:
    """However many comments were read to find it, the payload is the same."""
    said = [{"author": who} for who in (MIRA, BOT, TARIQ, MIRA, GHOST)]
    node = {"author": MIRA, "comments": {"totalCount": 5, "nodes": said}}
    assert records.first_comments(node) == said[:3]
    assert records.first_comments({"author": TARIQ, "comments": {"nodes": said}}) == said[:1]
    assert records.first_comments({"author": MIRA, "comments": {"nodes": said[:2]}}) == said[:2]
    assert records.first_comments({"author": GHOST, "comments": None}) == []


@pytest.mark.parametrize(
    ("comments", "review", "expected", "is_reviewed"),
    [
        ([(TARIQ, 9)], 11, 9, True),
        ([(TARIQ, 12)], 11, 11, True),
        ([(TARIQ, 9)], None, 9, False),
        ([(MIRA, 9)], 11, 11, True),
        ([(BOT, 8), (OLD_BOT, 9)], 11, 11, True),
        ([(MIRA, 8), (BOT, 9)], None, None, False),
        ([(MIRA, 7), (BOT, 8), (GHOST, 9), (TARIQ, 10)], 11, 9, True),
        ([(TARIQ, 20)], None, 20, False),
        ([(TARIQ, 9)], 20, 9, False),
        ([], None, None, False),
        ([(TARIQ, 5)], 11, 11, True),
        ([(TARIQ, 5)], None, 5, False),
    ],
    ids=[
        "before the review",
        "after it",
        "alone",
        "the author",
        "bots",
        "author and bot",
        "somebody who is gone",
        "after the merge",
        "reviewed after the merge",
        "nothing",
        "on the draft, then reviewed",
        "on the draft alone",
    ],
)
def test_who_counts(
    db: TestDatabase,
    comments: list[tuple[Node | None, int]],
    review: int | None,
    expected: int | None,
    is_reviewed: bool,
) -> None:
    """Drafted at 4, ready at 6, merged at 15. A comment starts the review stage, but is not a review."""
    pipeline = Pipeline.of(db, "http://127.0.0.1:9", "acme")
    integration, credential = pipeline.integrations[0]
    source = GitHubSource(integration, credential, db.connect("pulse_etl"))
    reviews = (
        [{"fullDatabaseId": "5", "state": "APPROVED", "submittedAt": hour(review), "author": TARIQ}] if review else []
    )
    node = {
        "id": "PR_1",
        "fullDatabaseId": "1",
        "number": 1,
        "url": "https://github.com/acme/portal/pull/1",
        "state": "MERGED",
        "createdAt": hour(4),
        "updatedAt": hour(21),
        "publishedAt": hour(4),
        "mergedAt": hour(15),
        "closedAt": hour(15),
        "timelineItems": {"nodes": [{"id": "E_1", "__typename": "ReadyForReviewEvent", "createdAt": hour(6)}]},
        "author": MIRA,
        "baseRefName": "main",
        "mergeCommit": {"oid": "a1"},
        "reviews": {"nodes": reviews},
        "comments": {
            "totalCount": len(comments),
            "nodes": [
                {"fullDatabaseId": str(place), "createdAt": hour(at), "author": who}
                for place, (who, at) in enumerate(comments, start=1)
            ],
        },
    }
    about = {
        "databaseId": 7,
        "id": "R_7",
        "nameWithOwner": "acme/portal",
        "url": "https://github.com/acme/portal",
        "createdAt": hour(1),
        "defaultBranchRef": {"name": "main"},
    }
    source.store(
        [
            Page("github_repositories", [records.repository(about)]),
            Page("github_pull_requests", [records.pull_request(node, "7")]),
        ]
    )
    pipeline.transform()
    assert pipeline.rows("select first_review_at, comment_count from core.github_pull_requests") == [
        (datetime.fromisoformat(hour(expected)) if expected else None, len(comments))
    ]
    assert pipeline.rows("select first_review_at, is_reviewed from core.changes") == [
        (datetime.fromisoformat(hour(expected)) if expected else None, is_reviewed)
    ]


def test_comments_that_come_change_and_go_give_the_tables_of_a_full_read(
    db: TestDatabase, sandbox: SandboxServer
) -> None:
    stepwise = portal(db, sandbox)
    stepwise.extract(("github",))
    stepwise.transform()
    first = dict(stepwise.rows(FIRST))
    deeds = ("comment", "comment_alone", "delete_comment", "edit_comment", "review", "delete_comment")
    for number, deed in enumerate(deeds, start=1):
        sandbox.set_clock(str(NOON + number * timedelta(hours=1)))
        sandbox.mutate("acme", number, 9, actions=[deed], repository="portal")
        stepwise.extract(("github",))
        stepwise.transform()
    full = stepwise.copy_of(db, "full")
    full.extract(("github",))
    full.transform()
    assert stepwise.snapshot()["github_pull_requests"] == full.snapshot()["github_pull_requests"]
    assert stepwise.rows(FIRST) == full.rows(FIRST)
    last = dict(full.rows(FIRST))
    assert any(first[key] is None and last[key] for key in first), "a comment came"
    assert any(first[key] and last[key] != first[key] for key in first), "the first one went"


def test_a_pull_request_from_rest_has_the_same_comments(db: TestDatabase, sandbox: SandboxServer) -> None:
    sandbox.mutate("acme", 4, 1, actions=["comment_alone"], repository="portal")
    calm, broken = portal(db, sandbox, "calm"), portal(db, sandbox)
    calm.extract(("github",))
    kept = "select jsonb_array_length(payload -> 'firstComments') from raw.github_pull_requests order by upstream_updated_at desc"
    assert calm.rows(kept)[0][0] > WITH_A_PAGE
    sandbox.add_fault(path_regex="/github/", body_regex=r"query PullRequests\(", count=5, status=502)
    broken.extract(("github",))
    assert sum(1 for path in sandbox.counters()["calls"] if "/issues/" in path and path.endswith("/comments")) == 1
    assert broken.snapshot() == calm.snapshot()


def test_what_was_stored_without_comments_is_read_again_when_its_checkpoints_go(
    db: TestDatabase, sandbox: SandboxServer
) -> None:
    pipeline = portal(db, sandbox)
    pipeline.extract(("github",))
    whole = pipeline.snapshot()
    owner = db.connect("pulse_owner")
    owner.execute("update raw.github_pull_requests set payload = payload - 'firstComments', payload_hash = ''")
    owner.commit()
    assert pipeline.extract(("github",)).rows_written < 30
    owner.execute(FORGET)
    owner.commit()
    again = pipeline.extract(("github",))
    assert pipeline.snapshot() == whole
    assert again.rows_written == len(whole["github_pull_requests"])
    assert pipeline.extract(("github",)).rows_written == 0


FORGET = """
    alter table core.etl_checkpoints no force row level security;
    delete from core.etl_checkpoints where stream in ('pull_requests', 'pull_requests_with_files');
    update core.etl_checkpoints set cursor_data = cursor_data #- '{seen,pull_requests}' where stream = 'probe';
    alter table core.etl_checkpoints force row level security;
"""
FIRST = "select id, first_review_at from core.github_pull_requests order by 1"


def portal(db: TestDatabase, sandbox: SandboxServer, slug: str = "acme") -> Pipeline:
    """A client that reads acme/portal without its workflow runs."""
    pipeline = Pipeline.of(db, sandbox.url, "acme", slug=slug, repositories=["portal"])
    pipeline.integrations[0][0].config["workflow_runs"] = False
    return pipeline


def written(moment: datetime | None) -> str:
    """A time as GitHub writes it; what has not happened sorts last."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else "9999"


def rest(sandbox: SandboxServer, path: str) -> Any:
    """What REST returns below acme/portal."""
    headers = {"Authorization": "Bearer ghp_sandbox_acme"}
    return json.loads(requests.get(f"{sandbox.url}/github/repos/acme/portal/{path}", headers=headers, timeout=30).text)


def is_another(item: dict[str, Any], pull: dict[str, Any]) -> bool:
    """Whether a person other than the pull request's author wrote a comment or review, according to REST."""
    user, author = item["user"] or {}, pull["user"] or {}
    return user.get("type") != "Bot" and user.get("login") != author.get("login")


def hour(number: int) -> str:
    """An hour of one day, as GitHub writes it."""
    return f"2026-06-01T{number:02}:00:00Z"
