"""Jira Cloud's REST endpoint: address, authentication, pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import requests

from pulse.errors import AuthError, ConfigError, Where
from pulse.sources.base import Credential, Integration
from pulse.sources.http import Answer, Auth, HttpClient, TokenAuth, shown
from pulse.sources.jira import endpoints
from pulse.warehouse.runs import RunStats

GATEWAY_HOST = "api.atlassian.com"
EMPTY_PAGES = 3


class JiraClient:
    """Calls one Jira site. A scoped token needs the gateway address as base_url (…/ex/jira/<cloud id>) and is a bearer
    token when no e-mail address is given."""

    def __init__(self, integration: Integration, credential: Credential, stats: RunStats) -> None:
        self.base_url = integration.base_url.rstrip("/")
        self.by_gateway = urlsplit(self.base_url).hostname == GATEWAY_HOST
        self.where: Where = {"client": integration.client_slug, "source": integration.name}
        auth = self._auth(credential, integration.connection_id)
        self.http = HttpClient(auth, **self.where, stats=stats, headers={})

    def _auth(self, credential: Credential, connection_id: str) -> Auth:
        if not credential.login and not self.by_gateway:
            raise ConfigError(
                **self.where, message="the Connection has no login",
                way_out=f"set the e-mail address of the token's owner as login of {connection_id}",
            )  # fmt: skip
        return TokenAuth(credential.token, credential.login or None)

    def get(self, path: str, **params: Any) -> Answer:
        """A GET below the base URL."""
        return self._call("GET", path, params=params)

    def post(self, path: str, body: dict[str, Any]) -> Answer:
        """A POST below the base URL."""
        return self._call("POST", path, json=body)

    def _call(self, method: str, path: str, **kwargs: Any) -> Answer:
        try:
            return self.http.call(method, f"{self.base_url}/{path}", resource=path, **kwargs)
        except AuthError as error:
            cloud_id = self._cloud_id() if error.status == 401 and not self.by_gateway else None
            if cloud_id is None:
                raise
            raise AuthError(
                **self.where, message=f"the token is refused (HTTP 401 from {shown(self.base_url)})", status=401,
                way_out="renew the token in the Airflow Connection; if it is a token with scopes, set base_url to "
                f"https://{GATEWAY_HOST}/ex/jira/{cloud_id}",
            ) from error  # fmt: skip

    def _cloud_id(self) -> str | None:
        """The site's id, which it tells anybody; None when it does not."""
        try:
            found = requests.get(f"{self.base_url}/{endpoints.TENANT}", timeout=10).json()
        except (requests.RequestException, ValueError):
            return None
        return str(found["cloudId"]) if isinstance(found, dict) and found.get("cloudId") else None

    def projects(self) -> Iterator[dict[str, Any]]:
        """Every project that the token sees."""
        start = 0
        while True:
            body = self.get(endpoints.PROJECTS, startAt=start, maxResults=endpoints.PROJECT_PAGE).body
            yield from body["values"]
            start += len(body["values"])
            if body.get("isLast", True) or not body["values"]:
                return

    def token_pages(self, path: str, body: dict[str, Any], items: str, what: str) -> Iterator[Answer]:
        """The pages of a call that is continued by nextPageToken; `items` is the list in each.

        A repeated token, or empty pages that go on, raise UpstreamError: Jira is known to loop, and would never end.
        """
        seen: set[str] = set()
        request, empty = dict(body), 0
        while True:
            answer = self.post(path, request)
            if not isinstance(answer.body, dict) or not isinstance(answer.body.get(items), list):
                raise self.http.failure(f"the answer about {what} holds no {items}")
            yield answer
            token = answer.body.get("nextPageToken")
            if not token or answer.body.get("isLast") is True:
                return
            empty = 0 if answer.body[items] else empty + 1
            if token in seen or empty == EMPTY_PAGES:
                raise self.http.failure(f"Jira repeats a page of {what} without end")
            seen.add(token)
            request["nextPageToken"] = token
