"""A generic pager and deployment tool with the world's data, for custom sources.

The paths are /custom/<slug>/<pagination>/<deployments|incidents>, where pagination is none, page, offset, cursor or link.
The key custom_sandbox_<slug> is accepted as bearer token, as password (basic), in the header X-Api-Key or in the parameter
api_key. `updated_after` (ISO, or seconds or milliseconds since 1970) leaves out what has not changed since.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.state import State
from sandbox.world.model import Deployment, Issue, Organisation, Repository

LARGEST_PAGE = 200
OUTCOMES = {"SUCCESS": "ok", "FAILURE": "broken", "ERROR": "broken"}
Record = dict[str, Any]


class CustomApi:
    """One handler; organisations by the slug of their site."""

    def __init__(self, organisations: dict[str, Organisation], state: State) -> None:
        self.organisations = organisations
        self.state = state

    async def handle(self, request: Request) -> Response:
        """Any request below /custom/<slug>/."""
        slug = request.path_params["slug"]
        organisation = self.organisations.get(slug)
        if organisation is None:
            return JSONResponse({"error": "no such account"}, 404)
        if not _authorised(request, f"custom_sandbox_{slug}"):
            return JSONResponse({"error": "invalid key"}, 401)
        pagination, _, what = request.path_params["path"].strip("/").partition("/")
        if pagination not in PAGINATIONS or what not in ("deployments", "incidents"):
            return JSONResponse({"error": "not found"}, 404)
        now, read = self.state.now(), _deployments if what == "deployments" else _incidents
        records = self.state.once(organisation.login, ("custom", what), lambda: read(organisation, now))
        try:
            if "updated_after" in request.query_params:
                after = _moment(request.query_params["updated_after"])
                records = [one for one in records if _moment(one["updated_at"]) >= after]
            return PAGINATIONS[pagination](request, records, what)
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 400)


def _authorised(request: Request, key: str) -> bool:
    basic = base64.b64encode(f"pulse:{key}".encode()).decode()
    return (
        request.headers.get("authorization") in (f"Bearer {key}", f"Basic {basic}")
        or request.headers.get("x-api-key") == key
        or request.query_params.get("api_key") == key
    )


def _moment(value: str) -> datetime:
    if value.isdigit():
        return datetime.fromtimestamp(int(value) / (1000 if len(value) > 11 else 1), UTC)
    moment = datetime.fromisoformat(value)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _deployments(organisation: Organisation, now: datetime) -> list[Record]:
    """The deployments of all repositories in their present state, oldest first."""
    found = [
        _deployment(repository, deployment, now)
        for repository in organisation.repositories
        for deployment in repository.deployments
        if deployment.created_at <= now
    ]
    return sorted(found, key=lambda one: (str(one["started_at"]), int(one["id"])))


def _deployment(repository: Repository, deployment: Deployment, now: datetime) -> Record:
    ended = next((s for s in deployment.statuses if s.state in OUTCOMES and s.at <= now), None)
    return {
        "id": deployment.id,
        "service": {"name": repository.name, "team": None},
        "env": "prod" if deployment.environment == "production" else deployment.environment,
        "outcome": OUTCOMES[ended.state] if ended else "running",
        "commit": {"sha": deployment.oid, "branch": deployment.ref},
        "links": [{"rel": "log", "href": deployment.log_url}],
        "started_at": iso(deployment.created_at),
        "ended_at": iso(ended.at) if ended else None,
        "updated_at": iso(ended.at if ended else deployment.created_at),
    }


def _incidents(organisation: Organisation, now: datetime) -> list[Record]:
    """The incidents of the organisation's site in their present state, oldest first. Times are milliseconds since 1970."""
    if organisation.site is None:
        return []
    found = [
        issue
        for issue in organisation.site.issues
        if issue.created_at <= now and (issue.fields.get("issuetype") or {}).get("name") == "Incident"
    ]
    return [_incident(issue, now) for issue in sorted(found, key=lambda issue: (issue.created_at, issue.id))]


def _incident(issue: Issue, now: datetime) -> Record:
    resolved = None
    for change in issue.changes:
        for item in change.items:
            if item.field == "resolution" and change.at <= now:
                resolved = change.at if item.to_id else None
    return {
        "incident_id": f"Q{issue.id}",
        "number": issue.id,
        "reference": issue.key,
        "summary": issue.fields["summary"],
        "urgency": (issue.fields.get("priority") or {}).get("name"),
        "impacted": [{"component": component["name"]} for component in issue.fields.get("components") or []],
        "opened": _milliseconds(issue.created_at),
        "closed": _milliseconds(resolved) if resolved else None,
        "updated_at": issue.updated_at(now).astimezone(UTC).isoformat(),
    }


def iso(at: datetime) -> str:
    """A time without an offset, which means UTC, as in many tools."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds")


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _number(request: Request, name: str, default: int, smallest: int = 0) -> int:
    return max(smallest, int(request.query_params.get(name, default)))


def _size(request: Request, name: str) -> int:
    return min(LARGEST_PAGE, _number(request, name, 50, 1))


def _everything(request: Request, records: list[Record], what: str) -> Response:
    return JSONResponse({what: records})


def _page(request: Request, records: list[Record], what: str) -> Response:
    size, page = _size(request, "per_page"), _number(request, "page", 1, 1)
    return JSONResponse({"data": {what: records[(page - 1) * size : page * size]}, "total": len(records)})


def _offset(request: Request, records: list[Record], what: str) -> Response:
    size, offset = _size(request, "limit"), _number(request, "offset", 0)
    part = records[offset : offset + size]
    return JSONResponse({what: part, "offset": offset, "more": offset + len(part) < len(records)})


def _cursor(request: Request, records: list[Record], what: str) -> Response:
    """The offset in an opaque cursor; an invalid cursor is refused."""
    size = _size(request, "limit")
    given = request.query_params.get("cursor")
    offset = int(base64.urlsafe_b64decode(given).decode()) if given else 0
    part = records[offset : offset + size]
    more = offset + len(part) < len(records)
    following = base64.urlsafe_b64encode(str(offset + len(part)).encode()).decode() if more else None
    return JSONResponse({what: part, "meta": {"next_cursor": following}})


def _link(request: Request, records: list[Record], what: str) -> Response:
    """A bare list. The next address, which repeats all parameters, is in the Link header, and if `envelope` is requested also
    in the body as `next`."""
    size, page = _size(request, "per_page"), _number(request, "page", 1, 1)
    part = records[(page - 1) * size : page * size]
    following = str(request.url.include_query_params(page=page + 1)) if page * size < len(records) else None
    first = request.url.include_query_params(page=1)
    if "envelope" in request.query_params:
        return JSONResponse({what: part, "next": following})
    link = f'<{first}>; rel="first"' + (f', <{following}>; rel="next"' if following else "")
    return JSONResponse(part, headers={"Link": link})


PAGINATIONS = {"none": _everything, "page": _page, "offset": _offset, "cursor": _cursor, "link": _link}
