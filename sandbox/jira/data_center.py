"""Jira Data Center's REST API v2, below /jira/<slug>/dc/."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse, Response

from sandbox.jira.search import change_json, issue_json, matching, stamp
from sandbox.state import State
from sandbox.world.model import Site

PAGE_CAP = 500
RATE_HEADERS = {
    "X-RateLimit-Limit": "100",
    "X-RateLimit-Remaining": "99",
    "X-RateLimit-FillRate": "10",
    "X-RateLimit-Interval-Seconds": "1",
    "Retry-After": "0",
}


class DataCenterApi:
    """One handler per endpoint."""

    def __init__(self, state: State) -> None:
        self.state = state

    def answer(self, site: Site, path: str, authorization: str | None, body: dict[str, Any]) -> Response:
        """Any request below /dc/, except the agile API."""
        if authorization != f"Bearer jira_sandbox_{site.slug}":
            return Response("Client must be authenticated to access this resource.", 401, media_type="text/plain")
        now = self.state.now()
        if path == "rest/api/2/serverInfo":
            found: Any = {
                "baseUrl": f"https://{site.slug}.example",
                "version": "10.3.5",
                "deploymentType": "Server",
                "serverTime": stamp(now),
            }
        elif path == "rest/api/2/project":
            found = site.projects
        elif path.startswith("rest/api/2/project/"):
            found = next((p for p in site.projects if path.endswith((f"/{p['id']}", f"/{p['key']}"))), None)
        elif path == "rest/api/2/status":
            found = site.statuses
        elif path == "rest/api/2/field":
            found = site.fields
        elif path == "rest/api/2/search":
            return self._search(site, body)
        else:
            found = None
        if found is None:
            return errors(404, f"null for uri: {path}")
        return JSONResponse(found, headers=RATE_HEADERS)

    def _search(self, site: Site, body: dict[str, Any]) -> Response:
        now = self.state.now()
        fields = body.get("fields") or ["*all"]
        fields = fields.split(",") if isinstance(fields, str) else fields
        size = max(0, min(PAGE_CAP, int(body.get("maxResults", 50))))
        start = int(body.get("startAt", 0))
        try:
            validate = str(body.get("validateQuery", "true")).lower() != "false"
            found = matching(site, str(body.get("jql", "")), now, self.state.search_lag_seconds, validate)
        except ValueError as error:
            return errors(400, str(error))
        issues = []
        for issue in found[start : start + size]:
            about = issue_json(site, issue, fields, now, cloud=False)
            if "changelog" in str(body.get("expand", "")):
                histories = [change_json(change, cloud=False) for change in issue.changes if change.at <= now]
                about["changelog"] = {
                    "startAt": 0,
                    "maxResults": len(histories),
                    "total": len(histories),
                    "histories": histories,
                }
            issues.append(about)
        answer = {"startAt": start, "maxResults": size, "total": len(found), "issues": issues}
        return JSONResponse(answer, headers=RATE_HEADERS)


def errors(status: int, message: str) -> Response:
    """A refusal as Jira words it."""
    return JSONResponse({"errorMessages": [message], "errors": {}}, status)
