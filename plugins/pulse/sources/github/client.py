"""GitHub's GraphQL endpoint: address, authentication, errors."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from pulse.errors import AccessLost, AuthError, ConfigError, PulseError, TooMuch, UpstreamError, Where
from pulse.sources.base import Credential, Integration
from pulse.sources.github.answers import Answer, BadShape, Refusal, divided, errors_of, subject_of
from pulse.sources.github.app import auth_for
from pulse.sources.github.versions import OLDEST, OPTIONAL, VERSION_HEADER, lacking, without
from pulse.sources.http import HttpClient, JsonResponse
from pulse.sources.refusals import UNREAD_IN_A_ROW, HeavyPage
from pulse.warehouse.runs import RunStats

_HEAVY_TYPES = {"RESOURCE_LIMITS_EXCEEDED", "MAX_NODE_LIMIT_EXCEEDED", "TIMEOUT"}
_HEAVY_WORDS = ("resource limits", "timeout", "timed out", "something went wrong while executing your query")
REST_VERSION = "2022-11-28"
REST_PAGES = (100, 50, 25, 5, 1)
REST_PAGE = REST_PAGES[0]

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
            explains=True,
        )
        self.left_out: set[str] = set()  # fields that an older server does not have

    def rest(self, path: str, *, heavy: bool = False, **params: Any) -> JsonResponse:
        """The answer to a GET below the base URL. Raises AccessLost for 404, and the errors of HttpClient.call."""
        return self.http.call("GET", f"{self.base_url}/{path}", heavy=heavy, params=params)

    def rest_pages(self, path: str, items: str | None = None, **params: Any) -> Iterator[Any]:
        """The items of all pages of a GET; `items` names their list if the answer is not a list itself."""
        for page in itertools.count(1):
            found = self._items(self.rest(path, per_page=REST_PAGE, page=page, **params).body, path, items)
            yield from found
            if len(found) < REST_PAGE:
                return

    def rest_page(
        self, path: str, items: str, page: int, size: int = REST_PAGE, **params: Any
    ) -> tuple[list[Any], list[str], int]:
        """The items of one page, the texts of those that cannot be read even alone, and how many there are on all pages.

        A page that cannot be read is asked for again in smaller parts.
        """
        try:
            body = self.rest(path, heavy=True, per_page=size, page=page, **params).body
            total = body.get("total_count") if isinstance(body, dict) else None
            return self._items(body, path, items), [], total if isinstance(total, int) else 0
        except HeavyPage as error:
            if size == 1 and error.text:
                return [], [error.text], 0
            if size == 1:
                return self._alone(path, items, page, **params)
        smaller = next(one for one in REST_PAGES if one < size)
        found: list[Any] = []
        unread: list[str] = []
        most = 0
        for part in range((page - 1) * (size // smaller) + 1, page * (size // smaller) + 1):
            more, lost, total = self.rest_page(path, items, part, smaller, **params)
            found, unread, most = [*found, *more], [*unread, *lost], max(most, total)
            if not found and len(unread) > UNREAD_IN_A_ROW:
                raise self.http.failure(f"no answer of {path} can be read")
            if len(more) + len(lost) < smaller:
                break
        return found, unread, most

    def _alone(self, path: str, items: str, page: int, **params: Any) -> tuple[list[Any], list[str], int]:
        """One record, asked for with more patience; the failure as its text if GitHub cannot answer for it."""
        try:
            return self._items(self.rest(path, per_page=1, page=page, **params).body, path, items), [], 0
        except TooMuch:
            raise
        except UpstreamError as failure:
            return [], [str(failure)], 0

    def _items(self, body: Any, path: str, items: str | None) -> list[Any]:
        """The list in an answer; an answer without content has none."""
        found = body.get(items) if items and isinstance(body, dict) else body
        if found is None and body is None:
            return []
        if not isinstance(found, list):
            raise self.http.failure(f"the answer of {path} has no list of {items or 'records'}")
        return found

    def ask(self, query: str, what: str, *, divisible: bool = False, **variables: Any) -> Answer:
        """The answer to a query. `what` names the subject in errors.

        Raises HeavyPage if the answer is too large for GitHub, or cannot be read, and the caller can ask for less
        (`divisible`), StaleCursor, AccessLost if the subject is not visible, AuthError if a part of it is forbidden, and
        UpstreamError for any other error. Partial data never passes for the whole: what is null for a reason is named.
        """
        data, errors, response = self._post(query, variables, divisible)
        if divisible and _is_heavy(errors):
            raise HeavyPage
        refused, serious = divided(data, errors)
        if serious:
            self._raise(serious, what)
        if data is None or not data.keys() - {"rateLimit"}:
            if divisible:
                raise HeavyPage
            raise self.http.failure(f"the answer about {what} contains no data")
        return Answer(data, response, refused)

    def ask_sized(
        self,
        query: str,
        what: str,
        sizes: Sequence[int],
        *,
        bare: str = "",
        divisible: bool = False,
        check: Callable[[dict[str, Any]], object] = lambda data: None,
        **variables: Any,
    ) -> Answer:
        """`ask` with the variable `first`, using the first of the sizes that GitHub can answer.

        `check` raises BadShape for data without the parts that it must have. If GitHub can answer for no size: with the query
        `bare`, which asks only for what identifies a row, or HeavyPage if the caller can ask for less in another way
        (`divisible`).
        """
        text = ""
        for size in sizes:
            try:
                answer = self.ask(query, what, divisible=True, first=size, **variables)
                check(answer.data)
                return answer
            except (HeavyPage, BadShape) as error:
                text = getattr(error, "text", "")
        if bare:
            return self.ask(bare, what, first=1, **variables)._replace(instead=text)
        if divisible:
            raise HeavyPage(text)
        return self.ask(query, what, first=sizes[-1], **variables)

    def nodes(self, query: str, what: str, ids: Iterable[str]) -> tuple[dict[str, Node | None], dict[str, Refusal]]:
        """Nodes by id, None for those that no longer exist; and the ids whose node, or a part of it, may not be read.

        Raises HeavyPage like ask.
        """
        wanted = list(ids)
        data, _, refused, _ = self.ask(query, what, divisible=True, ids=wanted)
        found = data.get("nodes")
        if not isinstance(found, list) or len(found) != len(wanted):
            raise HeavyPage
        reasons = {refusal.place[1]: refusal for refusal in refused if len(refusal.place) > 1}
        here: dict[str, Node | None] = {}
        forbidden: dict[str, Refusal] = {}
        for place, (one, node) in enumerate(zip(wanted, found, strict=True)):
            reason = reasons.get(place)
            if reason is not None and not (node is None and reason.is_gone):
                forbidden[one] = reason
            elif node is None and reason is None and refused:
                raise HeavyPage  # null without a word, next to others: an answer that was cut short
            if isinstance(node, dict) or one not in forbidden:
                here[one] = node if isinstance(node, dict) else None
        return here, forbidden

    def _post(
        self, query: str, variables: dict[str, Any], divisible: bool
    ) -> tuple[dict[str, Any] | None, list[dict[str, Any]], JsonResponse]:
        while True:
            response = self.http.call(
                "POST",
                self.url,
                resource="graphql",
                heavy=divisible,
                is_limited=_limited,
                json={"query": without(query, self.left_out), "variables": variables},
            )
            body = response.body if isinstance(response.body, dict) else {}
            data = body.get("data") if isinstance(body.get("data"), dict) else None
            rate = (data or {}).get("rateLimit")
            cost = rate.get("cost") if isinstance(rate, dict) else None
            self.stats.api_points += cost if isinstance(cost, int) else 0
            errors = errors_of(body)
            names = lacking(errors)
            if not names:
                return data, errors, response
            self._leave_out(names, response)

    def _leave_out(self, names: set[str], response: JsonResponse) -> None:
        """Do without fields that this server lacks. Raises ConfigError for those that Pulse needs."""
        needed = names - OPTIONAL or names & self.left_out
        version = self._version(response)
        if needed:
            raise ConfigError(
                **self.where,
                message=f"{version} does not have {', '.join(sorted(needed))}, which Pulse needs",
                remedy=f"upgrade it: Enterprise Server {OLDEST} is the oldest that works",
            )
        self.left_out |= names
        self.stats.warn(
            f"{version} does not have {', '.join(sorted(names))}: left out, everything else is read. Enterprise Server"
            f" {OLDEST} and later have them"
        )

    def _version(self, response: JsonResponse) -> str:
        found = str(response.headers.get(VERSION_HEADER) or "").partition("@")[2]
        if not found:
            try:
                body = self.rest("meta").body
                found = str(body.get("installed_version") or "") if isinstance(body, dict) else ""
            except PulseError:
                found = ""
        return f"GitHub Enterprise Server {found[:20]}" if found else "this version of GitHub"

    def _raise(self, errors: list[dict[str, Any]], what: str) -> None:
        messages = "; ".join(str(error.get("message", ""))[:200] for error in errors[:3])
        types = {str(error.get("type", "")) for error in errors}
        if "INVALID_CURSOR_ARGUMENTS" in types or "valid cursor" in messages:
            raise StaleCursor
        if "INSUFFICIENT_SCOPES" in types:
            raise AuthError(
                **self.where,
                message=f"the token may not read {what} ({messages})",
                remedy="give the token the scopes named in the message",
            )
        if "NOT_FOUND" in types or "FORBIDDEN" in types:
            paths = [subject_of(error) for error in errors]
            if all(len(path) > 1 for path in paths):
                part = ".".join(str(step) for step in paths[0][1:])
                raise AuthError(
                    **self.where,
                    status=403,
                    message=f"the token may not read {part} of {what} ({messages})",
                    remedy="give the token the permission that the message is about; everything else is read",
                )
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


def _is_heavy(errors: list[dict[str, Any]]) -> bool:
    messages = " ".join(str(error.get("message", "")) for error in errors).lower()
    types = {str(error.get("type", "")) for error in errors}
    return bool(types & _HEAVY_TYPES) or any(word in messages for word in _HEAVY_WORDS)


def _limited(body: Any) -> bool:
    """Whether an answer with HTTP 200 reports a rate limit: the hour's points are used up, or a secondary limit is hit."""
    return any(
        error.get("type") == "RATE_LIMITED" or "rate limit" in str(error.get("message", "")).lower()
        for error in errors_of(body)
    )
