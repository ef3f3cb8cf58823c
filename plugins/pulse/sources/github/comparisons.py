"""What deployed branches hold: one comparison with the default branch for each deployed commit that is not on it.

GraphQL does not show the history of other branches. Which commits are missing, the facts of the last run say; each is asked
for once, whatever the answer is.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from pulse.errors import AccessLost
from pulse.sources.base import Scope, Source, page_of
from pulse.sources.github import records
from pulse.sources.github.client import REST_PAGE, GitHubClient, Node
from pulse.sources.refusals import UNREAD_IN_A_ROW, HeavyPage

STREAM = "comparisons"
ENTITY = "github_comparisons"
LAST_PAGES = 3  # of a branch with more commits, the newest 200 to 300
PER_VISIT = 200

# Deployments to production whose content is not known. A commit that a later merge brought to the default branch is compared
# with what that branch was before the merge. One that has just been read with the history is placed in this run.
_WAITING = """
    select v.repository_id::text as scope, d.sha, min(before.sha) as base, max(d.finished_at) as finished_at
    from core.deployments d
    join core.services v on (v.client_id, v.id) = (d.client_id, d.service_id)
    left join core.commits c
      on (c.client_id, c.integration_id, c.repository_id, c.sha) = (d.client_id, v.integration_id, v.repository_id, d.sha)
    left join lateral (
        select m.parent_shas[1] as sha from core.commits m
        where (m.client_id, m.integration_id, m.repository_id, m.position)
            = (c.client_id, c.integration_id, c.repository_id, c.position)
          and m.is_first_parent
    ) before on true
    where d.client_id = %(client)s and v.integration_id = %(integration)s and d.contains_to is null
      and d.environment_tier = 'production' and d.result = 'success' and d.source <> 'merge'
      and d.sha ~ '^([0-9a-f]{40}|[0-9a-f]{64})$'
      and not exists (
          select from raw.github_comparisons r
          where (r.client_id, r.integration_id, r.record_id)
              = (d.client_id, v.integration_id, v.repository_id || ':' || d.sha))
      and not exists (
          select from raw.rejects r
          where r.client_id = d.client_id and r.integration_id = v.integration_id and r.entity = 'github_comparisons'
            and r.record_id = v.repository_id || ':' || d.sha and r.replayed_at is null)
      and (c.position is not null or not exists (
          select from raw.github_commits r
          where (r.client_id, r.integration_id, r.record_id)
              = (d.client_id, v.integration_id, v.repository_id || ':' || d.sha) and r.deleted_at is null))
    group by 1, 2
"""


def waiting(source: Source) -> set[str]:
    """The repositories with deployed commits that were not asked for yet."""
    return {row[0] for row in source.query(f"select distinct scope from ({_WAITING}) w")}


class Comparisons:
    """The deployed branches of one repository."""

    def __init__(self, source: Source, github: GitHubClient, scope: Scope) -> None:
        self.source = source
        self.github = github
        self.scope = scope

    def run(self) -> None:
        """Ask for what is missing, newest first; the next run asks for the rest."""
        found = self.source.query(
            f"select sha, base from ({_WAITING}) w where scope = %(scope)s order by finished_at desc, sha limit %(limit)s",
            scope=self.scope.key,
            limit=PER_VISIT,
        )
        head = self.scope.data["seen"].get("history")
        causes, in_a_row = [], 0
        for sha, base in found:
            error = self.github.http.tried(f"the commits of {sha[:12]}", partial(self._compare, base or head, sha))
            in_a_row = 0 if error is None else in_a_row + 1
            causes += [] if error is None else [error]
            if in_a_row > UNREAD_IN_A_ROW:
                break  # GitHub is in trouble, or the token may not read any
        if causes:
            self.source.stats.warn(
                f"{self.scope.label}: what {len(causes)} deployed commits hold could not be read, everything else was; the next"
                f" run asks again: {causes[0]}"
            )

    def _compare(self, base: str, sha: str) -> None:
        page = page_of(
            ENTITY,
            [{"oid": sha, **self._compared(base, sha)}],
            lambda one: records.comparison(one, self.scope.key),
            self.scope.key,
            lambda one: f"{self.scope.key}:{one['oid']}",
        )
        self.source.store([page])

    def _compared(self, base: str, sha: str) -> Node:
        """Where the branch of a commit began, and its commits since then; nothing if GitHub does not know it."""
        path = f"repos/{self.scope.label}/compare/{base}...{sha}"
        first = 1
        try:
            answer = self._page(path, first)
        except AccessLost:
            self.github.http.forget(0)
            return {"mergeBase": None, "total": 0, "commits": []}
        except HeavyPage:
            # Its first page also has the changed files, which may be too many.
            first = 2
            answer = self._page(path, first)
        total = int(answer["total_commits"])
        last = -(-total // REST_PAGE)
        pages = {first: answer["commits"]}
        for number in range(max(first + 1, last - LAST_PAGES + 1), last + 1):
            pages[number] = self._page(path, number)["commits"]
        commits = [commit for number in sorted(pages) if number > last - LAST_PAGES for commit in pages[number]]
        return {"mergeBase": answer["merge_base_commit"]["sha"], "total": total, "commits": commits}

    def _page(self, path: str, number: int) -> Any:
        return self.github.rest(path, heavy=number == 1, per_page=REST_PAGE, page=number).body
