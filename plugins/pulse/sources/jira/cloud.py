"""Jira Cloud: ids by the thousand, then issues and complete changelogs in bulk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from pulse.errors import TooMuch, UpstreamError
from pulse.sources.base import Scope
from pulse.sources.jira import endpoints
from pulse.sources.jira.client import JiraClient
from pulse.sources.jira.fields import CustomFields
from pulse.sources.jira.site import Batch, Sweep, add_changelog, add_issues, scopes_of


class Cloud:
    """A site of Jira Cloud."""

    STATUSES, FIELDS, PROJECT = endpoints.STATUSES, endpoints.FIELDS, endpoints.PROJECT

    def __init__(self, jira: JiraClient) -> None:
        self.jira = jira
        self.issue_page = endpoints.ISSUE_PAGE
        self.batch_size = endpoints.ISSUE_PAGE

    def projects(self) -> Iterable[dict[str, Any]]:
        return self.jira.offset_pages(endpoints.PROJECTS, "values", endpoints.PROJECT_PAGE)

    def sweep(self, scope: Scope, since: datetime | None, cursor: dict[str, Any]) -> Sweep:
        ids, started_at = self._list(scope, since)
        after = int(cursor.get("after_id", 0))
        todo = [str(one) for one in sorted(map(int, ids)) if one > after]
        return Sweep(started_at, self._batches(scope, todo), ids, complete=since is None)

    def ids(self, scope: Scope) -> set[str]:
        return self._list(scope, None)[0]

    def fetch(self, scope: Scope, ids: Iterable[str]) -> Batch:
        batch = Batch()
        todo, start = sorted(ids, key=int), 0
        while start < len(todo):
            part = todo[start : start + self.issue_page]
            body = self._bulk(scope, part)
            if body is None:
                self.issue_page = endpoints.ISSUE_PAGE_FALLBACK
                continue
            batch.refused.update(self._refused(scope, part, body))
            add_issues(batch, scope, body["issues"])
            start += len(part)
        self._add_changelogs(batch)
        return batch

    def _batches(self, scope: Scope, todo: list[str]) -> Iterator[Batch]:
        start = 0
        while start < len(todo):
            part = todo[start : start + self.batch_size]
            try:
                batch = self.fetch(scope, part)
            except TooMuch:
                if self.batch_size <= endpoints.SMALLEST_BATCH:
                    raise
                self.jira.http.forget(0)
                self.batch_size //= 4
                continue
            batch.cursor = {"after_id": int(part[-1])}
            start += len(part)
            yield batch

    def _list(self, scope: Scope, since: datetime | None) -> tuple[set[str], datetime]:
        """Ids of the project's issues that changed since a moment, and the server's time at the start."""
        jql = f"project = {int(scope.key)}"
        if since is not None:
            jql += f" AND updated >= {int(since.timestamp() * 1000)}"
        body = {"jql": f"{jql} ORDER BY id ASC", "fields": ["id"], "maxResults": endpoints.SEARCH_PAGE}
        ids: set[str] = set()
        started_at = None
        for response in self.jira.token_pages(endpoints.SEARCH, body, "issues", f"project {scope.label}"):
            started_at = started_at or response.server_time
            ids.update(str(int(issue["id"])) for issue in response.body["issues"])
            self.jira.http.forget(len(ids))
        assert started_at is not None
        return ids, started_at

    def _bulk(self, scope: Scope, ids: list[str]) -> Any:
        """The answer to one call; None if the site allows fewer issues per call."""
        fields = [*endpoints.ISSUE_FIELDS, *CustomFields.from_json(scope.data.get("custom_fields") or {}).ids()]
        try:
            return self.jira.post(endpoints.ISSUES, {"issueIdsOrKeys": ids, "fields": fields}).body
        except UpstreamError as error:
            # Some sites treat labels or versions as multi-valued fields, and then allow only 100 issues.
            if error.status != 400 or self.issue_page == endpoints.ISSUE_PAGE_FALLBACK:
                raise
            return None

    def _refused(self, scope: Scope, wanted: list[str], body: dict[str, Any]) -> dict[str, Any]:
        """Requested issues that are missing in the answer, with Jira's reason. Raises UpstreamError if it gives none."""
        refused = {str(error.get("id")): error for error in body.get("issueErrors") or []}
        got = {str(item.get("id")) for item in body["issues"] if isinstance(item, dict)}
        silent = [issue_id for issue_id in wanted if issue_id not in got and issue_id not in refused]
        if silent:
            raise self.jira.http.failure(
                f"Jira answered for only {len(got)} of {len(wanted)} issues of {scope.label} and did not say why"
            )
        return {issue_id: error for issue_id, error in refused.items() if issue_id in wanted}

    def _add_changelogs(self, batch: Batch) -> None:
        """Add the complete changelogs of a batch's issues. (expand=changelog would give only the newest 40 entries.)"""
        scopes = scopes_of(batch)
        ids = sorted(scopes, key=int)
        for start in range(0, len(ids), endpoints.CHANGELOG_ISSUES):
            for issue_id, entries in self._changelogs(ids[start : start + endpoints.CHANGELOG_ISSUES]):
                if issue_id not in scopes:
                    raise self.jira.http.failure(
                        f"Jira returned a changelog of issue {issue_id}, which was not requested"
                    )
                add_changelog(batch, issue_id, entries, scopes[issue_id])

    def _changelogs(self, ids: list[str]) -> Iterator[tuple[str, list[Any]]]:
        body = {"issueIdsOrKeys": ids, "maxResults": endpoints.CHANGELOG_PAGE}
        for response in self.jira.token_pages(endpoints.CHANGELOGS, body, "issueChangeLogs", "changelogs"):
            for log in response.body["issueChangeLogs"]:
                yield str(log["issueId"]), log["changeHistories"]
