"""The default branch's commits, read newest first until every parent of a stored commit is stored too.

If the branch only grew, one or two pages reach the stored commits. After a force push, new commits are read down to the
first known one, and commits that can no longer be reached are marked as deleted.
"""

from __future__ import annotations

import json
import logging
from datetime import datetime
from typing import Any, LiteralString

from pulse.sources.base import Scope, Source, page_of
from pulse.sources.github import queries, records
from pulse.sources.github.answers import BadShape, connection_in
from pulse.sources.github.client import GitHubClient, StaleCursor
from pulse.sources.github.walk import repository_of
from pulse.warehouse.checkpoints import Checkpoint
from pulse.warehouse.loader import Page, Reject

log = logging.getLogger(__name__)
STREAM = "history"

_KNOWN = """
    select split_part(record_id, ':', 2) from raw.github_commits
    where client_id = %(client)s and integration_id = %(integration)s and record_id = any(%(wanted)s)
      and deleted_at is null
"""
_MISSING_PARENTS = """
    select distinct parent
    from raw.github_commits c, jsonb_array_elements_text(c.payload -> 'parents') parent
    where c.client_id = %(client)s and c.integration_id = %(integration)s and c.scope_key = %(scope)s
      and c.deleted_at is null
      and not exists (
          select from raw.github_commits p
          where p.client_id = %(client)s and p.integration_id = %(integration)s
            and p.record_id = %(scope)s || ':' || parent and p.deleted_at is null)
"""
_UNREACHABLE = """
    with recursive reached (record_id, parents) as (
        select record_id, payload -> 'parents' from raw.github_commits
        where client_id = %(client)s and integration_id = %(integration)s and record_id = %(head)s
        union
        select c.record_id, c.payload -> 'parents'
        from reached r
        cross join jsonb_array_elements_text(r.parents) parent
        join raw.github_commits c
          on c.client_id = %(client)s and c.integration_id = %(integration)s
         and c.record_id = %(scope)s || ':' || parent
    )
    select record_id from raw.github_commits c
    where client_id = %(client)s and integration_id = %(integration)s and scope_key = %(scope)s and deleted_at is null
      and not exists (select from reached r where r.record_id = c.record_id)
"""


class History:
    """The default branch of one repository. The checkpoint's cursor holds the head that was read, or where to resume."""

    def __init__(self, source: Source, github: GitHubClient, scope: Scope) -> None:
        self.source = source
        self.github = github
        self.scope = scope

    def run(self) -> None:
        """Read what is new. After an interrupted walk, which may have started at an older head, read once more."""
        while True:
            checkpoint = self.source.checkpoint(STREAM, self.scope.key)
            self._read(checkpoint)
            if "after" not in checkpoint.cursor:
                return

    def _read(self, checkpoint: Checkpoint) -> None:
        old_head, after = checkpoint.cursor.get("head"), checkpoint.cursor.get("after")
        new_head = checkpoint.cursor.get("new_head")
        missing = self._first_column(_MISSING_PARENTS) if after else set()
        seen: set[str] = set()
        while True:
            try:
                answer = self.github.ask_sized(
                    queries.HISTORY,
                    self.scope.label,
                    queries.PAGES,
                    bare=queries.HISTORY_BARE,
                    check=self._checked,
                    id=self.scope.data["node_id"],
                    after=after,
                )
            except StaleCursor:
                if after is None:
                    raise self.github.http.failure("GitHub refuses the first page of the history") from None
                after, new_head, missing = None, None, self._first_column(_MISSING_PARENTS)
                continue
            branch = self._checked(answer.data)
            if branch is None:
                return  # an empty repository
            new_head = new_head or branch["target"]["oid"]
            history = connection_in(branch["target"], "history")
            page = self._page(history["nodes"], answer.instead)
            missing = self._still_missing(page, missing)
            seen |= _mentioned(page)
            if not missing or not history["pageInfo"]["hasNextPage"]:
                rewritten = not missing and old_head is not None and old_head not in seen
                self._finish(page, new_head, rewritten, answer.response.server_time)
                return
            after = history["pageInfo"]["endCursor"]
            cursor = {"head": old_head, "new_head": new_head, "after": after}
            self.source.store([page], [Checkpoint(STREAM, self.scope.key, checkpoint.watermark_at, cursor)])

    def _checked(self, data: dict[str, Any]) -> dict[str, Any] | None:
        """The default branch in an answer; None if the repository is empty. Raises BadShape."""
        repository = repository_of(self.source, self.scope, data)
        if "defaultBranchRef" not in repository:
            raise BadShape("GitHub's answer does not say what the default branch is")
        branch = repository["defaultBranchRef"]
        target = branch.get("target") if isinstance(branch, dict) else None
        if branch is not None and not (isinstance(target, dict) and isinstance(target.get("oid"), str)):
            raise BadShape("GitHub's answer does not say which commit the default branch is at")
        if target is not None:
            connection_in(target, "history")
        return branch if isinstance(branch, dict) else None

    def _finish(self, page: Page, new_head: str, rewritten: bool, now: datetime) -> None:
        """Store the last page. `rewritten`: the previous head was not among what was read."""
        pages = [page]
        if rewritten:
            self.source.store([page])
            gone = sorted(self._first_column(_UNREACHABLE, head=f"{self.scope.key}:{new_head}"))
            if gone:
                log.warning(
                    "client %s: the history of %s was rewritten: %d commits are no longer on its default branch",
                    self.source.integration.client_slug,
                    self.scope.label,
                    len(gone),
                )
            pages = [Page("github_commits", gone=gone)]
        self.source.store(pages, [Checkpoint(STREAM, self.scope.key, now, {"head": new_head})])

    def _page(self, nodes: list[Any], instead: str | None) -> Page:
        """Commits as a page. `instead`: only their places in the chain could be read; what else came, is kept as a reject."""
        page = page_of(
            "github_commits",
            nodes,
            lambda node: records.commit(node, self.scope.key),
            self.scope.key,
            lambda node: f"{self.scope.key}:{node['oid']}",
        )
        if instead is not None:
            reason = "GitHub's answer about this commit cannot be read; it is stored without its message"
            page.rejects.extend(
                Reject(row.record_id, self.scope.key, json.dumps({**row.payload, "answer": instead}), reason)
                for row in page.rows
            )
        return page

    def _still_missing(self, page: Page, missing: set[str]) -> set[str]:
        """The parents that are still in neither the table nor this page."""
        here = {row.payload["oid"] for row in page.rows}
        wanted = (missing | {parent for row in page.rows for parent in row.payload["parents"]}) - here
        if not wanted:
            return set()
        return wanted - self._first_column(_KNOWN, wanted=[f"{self.scope.key}:{oid}" for oid in wanted])

    def _first_column(self, query: LiteralString, **params: Any) -> set[str]:
        return {row[0] for row in self.source.query(query, scope=self.scope.key, **params)}


def _mentioned(page: Page) -> set[str]:
    return {row.payload["oid"] for row in page.rows} | {oid for row in page.rows for oid in row.payload["parents"]}
