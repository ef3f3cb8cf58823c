"""The world is the same for the same seed, changes over time, and is visible only to its owner."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from itertools import combinations
from typing import Any

import pytest
import requests

from sandbox.world.generate import generate
from sandbox.world.profiles import ACME, TECHCORP
from tests.conftest import SandboxServer

PULLS = """query($after: String) { repository(owner: "acme", name: "portal") {
  pullRequests(first: 100, after: $after, orderBy: {field: UPDATED_AT, direction: DESC}) {
    totalCount pageInfo { hasNextPage endCursor } nodes { number state updatedAt } } } }"""


def ask(sandbox: SandboxServer, query: str, token: str = "ghp_sandbox_acme", **variables: Any) -> requests.Response:
    return requests.post(
        f"{sandbox.url}/github/graphql",
        json={"query": query, "variables": variables},
        headers={"Authorization": f"Bearer {token}"},
        timeout=30,
    )


def jira(
    sandbox: SandboxServer, path: str, body: dict[str, Any] | None = None, slug: str = "acme"
) -> requests.Response:
    auth = (f"pulse@{slug}.example", f"jira_sandbox_{slug}")
    url = f"{sandbox.url}/jira/{slug}/rest/api/3/{path}"
    return requests.post(url, json=body, auth=auth, timeout=30) if body else requests.get(url, auth=auth, timeout=30)


def test_the_same_seed_gives_the_same_world() -> None:
    one, two = (generate(ACME, date(2026, 6, 30)) for _ in range(2))
    assert one == two
    assert generate(ACME, date(2026, 6, 30), seed=8) != one


def test_the_companies_differ_and_follow_their_profiles() -> None:
    now = datetime(2026, 6, 30, tzinfo=UTC)
    for profile, per_week in ((TECHCORP, (15, 60)), (ACME, (2, 12))):
        company = generate(profile, now.date())
        deployments = [
            d
            for r in company.repositories
            for d in r.deployments
            if d.environment == "production" and d.created_at <= now
        ]
        weekly = len(deployments) / (18 * 4.35)
        assert per_week[0] < weekly < per_week[1], profile.login
        weekdays = Counter(d.created_at.weekday() for d in deployments)
        assert weekdays[5] + weekdays[6] < 0.15 * len(deployments)


def test_pages_are_complete_and_in_order(sandbox: SandboxServer) -> None:
    seen: list[tuple[str, int]] = []
    after = None
    while True:
        page = ask(sandbox, PULLS, after=after).json()["data"]["repository"]["pullRequests"]
        seen += [(node["updatedAt"], node["number"]) for node in page["nodes"]]
        if not page["pageInfo"]["hasNextPage"]:
            break
        after = page["pageInfo"]["endCursor"]
    assert len(seen) == len(set(seen)) == page["totalCount"] > 150
    assert [at for at, _ in seen] == sorted((at for at, _ in seen), reverse=True)


def test_only_what_has_happened_is_visible(sandbox: SandboxServer) -> None:
    totals = []
    for now in ("2025-03-01T00:00:00+00:00", "2025-09-01T00:00:00+00:00", "2026-06-30T00:00:00+00:00"):
        sandbox.set_clock(now)
        page = ask(sandbox, PULLS).json()["data"]["repository"]["pullRequests"]
        totals.append(page["totalCount"])
        assert all(node["updatedAt"] <= now for node in page["nodes"])
    assert totals == sorted(totals)
    assert totals[0] < totals[-1]


@pytest.mark.parametrize("token", ["ghp_sandbox_techcorp", "ghp_sandbox_nobody", ""])
def test_a_token_sees_its_own_organisation_only(sandbox: SandboxServer, token: str) -> None:
    answer = ask(sandbox, PULLS, token)
    if token == "ghp_sandbox_techcorp":
        assert answer.json()["data"]["repository"] is None
        assert answer.json()["errors"][0]["type"] == "NOT_FOUND"
    else:
        assert answer.status_code == 401
        assert answer.json()["message"] == "Bad credentials"


def test_pages_over_a_hundred_are_refused(sandbox: SandboxServer) -> None:
    answer = ask(sandbox, PULLS.replace("first: 100", "first: 101"))
    assert answer.json()["errors"][0]["type"] == "EXCESSIVE_PAGINATION"


def test_rate_limit_headers_count_down(sandbox: SandboxServer) -> None:
    first, second = (int(ask(sandbox, PULLS).headers["x-ratelimit-remaining"]) for _ in range(2))
    assert second == first - 1


def test_a_repeated_question_is_answered_from_the_present_world(sandbox: SandboxServer) -> None:
    query = PULLS.replace("query($after: String) {", "query($after: String) { rateLimit { remaining cost }")
    first, again = (ask(sandbox, query).json()["data"] for _ in range(2))
    assert again["repository"] == first["repository"]
    assert again["rateLimit"] == {"remaining": first["rateLimit"]["remaining"] - 1, "cost": 1}
    answers = [first["repository"]]
    for seed in (1, 2):
        sandbox.mutate("acme", seed, steps=40, repository="portal")
        answers.append(ask(sandbox, query).json()["data"]["repository"])
        sandbox.reset()
        assert ask(sandbox, query).json()["data"]["repository"] == first["repository"]
    assert all(one != other for one, other in combinations(answers, 2))


def test_jiras_search_returns_ids_by_the_thousand_and_fields_by_the_hundred(sandbox: SandboxServer) -> None:
    body = {"jql": "project = ACM ORDER BY id ASC", "maxResults": 5000}
    ids = jira(sandbox, "search/jql", {**body, "fields": ["id"]}).json()
    assert len(ids["issues"]) > 300
    assert ids["isLast"]
    some = jira(sandbox, "search/jql", {**body, "fields": ["summary"]}).json()
    assert len(some["issues"]) == 100
    assert some["nextPageToken"]
    assert jira(sandbox, "search/jql", {"jql": "ORDER BY id"}).status_code == 400
    assert jira(sandbox, "search").status_code == 410


def test_jiras_epoch_filter_needs_no_time_zone(sandbox: SandboxServer) -> None:
    since = int(datetime(2026, 6, 1, tzinfo=UTC).timestamp() * 1000)
    body = {"jql": f"project = ACM AND updated >= {since}", "fields": ["id"], "maxResults": 5000}
    found = [issue["id"] for issue in jira(sandbox, "search/jql", body).json()["issues"]][:100]
    assert found
    fetched = jira(sandbox, "issue/bulkfetch", {"issueIdsOrKeys": found, "fields": ["updated", "status"]}).json()
    assert len(fetched["issues"]) == len(found)
    assert all(issue["fields"]["updated"] >= "2026-06-01" for issue in fetched["issues"])


def test_bulk_calls_keep_jiras_limits(sandbox: SandboxServer) -> None:
    many = [str(n) for n in range(1001)]
    assert jira(sandbox, "issue/bulkfetch", {"issueIdsOrKeys": many, "fields": ["summary"]}).status_code == 400
    assert jira(sandbox, "issue/bulkfetch", {"issueIdsOrKeys": many[:101], "fields": ["comment"]}).status_code == 400
    gone = jira(sandbox, "issue/bulkfetch", {"issueIdsOrKeys": many[:3], "fields": ["summary"]}).json()
    assert gone == {"issues": [], "issueErrors": []}
    assert jira(sandbox, "changelog/bulkfetch", {"issueIdsOrKeys": many}).status_code == 400
