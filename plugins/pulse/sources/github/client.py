"""GitHub's GraphQL endpoint: address, authentication, errors."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import requests

from pulse.errors import AccessLost, UpstreamError, Where
from pulse.sources.base import Credential, Integration
from pulse.sources.http import Answer, HeavyPage, HttpClient
from pulse.warehouse.runs import RunStats

_HEAVY_TYPES = {"RESOURCE_LIMITS_EXCEEDED", "MAX_NODE_LIMIT_EXCEEDED", "TIMEOUT"}
_HEAVY_WORDS = ("resource limits", "timeout", "timed out", "something went wrong while executing your query")


def graphql_url(base_url: str) -> str:
    """The GraphQL address that belongs to a REST base URL: github.com, GHE.com, an Enterprise Server, or the same shape."""
    base = base_url.rstrip("/")
    if urlsplit(base).path.endswith("/api/v3"):
        return f"{base.removesuffix('/v3')}/graphql"
    return f"{base}/graphql"


class GitHubClient:
    """Asks GraphQL queries with one token."""

    def __init__(self, integration: Integration, credential: Credential, stats: RunStats) -> None:
        self.url = graphql_url(integration.base_url)
        self.stats = stats
        self.where: Where = {"client": integration.client_slug, "source": integration.name}
        session = requests.Session()
        session.headers.update({"Authorization": f"Bearer {credential.token}", "User-Agent": "pulse"})
        self.http = HttpClient(session, integration.client_slug, integration.name, stats)

    def ask(self, query: str, what: str, *, divisible: bool = False, **variables: Any) -> tuple[dict[str, Any], Answer]:
        """The data of a query. `what` names the subject in errors.

        Raises HeavyPage when GitHub cannot make so large an answer and the caller can ask for less (`divisible`),
        AccessLost when the subject is not visible, UpstreamError for any other error that the answer holds: partial
        data is never taken for the whole.
        """
        answer = self.http.call("POST", self.url, heavy=divisible, json={"query": query, "variables": variables})
        body = answer.body if isinstance(answer.body, dict) else {}
        self.stats.api_points += _cost(body)
        errors = body.get("errors") or []
        if errors:
            self._raise(errors, what, divisible)
        data = body.get("data")
        if not isinstance(data, dict):
            raise UpstreamError(
                **self.where, message=f"the answer about {what} holds no data", way_out="the task is retried"
            )
        return data, answer

    def _raise(self, errors: list[dict[str, Any]], what: str, divisible: bool) -> None:
        told = "; ".join(str(error.get("message", ""))[:200] for error in errors[:3])
        types = {str(error.get("type", "")) for error in errors}
        if divisible and (types & _HEAVY_TYPES or any(word in told.lower() for word in _HEAVY_WORDS)):
            raise HeavyPage
        if "NOT_FOUND" in types or "FORBIDDEN" in types:
            raise AccessLost(
                **self.where, message=f"{what} is not visible to the token ({told})",
                way_out="check the name and the token's access; stored rows are kept",
            )  # fmt: skip
        raise UpstreamError(**self.where, message=f"GitHub refused to answer about {what}: {told}",
                            way_out="the task is retried")  # fmt: skip


def _cost(body: dict[str, Any]) -> int:
    rate = (body.get("data") or {}).get("rateLimit") or {}
    return int(rate.get("cost", 0))
