"""A Jira site's REST endpoint: address, authentication, and whether Cloud or Data Center answers there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from pulse.errors import AuthError, ConfigError, PulseError, Where
from pulse.sources import bounds
from pulse.sources.base import Credential, Integration
from pulse.sources.http import HttpClient, JsonResponse, TokenAuth
from pulse.sources.jira import endpoints
from pulse.sources.refusals import UNREAD_IN_A_ROW, HeavyPage, redacted
from pulse.sources.salvage import salvage
from pulse.warehouse.runs import RunStats

GATEWAY_HOST = "api.atlassian.com"
CLOUD_DOMAIN = ".atlassian.net"
CLOUD, DATA_CENTER = "cloud", "data_center"
EMPTY_PAGES = 3
UNREAD_PAGE = [None]  # the list of a page of which only the name of the next one can be read


class JiraClient:
    """Calls one Jira site.

    Without a login, the token is sent as a bearer token: that is for Data Center's personal access tokens and for Cloud's
    scoped tokens, which need the gateway address as base_url (…/ex/jira/<cloud id>).
    """

    def __init__(self, integration: Integration, credential: Credential, stats: RunStats) -> None:
        self.base_url = integration.base_url.rstrip("/")
        host = urlsplit(self.base_url).hostname or ""
        self.by_gateway = host == GATEWAY_HOST
        self.where: Where = {"client": integration.client_slug, "source": integration.name}
        self.connection_id = integration.connection_id
        self.has_login = bool(credential.login)
        self.known_edition = CLOUD if self.by_gateway or host.endswith(CLOUD_DOMAIN) else None
        if self.known_edition == CLOUD:
            self._require_login()
        auth = TokenAuth(credential.token, credential.login or None)
        self.http = HttpClient(auth, **self.where, stats=stats, headers={})

    def edition(self) -> str:
        """CLOUD or DATA_CENTER: judged by the address, or else by what the server says about itself (asked once)."""
        if self.known_edition is None:
            body = self.get(endpoints.SERVER_INFO).body
            if not isinstance(body, dict):
                raise self.http.failure(f"{redacted(self.base_url)} does not answer like Jira")
            deployment_type = str(body.get("deploymentType", ""))
            self.known_edition = CLOUD if deployment_type.lower() == "cloud" else DATA_CENTER
            if self.known_edition == CLOUD:
                self._require_login()
        return self.known_edition

    def _require_login(self) -> None:
        if not self.has_login and not self.by_gateway:
            raise ConfigError(
                **self.where,
                message="the Connection has no login",
                remedy=f"set the e-mail address of the token's owner as the login of {self.connection_id}",
            )

    def get(self, path: str, *, heavy: bool = False, **params: Any) -> JsonResponse:
        """A GET below the base URL. `heavy`: see HttpClient.call."""
        # A board that answers 500 does so as a whole.
        return self._call("GET", path, heavy=heavy, heavy_errors=(502, 504), params=params)

    def post(self, path: str, body: dict[str, Any], *, heavy: bool = False) -> JsonResponse:
        """A POST below the base URL."""
        return self._call("POST", path, heavy=heavy, json=body)

    def _call(self, method: str, path: str, **kwargs: Any) -> JsonResponse:
        try:
            return self.http.call(method, f"{self.base_url}/{path}", resource=path, **kwargs)
        except AuthError as error:
            cloud_id = self._cloud_id() if error.status == 401 and self.known_edition != DATA_CENTER else None
            if cloud_id is None:
                raise
            self._require_login()
            raise AuthError(
                **self.where,
                message=f"the token was refused (HTTP 401 from {redacted(self.base_url)})",
                status=401,
                remedy="renew the token in the Airflow Connection; if it is a scoped token, set base_url to "
                f"https://{GATEWAY_HOST}/ex/jira/{cloud_id}",
            ) from error

    def _cloud_id(self) -> str | None:
        """The site's id, which Cloud publishes; None if it is unknown, or already part of the address."""
        if self.by_gateway:
            return None
        without_token = HttpClient(TokenAuth(""), **self.where, stats=self.http.stats, headers={})
        without_token.session.auth = None
        try:
            found = without_token.call("GET", f"{self.base_url}/{endpoints.TENANT}").body
        except PulseError:
            return None
        return str(found["cloudId"]) if isinstance(found, dict) and found.get("cloudId") else None

    def whole_list(self, path: str, lost: list[str]) -> list[Any]:
        """The items of an answer that is a list. `lost`: takes the texts of those that cannot be read."""
        try:
            body = self.get(path, heavy=True).body
        except HeavyPage as error:
            found = salvage(error.content or b"", "")
            if found.whole and found.items:
                lost.extend(self.http.without_secrets(text) for text in found.broken)
                return found.items
            body = self.get(path).body
        if not isinstance(body, list | None):
            raise self.http.failure(f"the answer of {path} is not a list")
        return body or []

    def offset_pages(
        self, path: str, items: str, size: int, lost: list[str] | None = None, **params: Any
    ) -> Iterator[Any]:
        """The items of a call that continues by startAt and ends with isLast (or by total, if there is no isLast).

        A page that cannot be read is asked for again in smaller parts. `lost`: takes the texts of the items that cannot be
        read even alone; None: then there must be none.
        """
        start, wanted, in_a_row = 0, size, 0
        while True:
            try:
                body = self.get(path, heavy=True, startAt=start, maxResults=wanted, **params).body
            except HeavyPage as error:
                if wanted > 1:
                    wanted = max(1, wanted // 4)
                    continue
                in_a_row += 1
                if error.text and lost is not None and in_a_row <= UNREAD_IN_A_ROW:
                    lost.append(error.text)
                    start += 1
                    continue
                body = self.get(path, startAt=start, maxResults=wanted, **params).body
            if body is None:  # HTTP 204
                return
            if not isinstance(body, dict) or not isinstance(body.get(items), list):
                raise self.http.failure(f"the answer of {path} contains no {items}")
            yield from body[items]
            start += len(body[items])
            in_a_row, wanted = 0, min(size, wanted * 4)
            total = body.get("total")
            last = body["isLast"] if "isLast" in body else start >= (total if isinstance(total, int) else 0)
            if last:
                return
            if not body[items]:
                raise self.http.failure(f"Jira ends {path} before its last page")

    def token_pages(self, path: str, body: dict[str, Any], items: str, what: str) -> Iterator[JsonResponse]:
        """The pages of a call that continues by nextPageToken; `items` names the list in each.

        A page that cannot be read is asked for again in smaller parts. If it cannot be read even then, but the token of the
        next one in it can, its list is UNREAD_PAGE. Raises HeavyPage if not even that can be read, and UpstreamError for a
        repeated token or for several empty pages in a row, because Jira is known to loop.
        """
        seen: set[str] = set()
        request, empty = dict(body), 0
        while True:
            try:
                response = self.post(path, request, heavy=True)
            except HeavyPage as error:
                if request["maxResults"] > 1:
                    request["maxResults"] = max(1, request["maxResults"] // 10)
                    continue
                response = JsonResponse(_salvaged(error, items), 200, datetime.now(UTC), error.headers)
            if response.body is None:  # HTTP 204
                response = replace(response, body={items: []})
            if not isinstance(response.body, dict) or not isinstance(response.body.get(items), list):
                raise self.http.failure(f"the answer about {what} contains no {items}")
            yield response
            token = response.body.get("nextPageToken")
            if not token or response.body.get("isLast") is True:
                return
            empty = 0 if response.body[items] else empty + 1
            if len(str(token)) > bounds.POSITION_CHARACTERS:
                raise self.http.too_much(
                    f"Jira's token of the next page of {what} is {len(str(token))} characters long"
                )
            if str(token) in seen or empty == EMPTY_PAGES:
                raise self.http.failure(f"Jira repeats a page of {what} endlessly")
            seen.add(str(token))
            request["nextPageToken"] = token


def _salvaged(error: HeavyPage, items: str) -> dict[str, Any]:
    """A page whose one record cannot be read, with what leads to the next one. Raises the error if nothing does."""
    found = salvage(error.content or b"", items, ("nextPageToken", "isLast"))
    token = found.values["nextPageToken"]
    is_last = found.values["isLast"] is True and found.whole
    if is_last or (isinstance(token, str) and token):
        return {items: UNREAD_PAGE, "nextPageToken": token, "isLast": is_last}
    raise error
