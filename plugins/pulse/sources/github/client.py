"""GitHub's GraphQL endpoint: address, authentication, errors."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from pulse.errors import AccessLost, AuthError, UpstreamError, Where
from pulse.sources.base import Credential, Integration
from pulse.sources.github.app import auth_for
from pulse.sources.http import HeavyPage, HttpClient, JsonResponse
from pulse.warehouse.runs import RunStats

_HEAVY_TYPES = {"RESOURCE_LIMITS_EXCEEDED", "MAX_NODE_LIMIT_EXCEEDED", "TIMEOUT"}
_HEAVY_WORDS = ("resource limits", "timeout", "timed out", "something went wrong while executing your query")
REST_VERSION = "2022-11-28"
REST_PAGE = 100

Node = dict[str, Any]


class StaleCursor(Exception):
    """GitHub does not know a cursor (any more); the walk has to start again."""


def graphql_url(base_url: str) -> str:
    """The GraphQL address for a REST base URL of github.com, GHE.com, an Enterprise Server, or a server of the same shape."""
    base = base_url.rstrip("/")
    if urlsplit(base).path.endswith("/api/v3"):
        return f"{base.removesuffix('/v3')}/graphql"
    return f"{base}/graphql"


class GitHubClient:
    """Calls GitHub with one credential: GraphQL, and REST for what GraphQL does not have."""

    def __init__(self, integration: Integration, credential: Credential, stats: RunStats) -> None:
        self.base_url = integration.base_url.rstrip("/")
        self.url = graphql_url(integration.base_url)
        self.stats = stats
        self.where: Where = {"client": integration.client_slug, "source": integration.name}
        self.http = HttpClient(
            auth_for(integration, credential, stats),
            **self.where,
            stats=stats,
            headers={"X-GitHub-Api-Version": REST_VERSION},
            moves=True,  # a renamed repository
        )

    def rest(self, path: str, **params: Any) -> JsonResponse:
        """The answer to a GET below the base URL. Raises AccessLost for 404, and the errors of HttpClient.call."""
        return self.http.call("GET", f"{self.base_url}/{path}", params=params)

    def rest_pages(self, path: str, items: str | None = None, **params: Any) -> Iterator[Any]:
        """The items of all pages of a GET; `items` names their list if the answer is not a list itself."""
        for page in itertools.count(1):
            response = self.rest(path, per_page=REST_PAGE, page=page, **params)
            found = response.body[items] if items else response.body
            yield from found
            if len(found) < REST_PAGE:
                return

    def ask(
        self, query: str, what: str, *, divisible: bool = False, **variables: Any
    ) -> tuple[dict[str, Any], JsonResponse]:
        """The data of a query. `what` names the subject in errors.

        Raises HeavyPage if the answer is too large for GitHub and the caller can ask for less (`divisible`), StaleCursor,
        AccessLost if the subject is not visible, and UpstreamError for any other error in the answer. Partial data never
        passes for the whole.
        """
        data, errors, response = self._post(query, variables, divisible)
        if errors:
            self._raise(errors, what, divisible)
        if data is None:
            raise self.http.failure(f"the answer about {what} contains no data")
        return data, response

    def ask_sized(
        self, query: str, what: str, sizes: Sequence[int], **variables: Any
    ) -> tuple[dict[str, Any], JsonResponse]:
        """`ask` with the variable `first`, using the first of the sizes that GitHub can answer."""
        for size in sizes:
            try:
                return self.ask(query, what, divisible=True, first=size, **variables)
            except HeavyPage:
                continue
        return self.ask(query, what, first=sizes[-1], **variables)

    def nodes(self, query: str, what: str, ids: Iterable[str]) -> dict[str, Node | None]:
        """Nodes by id; None for those that no longer exist. Raises HeavyPage like ask."""
        wanted = list(ids)
        data, errors, _ = self._post(query, {"ids": wanted}, True)
        # GitHub reports each missing node in an error of its own, next to the data of the others.
        missing = {tuple(e.get("path") or ()) for e in errors if e.get("type") == "NOT_FOUND"}
        serious = [e for e in errors if not (e.get("type") == "NOT_FOUND" and (e.get("path") or [""])[0] == "nodes")]
        if serious:
            self._raise(serious, what, True)
        found = (data or {}).get("nodes")
        if not isinstance(found, list) or len(found) != len(wanted):
            raise self.http.failure(f"the answer about {what} does not contain what was asked for")
        if errors and any(node is None and ("nodes", place) not in missing for place, node in enumerate(found)):
            raise HeavyPage
        return dict(zip(wanted, found, strict=True))

    def _post(
        self, query: str, variables: dict[str, Any], divisible: bool
    ) -> tuple[dict[str, Any] | None, list[dict[str, Any]], JsonResponse]:
        response = self.http.call(
            "POST",
            self.url,
            resource="graphql",
            heavy=divisible,
            is_limited=_limited,
            json={"query": query, "variables": variables},
        )
        body = response.body if isinstance(response.body, dict) else {}
        data = body.get("data") if isinstance(body.get("data"), dict) else None
        self.stats.api_points += int(((data or {}).get("rateLimit") or {}).get("cost", 0))
        return data, body.get("errors") or [], response

    def _raise(self, errors: list[dict[str, Any]], what: str, divisible: bool) -> None:
        messages = "; ".join(str(error.get("message", ""))[:200] for error in errors[:3])
        types = {str(error.get("type", "")) for error in errors}
        if divisible and (types & _HEAVY_TYPES or any(word in messages.lower() for word in _HEAVY_WORDS)):
            raise HeavyPage
        if "INVALID_CURSOR_ARGUMENTS" in types or "valid cursor" in messages:
            raise StaleCursor
        if "INSUFFICIENT_SCOPES" in types:
            raise AuthError(
                **self.where,
                message=f"the token may not read {what} ({messages})",
                remedy="give the token the scopes named in the message",
            )
        if "NOT_FOUND" in types or "FORBIDDEN" in types:
            raise AccessLost(
                **self.where,
                message=f"{what} is not visible to the token ({messages})",
                remedy="check the name and the token's access; stored rows are kept",
            )
        raise UpstreamError(
            **self.where,
            message=f"GitHub refused to answer about {what}: {messages}",
            remedy="the task will be retried",
        )


def _limited(body: Any) -> bool:
    """Whether an answer with HTTP 200 reports a rate limit: the hour's points are used up, or a secondary limit is hit."""
    errors = body.get("errors") if isinstance(body, dict) else None
    return any(
        error.get("type") == "RATE_LIMITED" or "rate limit" in str(error.get("message", "")).lower()
        for error in errors or []
        if isinstance(error, dict)
    )
