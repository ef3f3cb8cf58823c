"""Jira Cloud: ids by the thousand, then issues and complete changelogs in bulk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pulse.errors import AccessLost, AuthError, TooMuch, UpstreamError
from pulse.sources.base import Scope
from pulse.sources.jira import endpoints
from pulse.sources.jira.client import UNREAD_PAGE, JiraClient
from pulse.sources.jira.fields import CustomFields
from pulse.sources.jira.site import Batch, Sweep, add_changelog, add_issues, ids_of, scopes_of, unread
from pulse.sources.refusals import REFUSED_TOKEN, UNREAD_IN_A_ROW, HeavyPage

NOT_BY_CHANCE = 10  # so many issues are not all deleted between two calls
UNREADABLE_ENTRY = (
    "Jira's answer about an entry of this issue's history cannot be read, even alone; the others are stored"
)
LEFT_OUT = "Jira left the issue out: it is gone, or this account may not see it"


class Cloud:
    """A site of Jira Cloud."""

    STATUSES, FIELDS, PROJECT = endpoints.STATUSES, endpoints.FIELDS, endpoints.PROJECT

    def __init__(self, jira: JiraClient) -> None:
        self.jira = jira
        self.batch_size = endpoints.BATCH
        self.unread_in_a_row = 0

    def projects(self, lost: list[str]) -> Iterable[dict[str, Any]]:
        return self.jira.offset_pages(endpoints.PROJECTS, "values", endpoints.PROJECT_PAGE, lost)

    def sweep(self, scope: Scope, since: datetime | None, cursor: dict[str, Any]) -> Sweep:
        ids, started_at, unlisted = self._list(scope, since)
        complete = since is None and "" not in ids and unlisted is None
        ids.discard("")
        after = int(cursor.get("after_id", 0))
        todo = [str(one) for one in sorted(map(int, ids)) if one > after]
        return Sweep(started_at, self._batches(scope, todo), ids, complete, unlisted)

    def ids(self, scope: Scope) -> set[str]:
        ids, _, unlisted = self._list(scope, None)
        if unlisted is not None:
            raise unlisted
        if "" in ids:
            raise self.jira.http.failure(f"Jira lists an issue of {scope.label} without an id")
        return ids

    def fetch(self, scope: Scope, ids: Iterable[str]) -> Batch:
        return self._fetch(scope, ids, listed=False)

    def _fetch(self, scope: Scope, ids: Iterable[str], *, listed: bool) -> Batch:
        """`listed`: Jira has just listed these issues, so it has to answer for some of them."""
        batch = Batch()
        todo = sorted(ids, key=int)
        for start in range(0, len(todo), endpoints.ISSUE_PAGE):
            part = todo[start : start + endpoints.ISSUE_PAGE]
            self._add_issues(batch, scope, part)
            if listed and len(part) >= NOT_BY_CHANCE and batch.refused.keys() >= set(part):
                raise self.jira.http.failure(
                    f"Jira lists {len(part)} issues of {scope.label}, answers for none of them and did not say why"
                )
        self._add_changelogs(batch)
        return batch

    def _batches(self, scope: Scope, todo: list[str]) -> Iterator[Batch]:
        start = 0
        while start < len(todo):
            part = todo[start : start + self.batch_size]
            try:
                batch = self._fetch(scope, part, listed=True)
            except TooMuch:
                if self.batch_size <= endpoints.SMALLEST_BATCH:
                    raise
                self.jira.http.forget(0)
                self.batch_size //= 4
                continue
            batch.cursor = {"after_id": int(part[-1])}
            start += len(part)
            yield batch

    def _list(self, scope: Scope, since: datetime | None) -> tuple[set[str], datetime, UpstreamError | None]:
        """Ids of the project's issues that changed since a moment, the server's time at the start, and why some are missing.

        Each page names the next one. So behind one that cannot be read at all, the list is read from its other end.
        """
        jql = f"project = {int(scope.key)}"
        if since is not None:
            jql += f" AND updated >= {int(since.timestamp() * 1000)}"
        what = f"the list of issues of {scope.label}"
        ids: set[str] = set()
        started_at = None
        for order in ("ASC", "DESC"):
            unlisted = None
            body = {"jql": f"{jql} ORDER BY id {order}", "fields": ["id"], "maxResults": endpoints.SEARCH_PAGE}
            try:
                for response in self.jira.token_pages(endpoints.SEARCH, body, "issues", f"project {scope.label}"):
                    started_at = started_at or response.server_time
                    if response.body["issues"] == UNREAD_PAGE:
                        unlisted = self.jira.http.unreadable(what, HeavyPage())
                    else:
                        ids.update(ids_of(response.body["issues"]))
                    self.jira.http.forget(len(ids))
                return ids, started_at or datetime.now(UTC), unlisted
            except HeavyPage as error:
                self.jira.http.forget(len(ids))
                unlisted = self.jira.http.unreadable(what, error)
        assert unlisted is not None
        if started_at is None:
            raise unlisted
        return ids, started_at, unlisted

    def _add_issues(self, batch: Batch, scope: Scope, wanted: list[str]) -> None:
        """Read these issues into a batch. An issue that Jira leaves out even when asked for it alone is refused.

        Jira does not name issues that are gone or hidden from this account: it leaves them out. It may also answer for fewer
        issues than asked, so the others are asked for again, together while that brings any, then each by itself.
        """
        answer = self._bulk(batch, scope, wanted)
        if answer is None:
            return
        refused = {str(error.get("id")): error for error in answer.get("issueErrors") or [] if isinstance(error, dict)}
        batch.refused.update({one: error for one, error in refused.items() if one in wanted})
        add_issues(batch, scope, answer["issues"])
        got = {str(item.get("id")) for item in answer["issues"] if isinstance(item, dict)}
        silent = [one for one in wanted if one not in got and one not in refused]
        if len(wanted) == 1 and silent:
            batch.refused[wanted[0]] = {"id": wanted[0], "errorMessage": LEFT_OUT}
        elif len(silent) < len(wanted):
            if silent:
                self._add_issues(batch, scope, silent)
        else:
            for one in silent:
                self._add_issues(batch, scope, [one])

    def _bulk(self, batch: Batch, scope: Scope, wanted: list[str]) -> dict[str, Any] | None:
        """The answer to one call. Raises UpstreamError when it has no list of issues.

        None: it could not be read, so the issues were read in smaller parts, down to one, which becomes a reject.
        """
        fields = [*endpoints.ISSUE_FIELDS, *CustomFields.from_json(scope.data.get("custom_fields") or {}).ids()]
        request = {"issueIdsOrKeys": wanted, "fields": fields}
        try:
            body = self.jira.post(endpoints.ISSUES, request, heavy=True).body
        except HeavyPage as error:
            self.jira.http.forget(0)
            if len(wanted) > 1:
                self._add_issues(batch, scope, wanted[: len(wanted) // 2])
                self._add_issues(batch, scope, wanted[len(wanted) // 2 :])
                return None
            self.unread_in_a_row += 1
            if error.text and self.unread_in_a_row <= UNREAD_IN_A_ROW:
                batch.issues.rejects.append(unread(wanted[0], scope.key, error.text))
                return None
            try:
                body = self.jira.post(endpoints.ISSUES, request).body
            except TooMuch:
                raise
            except UpstreamError as failure:
                if not self._answers(wanted[0]):
                    raise
                batch.issues.rejects.append(unread(wanted[0], scope.key, error.text or str(failure)))
                self.unread_in_a_row = 0
                return None
        self.unread_in_a_row = 0
        if body is None:  # HTTP 204
            body = {"issues": []}
        if not isinstance(body, dict) or not isinstance(body.get("issues"), list):
            raise self.jira.http.failure(f"Jira's answer for issues of {scope.label} has no list of issues")
        return body

    def _answers(self, issue_id: str) -> bool:
        """Whether Jira answers for an issue without what people write: then it is its content that cannot be read."""
        request = {"issueIdsOrKeys": [issue_id], "fields": ["created"]}
        try:
            return isinstance(self.jira.post(endpoints.ISSUES, request, heavy=True).body, dict)
        except (HeavyPage, UpstreamError):
            return False

    def _add_changelogs(self, batch: Batch) -> None:
        """Add the complete changelogs of a batch's issues. (expand=changelog would give only the newest 40 entries.)"""
        scopes = scopes_of(batch)
        ids = sorted(scopes, key=int)
        for start in range(0, len(ids), endpoints.CHANGELOG_ISSUES):
            self._add_part(batch, scopes, ids[start : start + endpoints.CHANGELOG_ISSUES])

    def _add_part(self, batch: Batch, scopes: dict[str, str], ids: list[str]) -> None:
        """Add the changelogs of these issues; of fewer at a time if an answer cannot be read."""
        found: list[tuple[str, list[Any]]] = []
        try:
            found.extend(self._changelogs(ids))
            if unasked := {issue_id for issue_id, _ in found} - scopes.keys():
                raise LookupError(f"a changelog of an issue that was not requested: {min(unasked)}")
        except (HeavyPage, LookupError, TypeError):
            self.jira.http.forget(0)
            if len(ids) == 1:
                self._add_alone(batch, ids[0], scopes[ids[0]])
                return
            self._add_part(batch, scopes, ids[: len(ids) // 2])
            self._add_part(batch, scopes, ids[len(ids) // 2 :])
            return
        for issue_id, entries in found:
            add_changelog(batch, issue_id, entries, scopes[issue_id])

    def _changelogs(self, ids: list[str]) -> Iterator[tuple[str, list[Any]]]:
        body = {"issueIdsOrKeys": ids, "maxResults": endpoints.CHANGELOG_PAGE}
        for response in self.jira.token_pages(endpoints.CHANGELOGS, body, "issueChangeLogs", "changelogs"):
            for log in response.body["issueChangeLogs"]:
                yield str(log["issueId"]), list(log["changeHistories"] or ())

    def _add_alone(self, batch: Batch, issue_id: str, scope_key: str) -> None:
        """Add an issue's changelog entry by entry where the bulk answer cannot be read; what cannot be read then is a reject,
        and the next run asks for the issue again."""
        lost: list[str] = []
        path = endpoints.CHANGELOG.format(issue_id)
        try:
            add_changelog(
                batch, issue_id, self.jira.offset_pages(path, "values", endpoints.ALONE_PAGE, lost), scope_key
            )
        except (UpstreamError, AccessLost, AuthError) as error:
            if error.status == REFUSED_TOKEN:
                raise
            self.jira.http.forget(0)
            lost.append(str(error))
        if lost:
            reject = replace(unread(issue_id, scope_key, "\n".join(lost)), reason=UNREADABLE_ENTRY)
            batch.changelogs.rejects.append(reject)
