"""Jira Cloud's REST API v3, and the agile API of Cloud and Data Center."""

from __future__ import annotations

import base64
import re
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.jira.agile import board_sprints, boards, sprint_json
from sandbox.jira.data_center import DataCenterApi, errors
from sandbox.jira.search import change_json, issue_json, matching, stamp
from sandbox.state import State
from sandbox.world.model import Site

ID_PAGE, FIELD_PAGE = 5000, 100
AGILE = "rest/agile/1.0/"


class JiraApi:
    """One handler per endpoint; sites by slug."""

    def __init__(self, sites: dict[str, Site], state: State) -> None:
        self.sites = sites
        self.state = state
        self.data_center = DataCenterApi(state)

    async def handle(self, request: Request) -> Response:
        """Any request below /jira/<slug>/."""
        slug, path = request.path_params["slug"], request.path_params["path"].strip("/")
        site = self.sites.get(slug)
        if site is None:
            return errors(404, "Site temporarily unavailable")
        body = await request.json() if request.method == "POST" else dict(request.query_params)
        authorization = request.headers.get("authorization")
        if path.startswith("dc/"):
            path = path.removeprefix("dc/")
            if path.startswith(AGILE) and authorization == f"Bearer jira_sandbox_{slug}":
                return self._agile(site, path.removeprefix(AGILE), body, cloud=False)
            return self.data_center.answer(site, path, authorization, body)
        if path == "_edge/tenant_info":
            return JSONResponse({"cloudId": f"sandbox-{slug}"})
        wanted = base64.b64encode(f"pulse@{slug}.example:jira_sandbox_{slug}".encode()).decode()
        if authorization != f"Basic {wanted}":
            return Response("Client must be authenticated to access this resource.", 401, media_type="text/plain")
        if path.startswith(AGILE):
            return self._agile(site, path.removeprefix(AGILE), body, cloud=True)
        handler = {
            "rest/api/2/serverInfo": self._server_info,
            "rest/api/3/serverInfo": self._server_info,
            "rest/api/3/myself": self._myself,
            "rest/api/3/project/search": self._projects,
            "rest/api/3/status": self._statuses,
            "rest/api/3/field": self._fields,
            "rest/api/3/search/jql": self._search,
            "rest/api/3/issue/bulkfetch": self._bulk_issues,
            "rest/api/3/changelog/bulkfetch": self._bulk_changelogs,
        }.get(path)
        if handler is not None:
            return handler(site, body)
        if match := re.fullmatch(r"rest/api/3/issue/(\d+)/changelog", path):
            return self._changelog(site, int(match[1]), body)
        if path.startswith("rest/api/3/project/"):
            found = [p for p in site.projects if path.endswith((f"/{p['id']}", f"/{p['key']}"))]
            return JSONResponse(found[0]) if found else errors(404, "No project could be found.")
        if path == "rest/api/3/search":
            return errors(410, "The requested API has been removed. Please migrate to the /rest/api/3/search/jql API.")
        return errors(404, "null for uri: " + path)

    def _server_info(self, site: Site, body: Any) -> Response:
        return JSONResponse(
            {
                "baseUrl": f"https://{site.slug}.example",
                "version": "1001.0.0-SNAPSHOT",
                "deploymentType": "Cloud",
                "serverTime": stamp(self.state.now()),
            }
        )

    def _myself(self, site: Site, body: Any) -> Response:
        return JSONResponse(
            {
                "accountId": f"pulse-{site.slug}",
                "emailAddress": f"pulse@{site.slug}.example",
                "displayName": "Pulse",
                "active": True,
                "timeZone": "Etc/UTC",
            }
        )

    def _projects(self, site: Site, body: Any) -> Response:
        start, size = int(body.get("startAt", 0)), min(100, int(body.get("maxResults", 50)))
        part = site.projects[start : start + size]
        return JSONResponse(
            {
                "startAt": start,
                "maxResults": size,
                "total": len(site.projects),
                "isLast": start + len(part) >= len(site.projects),
                "values": part,
            }
        )

    def _statuses(self, site: Site, body: Any) -> Response:
        return JSONResponse(site.statuses)

    def _fields(self, site: Site, body: Any) -> Response:
        return JSONResponse(site.fields)

    def _search(self, site: Site, body: Any) -> Response:
        fields = body.get("fields") or ["id"]
        fields = fields.split(",") if isinstance(fields, str) else fields
        limit = ID_PAGE if set(fields) <= {"id", "key"} else FIELD_PAGE
        size = max(1, min(limit, int(body.get("maxResults", 50))))
        try:
            found = matching(site, str(body.get("jql", "")), self.state.now(), self.state.search_lag_seconds)
        except ValueError as error:
            return errors(400, str(error))
        start = int(base64.b64decode(body["nextPageToken"]).decode()) if body.get("nextPageToken") else 0
        part = found[start : start + size]
        last = start + len(part) >= len(found)
        if self.state.repeat_page_tokens:  # as Jira was seen to do: the same page again and again
            last, part, start = False, found[:size], 0
        issues = [issue_json(site, issue, fields, self.state.now()) for issue in part]
        answer: dict[str, Any] = {"issues": issues, "isLast": last}
        if not last:
            answer["nextPageToken"] = base64.b64encode(str(start + len(part)).encode()).decode()
        return JSONResponse(answer)

    def _bulk_issues(self, site: Site, body: Any) -> Response:
        wanted = [str(item) for item in body.get("issueIdsOrKeys") or []]
        fields = body.get("fields") or []
        if not 1 <= len(wanted) <= 100:
            return errors(400, "The number of issues must be between 1 and 100.")
        now = self.state.now()
        by_name = {str(issue.id): issue for issue in site.issues if issue.created_at <= now}
        by_name |= {issue.key.upper(): issue for issue in by_name.values()}
        found = {by_name[name.upper()].id: by_name[name.upper()] for name in wanted if name.upper() in by_name}
        # As the real one: issues that are gone, or may not be seen, are left out and not named.
        issues = [issue_json(site, one, fields, now) for one in sorted(found.values(), key=lambda one: one.id)]
        return JSONResponse({"issues": issues, "issueErrors": []})

    def _bulk_changelogs(self, site: Site, body: Any) -> Response:
        wanted = {str(item) for item in body.get("issueIdsOrKeys") or []}
        if not 1 <= len(wanted) <= 1000:
            return errors(400, "The number of issues must be between 1 and 1000.")
        size = max(1, min(10_000, int(body.get("maxResults", 1000))))
        now = self.state.now()
        entries = [
            (issue, change)
            for issue in site.issues
            if str(issue.id) in wanted or issue.key in wanted
            for change in issue.changes
            if change.at <= now
        ]
        start = int(base64.b64decode(body["nextPageToken"]).decode()) if body.get("nextPageToken") else 0
        part = entries[start : start + size]
        logs: dict[int, list[dict[str, Any]]] = {}
        for issue, change in part:
            logs.setdefault(issue.id, []).append(change_json(change))
        answer: dict[str, Any] = {
            "issueChangeLogs": [{"issueId": str(key), "changeHistories": value} for key, value in logs.items()]
        }
        if start + len(part) < len(entries):
            answer["nextPageToken"] = base64.b64encode(str(start + len(part)).encode()).decode()
        return JSONResponse(answer)

    def _changelog(self, site: Site, issue_id: int, body: Any) -> Response:
        """One issue's history, oldest first. Unlike the bulk answer, it writes times as text."""
        issue = next((one for one in site.issues if one.id == issue_id), None)
        if issue is None:
            return errors(404, "Issue does not exist or you do not have permission to see it.")
        seen = [change for change in issue.changes if change.at <= self.state.now()]
        values = [change_json(change) | {"created": stamp(change.at)} for change in seen]
        start, size = int(body.get("startAt", 0)), min(100, int(body.get("maxResults", 100)))
        last = start + size >= len(values)
        part = values[start : start + size]
        return JSONResponse(
            {"startAt": start, "maxResults": size, "total": len(values), "isLast": last, "values": part}
        )

    def _agile(self, site: Site, path: str, body: Any, cloud: bool) -> Response:
        """Boards and sprints. The recorded site has no Jira Software."""
        if any(issue.recorded for issue in site.issues[:1]):
            return errors(404, "null for uri: " + path)
        now = self.state.now()
        if path == "board":
            return _paged(boards(site, cloud), body)
        if match := re.fullmatch(r"board/(\d+)", path):
            found = [board for board in boards(site, cloud) if board["id"] == int(match[1])]
            return (
                JSONResponse(found[0]) if found else errors(404, "Board does not exist or you do not have permission.")
            )
        if match := re.fullmatch(r"board/(\d+)/sprint", path):
            sprints = board_sprints(site, int(match[1]), now)
            if sprints is None:
                return errors(400, "The board does not support sprints")
            states = set(filter(None, str(body.get("state", "")).split(",")))
            return _paged([sprint_json(one, now) for one in sprints if not states or one.state(now) in states], body)
        if match := re.fullmatch(r"sprint/(\d+)", path):
            there = [one for p in site.projects for one in board_sprints(site, int(p["id"]) * 10 + 1, now) or []]
            answer = [sprint_json(one, now) for one in there if one.id == int(match[1])]
            return JSONResponse(answer[0]) if answer else errors(404, "Sprint does not exist.")
        return errors(404, "null for uri: " + path)


def _paged(items: list[dict[str, Any]], body: Any) -> Response:
    start, size = int(body.get("startAt", 0)), min(50, int(body.get("maxResults", 50)))
    part = items[start : start + size]
    return JSONResponse(
        {"startAt": start, "maxResults": size, "isLast": start + len(part) >= len(items), "values": part}
    )
