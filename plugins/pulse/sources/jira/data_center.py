"""Jira Data Center (and Server): search by keyset, with the complete changelogs in the same answers.

Each page asks for ids after the last issue rather than by startAt, so no page shifts when issues change during the walk.
Jira compares ids by the issues' keys. If the last issue read is deleted or moved to another project, the walk would
therefore end early. To notice that, each answer's total is compared with what the answer before had left. If it is too
small, the walk starts again (what is already stored is not written again).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from pulse.errors import UpstreamError
from pulse.sources.base import Scope
from pulse.sources.http import JsonResponse
from pulse.sources.jira import endpoints
from pulse.sources.jira.client import JiraClient
from pulse.sources.jira.fields import CustomFields
from pulse.sources.jira.site import Batch, Sweep, add_changelog, add_issues, id_of, ids_of, scopes_of, unread
from pulse.sources.refusals import HeavyPage

BEGINNINGS = 4
INCOMPLETE = "Jira returned the issue without its complete history; the entries that came are stored"
UNREAD = "_unread"  # in the place of an issue's fields: the text that came instead


class DataCenter:
    """A Data Center or Server instance."""

    STATUSES, FIELDS, PROJECT = endpoints.DC_STATUSES, endpoints.DC_FIELDS, endpoints.DC_PROJECT

    def __init__(self, jira: JiraClient) -> None:
        self.jira = jira
        self.size = endpoints.DC_PAGE

    def projects(self, lost: list[str]) -> Iterable[dict[str, Any]]:
        return self.jira.whole_list(endpoints.DC_PROJECTS, lost)

    def sweep(self, scope: Scope, since: datetime | None, cursor: dict[str, Any]) -> Sweep:
        ids: set[str] = set()
        pages = self._walk(scope, since, cursor, self._fields(scope), endpoints.DC_PAGE)
        response, place = next(pages)
        complete = since is None and not cursor.get("after_id")
        return Sweep(response.server_time, self._batches(scope, response, place, pages, ids), ids, complete)

    def ids(self, scope: Scope) -> set[str]:
        ids: set[str] = set()
        for response, _ in self._walk(scope, None, {}, None, endpoints.DC_ID_PAGE):
            ids |= ids_of(response.body["issues"])
            self.jira.http.forget(len(ids))
        if "" in ids:
            raise self.jira.http.failure(f"Jira lists an issue of {scope.label} without an id")
        return ids

    def fetch(self, scope: Scope, ids: Iterable[str]) -> Batch:
        batch = Batch()
        todo = sorted(ids, key=int)
        for start in range(0, len(todo), endpoints.DC_IDS):
            left = todo[start : start + endpoints.DC_IDS]
            while left:
                # Without validation, because one id that is gone would make the whole query fail.
                jql = f"id in ({', '.join(left)})"
                body = self._search(jql, self._fields(scope), len(left), validateQuery="false").body
                self._add(batch, scope, body["issues"])
                got = ids_of(body["issues"]) - {""}
                left = [one for one in left if one not in got]
                if len(got) >= int(body["total"]):
                    reason = "the issue does not exist or is not visible"
                    batch.refused.update({one: {"id": one, "errorMessage": reason} for one in left})
                    break
                if not got:
                    raise self.jira.http.failure(
                        f"Jira ends the search for issues of {scope.label} before its last page"
                    )
        return batch

    def _batches(
        self,
        scope: Scope,
        response: JsonResponse,
        place: dict[str, Any],
        pages: Iterator[tuple[JsonResponse, dict[str, Any]]],
        ids: set[str],
    ) -> Iterator[Batch]:
        while True:
            batch = Batch(cursor=place)
            self._add(batch, scope, response.body["issues"])
            ids |= ids_of(response.body["issues"]) - {""}
            if response.body["issues"]:
                yield batch
            found = next(pages, None)
            if found is None:
                return
            response, place = found

    def _walk(
        self, scope: Scope, since: datetime | None, cursor: dict[str, Any], fields: list[str] | None, size: int
    ) -> Iterator[tuple[JsonResponse, dict[str, Any]]]:
        """Pages of the project's issues, each with the cursor after it: the last issue, and how many are still to come."""
        where = f"project = {int(scope.key)}"
        if since is not None:
            where += f" AND updated >= {int(since.timestamp() * 1000)}"
        after, left, beginnings = int(cursor.get("after_id", 0)), int(cursor.get("left", 0)), 1
        while True:
            response = self._behind(where, after, fields, size)
            total = int(response.body["total"]) if response is not None else -1
            if response is None or total < left:
                beginnings += 1
                if beginnings > BEGINNINGS or not after:
                    raise self.jira.http.failure(f"the issues of {scope.label} change faster than they can be listed")
                after = left = 0
                continue
            issues = response.body["issues"]
            if not issues and total:
                raise self.jira.http.failure(f"Jira ends the search in {scope.label} before its last page")
            # A page may be shorter than requested, because the server has its own cap. Only the total shows the end.
            left = total - len(issues)
            known = [int(one) for one in map(id_of, issues) if one]
            if issues and not known:
                raise self.jira.http.failure(f"Jira lists issues of {scope.label} without ids")
            after = known[-1] if known else after
            yield response, {"after_id": after, "left": left}
            if left <= 0:
                return

    def _behind(self, where: str, after: int, fields: list[str] | None, size: int) -> JsonResponse | None:
        """The page after an issue; None if Jira no longer knows that issue."""
        jql = f"{where} AND id > {after}" if after else where
        try:
            return self._search(f"{jql} ORDER BY id ASC", fields, size)
        except UpstreamError as error:
            if error.status != 400 or not after:
                raise
            return None

    def _search(self, jql: str, fields: list[str] | None, size: int, **params: Any) -> JsonResponse:
        """One search, with changelogs if fields are requested; a smaller one if the server does not answer in time."""
        if fields is not None:
            params["expand"] = "changelog"
        while True:
            wanted = min(size, self.size) if fields is not None else size
            try:
                response = self.jira.get(
                    endpoints.DC_SEARCH,
                    heavy=True,
                    jql=jql,
                    startAt=0,
                    maxResults=wanted,
                    fields=",".join(fields or ["id"]),
                    **params,
                )
            except HeavyPage as error:
                self.jira.http.forget(0)
                if wanted > 1:
                    self.size = size = max(1, wanted // 2)
                    continue
                if fields is None:
                    raise self.jira.http.failure("Jira does not answer a search for even one issue") from None
                # Its id is known without its fields; the walk goes on behind it.
                bare = self._search(jql, None, 1, **{**params, "expand": ""})
                text = error.text or "Jira does not answer for this issue, even alone"
                issues = [{"id": id_of(one), UNREAD: text} for one in bare.body["issues"]]
                return replace(bare, body={**bare.body, "issues": issues})
            if response.body is None:  # HTTP 204
                response = replace(response, body={"issues": [], "total": 0})
            body = response.body
            if not isinstance(body, dict) or not isinstance(body.get("issues"), list) or "total" not in body:
                raise self.jira.http.failure("the answer to the search contains no issues or no total")
            return response

    def _fields(self, scope: Scope) -> list[str]:
        return [*endpoints.ISSUE_FIELDS, *CustomFields.from_json(scope.data.get("custom_fields") or {}).ids()]

    def _add(self, batch: Batch, scope: Scope, issues: list[Any]) -> None:
        part = Batch()
        lost = [issue for issue in issues if isinstance(issue, dict) and UNREAD in issue]
        batch.issues.rejects.extend(unread(issue["id"], scope.key, issue[UNREAD]) for issue in lost)
        issues = [issue for issue in issues if issue not in lost]
        add_issues(part, scope, issues)
        scopes = scopes_of(part)
        batch.issues.rows.extend(part.issues.rows)
        batch.issues.rejects.extend(part.issues.rejects)
        for issue in filter(lambda item: isinstance(item, dict), issues):
            issue_id = str(issue.get("id"))
            if issue_id in scopes:
                _add_history(batch, issue_id, issue.get("changelog"), scopes[issue_id])


def _add_history(batch: Batch, issue_id: str, changelog: Any, scope_key: str) -> None:
    """Add an issue's history. Where Jira gives less than it counts, the rest is a reject: the next run asks again."""
    answer = changelog if isinstance(changelog, dict) else {}
    entries, total = answer.get("histories"), answer.get("total")
    found = entries if isinstance(entries, list) else []
    add_changelog(batch, issue_id, found, scope_key)
    if found is not entries or (isinstance(total, int) and len(found) < total):
        reject = unread(issue_id, scope_key, json.dumps({**answer, "histories": f"{len(found)} entries"}))
        batch.changelogs.rejects.append(replace(reject, reason=INCOMPLETE))
