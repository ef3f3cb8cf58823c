"""Jira Cloud's REST endpoint: address, authentication, pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import requests

from pulse.errors import ConfigError, UpstreamError, Where
from pulse.sources.base import Credential, Integration
from pulse.sources.http import Answer, HttpClient
from pulse.sources.jira import endpoints
from pulse.warehouse.runs import RunStats

GATEWAY_HOST = "api.atlassian.com"


class JiraClient:
    """Calls one Jira site. A scoped token needs the gateway address as base_url (…/ex/jira/<cloud id>) and is a bearer
    token when no e-mail address is given."""

    def __init__(self, integration: Integration, credential: Credential, stats: RunStats) -> None:
        self.base_url = integration.base_url.rstrip("/")
        self.where: Where = {"client": integration.client_slug, "source": integration.name}
        session = requests.Session()
        session.headers.update({"Accept": "application/json", "User-Agent": "pulse"})
        if credential.login:
            session.auth = (credential.login, credential.token)
        elif urlsplit(self.base_url).hostname == GATEWAY_HOST:
            session.headers["Authorization"] = f"Bearer {credential.token}"
        else:
            raise ConfigError(
                **self.where, message="the Connection has no login",
                way_out=f"set the e-mail address of the token's owner as login of {integration.connection_id}",
            )  # fmt: skip
        self.http = HttpClient(session, integration.client_slug, integration.name, stats)

    def get(self, path: str, **params: Any) -> Answer:
        """A GET below the base URL."""
        return self.http.call("GET", f"{self.base_url}/{path}", params=params)

    def post(self, path: str, body: dict[str, Any]) -> Answer:
        """A POST below the base URL."""
        return self.http.call("POST", f"{self.base_url}/{path}", json=body)

    def projects(self) -> Iterator[dict[str, Any]]:
        """Every project that the token sees."""
        start = 0
        while True:
            body = self.get(endpoints.PROJECTS, startAt=start, maxResults=endpoints.PROJECT_PAGE).body
            yield from body["values"]
            start += len(body["values"])
            if body.get("isLast", True) or not body["values"]:
                return

    def token_pages(self, path: str, body: dict[str, Any], what: str) -> Iterator[Answer]:
        """The pages of a call that is continued by nextPageToken. A repeated token raises UpstreamError: Jira is known
        to loop, and going on would never end."""
        seen: set[str] = set()
        request = dict(body)
        while True:
            answer = self.post(path, request)
            yield answer
            token = answer.body.get("nextPageToken")
            if not token or answer.body.get("isLast") is True:
                return
            if token in seen:
                raise UpstreamError(**self.where, message=f"Jira repeats a page of {what} without end",
                                    way_out="the task is retried from its checkpoint")  # fmt: skip
            seen.add(token)
            request["nextPageToken"] = token
