"""What is asked of Jira, in which order, until when.

Per project: the ids of what changed since the watermark (epoch milliseconds, so that no time zone matters, and without an
upper bound), then the issues, then their complete changelogs. The watermark is the server's clock at the start of the
sweep, less an overlap for Jira's eventually consistent search.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from pulse.errors import ConfigError, UpstreamError
from pulse.sources.base import Credential, Scope, Source, page_of, selected
from pulse.sources.jira import endpoints, records
from pulse.sources.jira.client import JiraClient
from pulse.warehouse.checkpoints import Checkpoint
from pulse.warehouse.loader import Page, Reject
from pulse.warehouse.runs import RunStats

OVERLAP = timedelta(minutes=10)
STREAM = "issues"


class JiraSource(Source):
    """Projects of a Jira Cloud site; per project its issues with their changelogs."""

    def connect(self, credential: Credential) -> None:
        self.jira = JiraClient(self.integration, credential, self.stats)
        self.issue_page = endpoints.ISSUE_PAGE

    def discover(self) -> list[Scope]:
        include = self.integration.config.get("projects") or ["*"]
        chosen = [project for project in self.jira.projects() if selected(str(project.get("key")), include)]
        if not chosen:
            raise ConfigError(
                client=self.integration.client_slug, source=self.integration.name,
                message=f"no project matches {include}", way_out="check 'projects' and what the token's owner may see",
            )  # fmt: skip
        projects = page_of("jira_projects", chosen, records.project)
        statuses = page_of("jira_statuses", self.jira.get(endpoints.STATUSES).body, records.status)
        self.store([statuses, projects])
        fields = self._custom_fields()
        return [Scope(row.record_id, row.payload["key"], {"custom_fields": fields}) for row in projects.rows]

    def rebuild(self, entity: str, payload: Any, scope_key: str) -> Page:
        if isinstance(payload, dict) and "errorMessage" in payload:  # Jira's own refusal: there is nothing to read
            reason = f"Jira: {payload['errorMessage']}"
            return Page(entity, rejects=[Reject(str(payload.get("id")), scope_key, json.dumps(payload), reason)])
        if entity == "jira_issues":
            custom = self._custom_fields()
            return page_of(entity, [payload], lambda item: records.issue(item, custom), scope_key)
        if entity == "jira_changelogs":
            return page_of(
                entity, [payload], lambda item: records.history(item, scope_key), scope_key, records.history_id
            )
        return page_of(entity, [payload], records.BUILDERS[entity], scope_key)

    def extract(self, scope: Scope) -> RunStats:
        """One sweep; an interrupted one goes on behind the last issue it stored (ids ascend), and is followed by
        another, for the issues that changed since it began."""
        while True:
            checkpoint = self.checkpoint(STREAM, scope.key)
            self._sweep(scope, checkpoint)
            if not checkpoint.cursor:
                return self.finish()

    def _sweep(self, scope: Scope, checkpoint: Checkpoint) -> None:
        after_id = int(checkpoint.cursor.get("after_id", 0))
        ids, now = self._changed_ids(scope, checkpoint)
        started_at = checkpoint.cursor.get("started_at") or now
        todo = [issue_id for issue_id in ids if issue_id > after_id]
        for start in range(0, len(todo), endpoints.ISSUE_PAGE):
            batch = todo[start : start + endpoints.ISSUE_PAGE]
            issues = self._issues(scope, batch)
            cursor = {"after_id": batch[-1], "started_at": started_at}
            self.store(
                [issues, self._changelogs(issues)], [Checkpoint(STREAM, scope.key, checkpoint.watermark_at, cursor)]
            )
        self.store([], [Checkpoint(STREAM, scope.key, datetime.fromisoformat(started_at) - OVERLAP)])

    def _changed_ids(self, scope: Scope, checkpoint: Checkpoint) -> tuple[list[int], str]:
        """Ids of issues in the project that changed since the watermark, ascending, and the server's time at the start."""
        jql = f"project = {int(scope.key)}"
        if checkpoint.watermark_at:
            jql += f" AND updated >= {int(checkpoint.watermark_at.timestamp() * 1000)}"
        ids: set[int] = set()
        started_at = ""
        body = {"jql": f"{jql} ORDER BY id ASC", "fields": ["id"], "maxResults": endpoints.SEARCH_PAGE}
        for answer in self.jira.token_pages(endpoints.SEARCH, body, "issues", f"project {scope.label}"):
            started_at = started_at or answer.server_time.isoformat()
            ids.update(int(issue["id"]) for issue in answer.body["issues"])
        return sorted(ids), started_at

    def _issues(self, scope: Scope, ids: list[int]) -> Page:
        custom: dict[str, list[str]] = scope.data.get("custom_fields") or {}
        fields = [*endpoints.ISSUE_FIELDS, *(name for names in custom.values() for name in names)]
        page = Page("jira_issues")
        start = 0
        while start < len(ids):
            part = [str(issue_id) for issue_id in ids[start : start + self.issue_page]]
            try:
                body = self.jira.post(endpoints.ISSUES, {"issueIdsOrKeys": part, "fields": fields}).body
            except UpstreamError as error:
                # Some sites count labels or versions as multi-valued, and then allow 100 issues only.
                if error.status != 400 or self.issue_page == endpoints.ISSUE_PAGE_FALLBACK:
                    raise
                self.issue_page = endpoints.ISSUE_PAGE_FALLBACK
                continue
            built = page_of("jira_issues", body["issues"], lambda item: records.issue(item, custom), scope.key)
            page.rows.extend(built.rows)
            page.rejects.extend([*built.rejects, *self._withheld(scope, part, body)])
            start += len(part)
        return page

    def _withheld(self, scope: Scope, wanted: list[str], body: dict[str, Any]) -> list[Reject]:
        """Issues that the search named and the fetch does not give: told with a reason, or (never seen) without a word."""
        refused = {str(e.get("id")): e for e in body.get("issueErrors") or []}
        got = {str(item.get("id")) for item in body["issues"]}
        silent = [issue_id for issue_id in wanted if issue_id not in got and issue_id not in refused]
        if silent:
            raise self.jira.http.failure(
                f"Jira answers for {len(got)} of {len(wanted)} issues of {scope.label} and does not say why"
            )
        return [
            Reject(issue_id, scope.key, json.dumps(error), f"Jira: {error.get('errorMessage') or 'not given'}")
            for issue_id, error in refused.items()
        ]

    def _changelogs(self, issues: Page) -> Page:
        """The complete changelogs of a page's issues. (expand=changelog would keep only the newest 40 entries.)"""
        scope_of = {row.record_id: row.scope_key for row in issues.rows}
        page = Page("jira_changelogs")
        ids = sorted(scope_of, key=int)
        for start in range(0, len(ids), endpoints.CHANGELOG_ISSUES):
            for issue_id, entries in self._changelog_entries(ids[start : start + endpoints.CHANGELOG_ISSUES]):
                if issue_id not in scope_of:
                    raise self.jira.http.failure(f"Jira gives a changelog of issue {issue_id}, which was not asked for")
                page_of_issue = self._changelog_page(issue_id, entries, scope_of[issue_id])
                page.rows.extend(page_of_issue.rows)
                page.rejects.extend(page_of_issue.rejects)
        return page

    def _changelog_page(self, issue_id: str, entries: list[Any], scope_key: str) -> Page:
        return page_of(
            "jira_changelogs", [{"issueId": issue_id, "history": entry} for entry in entries],
            lambda item: records.history(item, scope_key), scope_key, records.history_id,
        )  # fmt: skip

    def _changelog_entries(self, ids: list[str]) -> Iterator[tuple[str, list[Any]]]:
        body = {"issueIdsOrKeys": ids, "maxResults": endpoints.CHANGELOG_PAGE}
        for answer in self.jira.token_pages(endpoints.CHANGELOGS, body, "issueChangeLogs", "changelogs"):
            for log in answer.body["issueChangeLogs"]:
                yield str(log["issueId"]), log["changeHistories"]

    def _custom_fields(self) -> dict[str, list[str]]:
        """Ids of the custom fields that are used, by what they mean."""
        named: dict[str, list[str]] = {}
        for field in self.jira.get(endpoints.FIELDS).body:
            name = re.sub(r"\s+", " ", str(field.get("name", ""))).strip().lower()
            named.setdefault(name, []).append(str(field["id"]))
        return {
            meaning: sorted(field_id for name in names for field_id in named.get(name, []))
            for meaning, names in endpoints.CUSTOM_FIELDS.items()
        }


SOURCE = JiraSource
