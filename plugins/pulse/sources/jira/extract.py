"""What is asked of Jira, in which order, until when.

Per project: the ids of what changed since the watermark (epoch milliseconds, so that no time zone matters, and without an
upper bound), then the issues, then their complete changelogs. The watermark is the server's clock at the start of the
sweep, less an overlap for Jira's eventually consistent search.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from pulse.errors import ConfigError, UpstreamError
from pulse.sources.base import Credential, Scope, Source, selected
from pulse.sources.jira import endpoints, records
from pulse.sources.jira.client import JiraClient
from pulse.warehouse.checkpoints import Checkpoint
from pulse.warehouse.loader import Page
from pulse.warehouse.runs import RunStats

OVERLAP = timedelta(minutes=10)


class JiraSource(Source):
    """Projects of a Jira Cloud site; per project its issues with their changelogs."""

    def connect(self, credential: Credential) -> None:
        self.jira = JiraClient(self.integration, credential, self.stats)

    def discover(self) -> list[Scope]:
        include = self.integration.config.get("projects") or ["*"]
        chosen = [project for project in self.jira.projects() if selected(project["key"], include)]
        if not chosen:
            raise ConfigError(
                client=self.integration.client_slug, source=self.integration.name,
                message=f"no project matches {include}", way_out="check 'projects' and what the token's owner may see",
            )  # fmt: skip
        self.store(
            [
                records.page_of("jira_statuses", self.jira.get(endpoints.STATUSES).body, records.status),
                records.page_of("jira_projects", chosen, records.project),
            ]
        )
        points = self._story_point_fields()
        return [Scope(str(project["id"]), project["key"], {"story_point_fields": points}) for project in chosen]

    def extract(self, scope: Scope) -> RunStats:
        """One sweep; an interrupted one goes on behind the last issue it stored (ids ascend)."""
        checkpoint = self.checkpoint("issues", scope.key)
        after_id = int(checkpoint.cursor.get("after_id", 0))
        ids, started_at = self._changed_ids(scope, checkpoint)
        started_at = checkpoint.cursor.get("started_at") or started_at
        todo = [issue_id for issue_id in ids if issue_id > after_id]
        for start in range(0, len(todo), endpoints.ISSUE_PAGE):
            batch = todo[start : start + endpoints.ISSUE_PAGE]
            issues = self._issues(scope, batch)
            changelogs = self._changelogs(issues)
            cursor = {"after_id": batch[-1], "started_at": started_at}
            self.store([issues, changelogs], [Checkpoint("issues", scope.key, checkpoint.watermark_at, cursor)])
        watermark = datetime.fromisoformat(started_at) - OVERLAP
        self.store([], [Checkpoint("issues", scope.key, watermark)])
        if checkpoint.cursor:
            return self.extract(scope)
        return self.finish()

    def _changed_ids(self, scope: Scope, checkpoint: Checkpoint) -> tuple[list[int], str]:
        """Ids of issues in the project that changed since the watermark, ascending, and the server's time at the start."""
        jql = f"project = {int(scope.key)}"
        if checkpoint.watermark_at:
            jql += f" AND updated >= {int(checkpoint.watermark_at.timestamp() * 1000)}"
        ids: set[int] = set()
        started_at = ""
        body = {"jql": f"{jql} ORDER BY id ASC", "fields": ["id"], "maxResults": endpoints.SEARCH_PAGE}
        for answer in self.jira.token_pages(endpoints.SEARCH, body, f"project {scope.label}"):
            started_at = started_at or answer.server_time.isoformat()
            ids.update(int(issue["id"]) for issue in answer.body["issues"])
        return sorted(ids), started_at

    def _issues(self, scope: Scope, ids: list[int]) -> Page:
        points: list[str] = scope.data.get("story_point_fields") or []
        fields = [*endpoints.ISSUE_FIELDS, *points]
        found: list[Any] = []
        size = endpoints.ISSUE_PAGE
        start = 0
        while start < len(ids):
            part = ids[start : start + size]
            try:
                body = self.jira.post(
                    endpoints.ISSUES, {"issueIdsOrKeys": [str(issue_id) for issue_id in part], "fields": fields}
                ).body
            except UpstreamError as error:
                # Some sites count labels or versions as multi-valued, and then allow 100 issues only (HTTP 400).
                if size == endpoints.ISSUE_PAGE_FALLBACK or "HTTP 400" not in str(error):
                    raise
                size = endpoints.ISSUE_PAGE_FALLBACK
                continue
            found += body["issues"]
            start += len(part)
        return records.page_of("jira_issues", found, lambda item: records.issue(item, points), scope.key)

    def _changelogs(self, issues: Page) -> Page:
        """The complete changelogs of a page's issues. (expand=changelog would keep only the newest 40 entries.)"""
        scope_of = {row.record_id: row.scope_key for row in issues.rows}
        page = Page("jira_changelogs")
        ids = sorted(scope_of, key=int)
        for start in range(0, len(ids), endpoints.CHANGELOG_ISSUES):
            part = ids[start : start + endpoints.CHANGELOG_ISSUES]
            for issue_id, entry in self._changelog_entries(part):
                scope_key = scope_of[issue_id]
                built = records.page_of(
                    "jira_changelogs", [entry],
                    partial(records.changelog, issue_id, scope_key=scope_key), scope_key,
                )  # fmt: skip
                page.rows.extend(built.rows)
                page.rejects.extend(built.rejects)
        return page

    def _changelog_entries(self, ids: list[str]) -> Iterator[tuple[str, Any]]:
        body = {"issueIdsOrKeys": ids, "maxResults": endpoints.CHANGELOG_PAGE}
        for answer in self.jira.token_pages(endpoints.CHANGELOGS, body, "changelogs"):
            for log in answer.body["issueChangeLogs"]:
                for entry in log["changeHistories"]:
                    yield str(log["issueId"]), entry

    def _story_point_fields(self) -> list[str]:
        """Ids of the fields that hold story points, found by name: their ids differ from site to site."""
        fields = self.jira.get(endpoints.FIELDS).body
        return sorted(
            str(field["id"])
            for field in fields
            if re.sub(r"\s+", " ", str(field.get("name", ""))).strip().lower() in endpoints.STORY_POINT_NAMES
        )
