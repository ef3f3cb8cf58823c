"""Jira Cloud's REST API v3 over the world."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.model import Change, Issue, Site
from sandbox.state import State

ID_PAGE, FIELD_PAGE = 5000, 100
MULTI_VALUED = {"comment", "worklog", "attachment"}


def stamp(at: datetime) -> str:
    """A time as Jira writes it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}+0000"


class JiraApi:
    """One handler per endpoint; sites by slug."""

    def __init__(self, sites: dict[str, Site], state: State) -> None:
        self.sites = sites
        self.state = state

    async def handle(self, request: Request) -> Response:
        """Any request below /jira/<slug>/."""
        slug, path = request.path_params["slug"], request.path_params["path"].strip("/")
        site = self.sites.get(slug)
        if site is None:
            return _errors(404, "Site temporarily unavailable")
        if path == "_edge/tenant_info":
            return JSONResponse({"cloudId": f"sandbox-{slug}"})
        wanted = base64.b64encode(f"pulse@{slug}.example:jira_sandbox_{slug}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {wanted}":
            return Response("Client must be authenticated to access this resource.", 401, media_type="text/plain")
        body = await request.json() if request.method == "POST" else dict(request.query_params)
        handler = {
            "rest/api/3/serverInfo": self._server_info, "rest/api/3/myself": self._myself,
            "rest/api/3/project/search": self._projects, "rest/api/3/status": self._statuses,
            "rest/api/3/field": self._fields, "rest/api/3/search/jql": self._search,
            "rest/api/3/issue/bulkfetch": self._bulk_issues,
            "rest/api/3/changelog/bulkfetch": self._bulk_changelogs,
        }.get(path)  # fmt: skip
        if handler is not None:
            return handler(site, body)
        if path == "rest/api/3/search":
            return _errors(410, "The requested API has been removed. Please migrate to the /rest/api/3/search/jql API.")
        return _errors(404, "null for uri: " + path)

    def _server_info(self, site: Site, body: Any) -> Response:
        return JSONResponse({"baseUrl": f"https://{site.slug}.example", "version": "1001.0.0-SNAPSHOT",
                             "deploymentType": "Cloud", "serverTime": stamp(self.state.now())})  # fmt: skip

    def _myself(self, site: Site, body: Any) -> Response:
        return JSONResponse({"accountId": f"pulse-{site.slug}", "emailAddress": f"pulse@{site.slug}.example",
                             "displayName": "Pulse", "active": True, "timeZone": "Etc/UTC"})  # fmt: skip

    def _projects(self, site: Site, body: Any) -> Response:
        start, size = int(body.get("startAt", 0)), min(100, int(body.get("maxResults", 50)))
        part = site.projects[start : start + size]
        return JSONResponse({"startAt": start, "maxResults": size, "total": len(site.projects),
                             "isLast": start + len(part) >= len(site.projects), "values": part})  # fmt: skip

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
            found = self._matching(site, str(body.get("jql", "")))
        except ValueError as error:
            return _errors(400, str(error))
        start = int(base64.b64decode(body["nextPageToken"]).decode()) if body.get("nextPageToken") else 0
        part = found[start : start + size]
        last = start + len(part) >= len(found)
        answer: dict[str, Any] = {"issues": [self._issue(site, issue, fields) for issue in part], "isLast": last}
        if not last:
            answer["nextPageToken"] = base64.b64encode(str(start + len(part)).encode()).decode()
        return JSONResponse(answer)

    def _matching(self, site: Site, jql: str) -> list[Issue]:
        now = self.state.now()
        where, _, order = re.split(r"(?i)(\border by\b)", jql + " ORDER BY id ASC", maxsplit=1)[0:3]
        found = [issue for issue in site.issues if issue.created_at <= now]
        if not where.strip():
            raise ValueError(
                "Unbounded JQL queries are not allowed here. Please add a search restriction to your query."
            )
        for clause in re.split(r"(?i)\s+and\s+", where.strip()):
            found = [issue for issue in found if _clause(site, issue, clause.strip(), now)]
        if re.match(r"\s*updated", order, re.IGNORECASE):
            found.sort(key=lambda issue: issue.updated_at(now), reverse="desc" in order.lower())
        return found

    def _bulk_issues(self, site: Site, body: Any) -> Response:
        wanted = [str(item) for item in body.get("issueIdsOrKeys") or []]
        fields = body.get("fields") or []
        named = bool(fields) and not any(name.startswith("*") for name in fields) and not set(fields) & MULTI_VALUED
        limit = 1000 if named and not body.get("expand") else 100
        if not wanted or len(wanted) > limit:
            return _errors(400, f"The number of issues must be between 1 and {limit}.")
        now = self.state.now()
        by_name = {str(issue.id): issue for issue in site.issues if issue.created_at <= now}
        by_name |= {issue.key.upper(): issue for issue in by_name.values()}
        found = {by_name[name.upper()].id: by_name[name.upper()] for name in wanted if name.upper() in by_name}
        missing = [name for name in wanted if name.upper() not in by_name]
        return JSONResponse({
            "issues": [self._issue(site, issue, fields) for issue in sorted(found.values(), key=lambda i: i.id)],
            "issueErrors": [{"id": name, "errorMessage": "Issue does not exist or you do not have permission to see it."}
                            for name in missing],
        })  # fmt: skip

    def _bulk_changelogs(self, site: Site, body: Any) -> Response:
        wanted = {str(item) for item in body.get("issueIdsOrKeys") or []}
        if not 1 <= len(wanted) <= 1000:
            return _errors(400, "The number of issues must be between 1 and 1000.")
        size = max(1, min(10_000, int(body.get("maxResults", 1000))))
        now = self.state.now()
        entries = [
            (issue, change)
            for issue in site.issues if str(issue.id) in wanted or issue.key in wanted
            for change in issue.changes if change.at <= now
        ]  # fmt: skip
        start = int(base64.b64decode(body["nextPageToken"]).decode()) if body.get("nextPageToken") else 0
        part = entries[start : start + size]
        logs: dict[int, list[dict[str, Any]]] = {}
        for issue, change in part:
            logs.setdefault(issue.id, []).append(_change(change))
        answer: dict[str, Any] = {
            "issueChangeLogs": [{"issueId": str(key), "changeHistories": value} for key, value in logs.items()]
        }
        if start + len(part) < len(entries):
            answer["nextPageToken"] = base64.b64encode(str(start + len(part)).encode()).decode()
        return JSONResponse(answer)

    def _issue(self, site: Site, issue: Issue, fields: list[str]) -> dict[str, Any]:
        answer: dict[str, Any] = {"id": str(issue.id)}
        if set(fields) == {"id"}:
            return answer
        answer |= {"key": issue.key, "self": f"https://{site.slug}.example/rest/api/3/issue/{issue.id}"}
        everything = issue.recorded["fields"] if issue.recorded else self._fields_at(site, issue)
        chosen = (
            everything if "*all" in fields else {name: everything.get(name) for name in fields if name in everything}
        )
        return answer | {"fields": chosen}

    def _fields_at(self, site: Site, issue: Issue) -> dict[str, Any]:
        now = self.state.now()
        status, resolved = issue.first_status, None
        for change in issue.changes:
            if change.at <= now:
                for item in change.items:
                    if item.field == "status" and item.to_id:
                        status = item.to_id
                    if item.field == "resolution":
                        resolved = change.at if item.to_id else None
        project = next(p for p in site.projects if int(p["id"]) == issue.project_id)
        return {
            **issue.fields, "created": stamp(issue.created_at), "updated": stamp(issue.updated_at(now)),
            "status": next(s for s in site.statuses if s["id"] == status), "project": project,
            "resolutiondate": stamp(resolved) if resolved else None,
            "resolution": {"id": "10000", "name": "Done"} if resolved else None,
        }  # fmt: skip


def _clause(site: Site, issue: Issue, clause: str, now: datetime) -> bool:
    match = re.fullmatch(r"(?i)project\s*(?:=|in)\s*\(?([^)]*)\)?", clause)
    if match:
        names = {name.strip().strip("\"'").upper() for name in match[1].split(",")}
        project = next(p for p in site.projects if int(p["id"]) == issue.project_id)
        return str(issue.project_id) in names or project["key"].upper() in names
    match = re.fullmatch(r"(?i)(updated|created)\s*>=\s*(\d{9,}|[\"'].*[\"'])", clause)
    if match:
        value = match[2].strip("\"'")
        at = datetime.fromtimestamp(int(value) / 1000, UTC) if value.isdigit() else (
            datetime.fromisoformat(value.replace("/", "-")).replace(tzinfo=UTC))  # fmt: skip
        return (issue.updated_at(now) if match[1].lower() == "updated" else issue.created_at) >= at
    match = re.fullmatch(r"(?i)(?:id|key|issue)\s+in\s*\(([^)]*)\)", clause)
    if match:
        names = {name.strip().strip("\"'").upper() for name in match[1].split(",")}
        return str(issue.id) in names or issue.key.upper() in names
    raise ValueError(f"Error in the JQL Query: the sandbox does not know '{clause}'.")


def _change(change: Change) -> dict[str, Any]:
    return {
        "id": str(change.id), "created": int(change.at.timestamp() * 1000),
        "author": {"accountId": change.author, "displayName": change.author},
        "items": [
            {"field": i.field, "fieldtype": "jira", "fieldId": i.field_id, "from": i.from_id, "fromString": i.from_text,
             "to": i.to_id, "toString": i.to_text}
            for i in change.items
        ],
    }  # fmt: skip


def _errors(status: int, message: str) -> Response:
    return JSONResponse({"errorMessages": [message], "errors": {}}, status)
