"""HTTP for all sources: one kept-alive session, retries for temporary failures, waits that the upstream asks for, typed errors.

It uses plain requests rather than Airflow's HttpHook, because HttpHook.run makes a new session for every call and hides the
headers that report rate limits. Two walls are here for every type: whom a session talks to (pulse.sources.guard), and how
much an upstream may send (pulse.sources.bounds).
"""

from __future__ import annotations

import base64
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import ReadTimeoutError

from pulse.errors import AccessLost, AuthError, ConfigError, PulseError, RateLimited, TooMuch, UpstreamError
from pulse.sources import bounds, guard
from pulse.sources.limits import Limiter, is_rate_limited, seconds_to_wait, server_time
from pulse.warehouse.runs import RunStats

TIMEOUT_SECONDS = (10, 60)
TRIES = 5
REDIRECTS = 3
MAX_WAIT_SECONDS = 60.0
_TRANSIENT = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
)


class Auth(Protocol):
    """Signs requests. It is passed to requests as the session's auth, so that no ~/.netrc on the machine replaces it."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the credential to a request."""
        ...

    def renew(self) -> bool:
        """Get another token after a 401; False if there is none."""
        ...

    def secrets(self) -> tuple[str, ...]:
        """Texts that must never be shown."""
        ...


class TokenAuth:
    """A plain token: Bearer, or Basic with its owner's login. It cannot be renewed."""

    def __init__(self, token: str, login: str | None = None) -> None:
        basic = base64.b64encode(f"{login}:{token}".encode()).decode()
        self._header = f"Bearer {token}" if login is None else f"Basic {basic}"
        self._secrets = (token, basic) if token else ()

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._header
        return request

    def renew(self) -> bool:
        return False

    def secrets(self) -> tuple[str, ...]:
        return self._secrets


@dataclass(frozen=True)
class JsonResponse:
    """A decoded JSON answer: body, status, server time (aware, UTC) and headers."""

    body: Any
    status: int
    server_time: datetime
    headers: Mapping[str, str]


class HeavyPage(Exception):
    """The upstream could not build this page in time; ask for a smaller one."""


class HttpClient:
    """Calls one upstream with one credential. Errors name it by `client` and `source`.

    A redirect is an error, because the credential would travel along. With `moves`, a GET follows it within the server.
    """

    def __init__(
        self,
        auth: Auth,
        client: str,
        source: str,
        stats: RunStats,
        headers: Mapping[str, str],
        *,
        moves: bool = False,
    ) -> None:
        self.auth = auth
        self.client = client
        self.source = source
        self.stats = stats
        self.limiter = Limiter()
        self.moves = moves
        self.session = guard.session()
        self.session.auth = auth
        self.session.headers.update({"User-Agent": "pulse", "Accept": "application/json", **headers})

    def call(
        self,
        method: str,
        url: str,
        *,
        resource: str = "core",
        heavy: bool = False,
        is_limited: Callable[[Any], bool] = lambda body: False,
        **kwargs: Any,
    ) -> JsonResponse:
        """One JSON call. Waits up to a minute if the upstream asks for it; retries lost connections and 5xx.

        `resource`: the budget that the call spends. `heavy`: a 502, 504 or timeout raises HeavyPage at once instead of a
        retry. `is_limited`: finds a rate limit in a body that comes with HTTP 200. `kwargs` go to requests. Raises
        AuthError, AccessLost, ConfigError, RateLimited, UpstreamError, TooMuch.
        """
        failures = limits = 0
        while True:
            self._await_budget(resource, url)
            try:
                response = self._send(method, url, kwargs)
                body = self._decoded(response)
            except bounds.Excess as excess:
                raise (HeavyPage() if heavy else self.too_much(f"{redacted(url)}: {excess}")) from None
            except _TRANSIENT as error:
                if heavy and _is_late(error):
                    raise HeavyPage from None
                failures = self._pause_or_fail(failures, f"{method} {redacted(url)}: {type(error).__name__}")
                continue
            self.stats.note_budget(self.limiter.learn(resource, response))
            if is_rate_limited(response) or (response.ok and is_limited(body)):
                limits += 1
                self._wait(seconds_to_wait(response, limits), limits, url, response.headers.get("RateLimit-Reason", ""))
            elif response.status_code in (502, 504) and heavy:
                raise HeavyPage
            elif response.status_code >= 500 or response.status_code == 408:
                failures = self._pause_or_fail(failures, f"{method} {redacted(url)}: HTTP {response.status_code}")
            elif response.status_code == 401 and failures + 1 < TRIES and self.auth.renew():
                failures += 1  # retried at once, because the new token may not live long
            elif not response.ok or response.is_redirect:
                raise self._refusal(response, url)
            elif body is _NO_JSON:
                failures = self._pause_or_fail(failures, f"{method} {redacted(url)}: the answer is not JSON")
            else:
                return JsonResponse(body, response.status_code, server_time(response), response.headers)

    def failure(self, message: str, status: int | None = None) -> UpstreamError:
        """An UpstreamError for this upstream."""
        return UpstreamError(
            client=self.client,
            source=self.source,
            message=message,
            status=status,
            remedy="the task will be retried; if the error persists, look at the upstream's status page",
        )

    def too_much(self, message: str) -> TooMuch:
        """A TooMuch for this upstream."""
        return TooMuch(
            client=self.client,
            source=self.source,
            message=message,
            remedy="what was read before is stored, and the next run continues there; if it happens again, read less (fewer"
            " repositories, projects or fields, smaller pages) or ask the upstream's owner",
        )

    def forget(self, kept: int) -> None:
        """Note that nothing is held of the answers so far but `kept` ids. Raises TooMuch if these are too many."""
        self.stats.held_bytes = self.stats.held_values = 0
        if kept > bounds.RECORDS:
            raise self.too_much(f"the upstream lists more than {bounds.RECORDS} records")

    def _send(self, method: str, url: str, kwargs: dict[str, Any]) -> requests.Response:
        for _ in range(REDIRECTS):
            response = self._ask(method, url, kwargs)
            moved = response.headers.get("Location", "") if response.is_redirect and method == "GET" else ""
            target = guard.same_server(url, moved) if moved and self.moves else None
            if target is None:
                return response
            url, kwargs = target, {name: value for name, value in kwargs.items() if name != "params"}
        return response

    def _ask(self, method: str, url: str, kwargs: dict[str, Any]) -> requests.Response:
        """One request, and its bounded answer."""
        if wrong := guard.refusal_of_url(url):
            raise self._wrong_address(wrong)
        if self.stats.api_calls >= bounds.CALLS:
            raise self.too_much(f"the upstream's pages do not end: this run has asked {bounds.CALLS} times")
        self.stats.api_calls += 1
        try:
            response = self.session.request(
                method, url, timeout=TIMEOUT_SECONDS, allow_redirects=False, stream=True, **kwargs
            )
            with response:
                response._content = bounds.read(response)  # so that nothing else reads it
        except guard.RefusedAddress as refused:
            raise self._refused(refused) from None
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as error:
            raise self._wrong_address(f"{redacted(url)} is not a valid address: {type(error).__name__}") from None
        return response

    def _decoded(self, response: requests.Response) -> Any:
        """The answer's JSON, or _NO_JSON. Raises Excess if too much is held since something was stored."""
        try:
            body, values = bounds.decode(response.content)
        except ValueError:
            return _NO_JSON
        stats = self.stats
        stats.held_bytes += len(response.content)
        stats.held_values += values
        if stats.held_bytes > bounds.HELD_BYTES or stats.held_values > bounds.HELD_VALUES:
            raise bounds.Excess(
                f"more than {bounds.HELD_BYTES // 2**20} MB or {bounds.HELD_VALUES} values belong together, so that they"
                " would have to be stored at once"
            )
        return body

    def _wrong_address(self, wrong: str) -> ConfigError:
        return ConfigError(
            client=self.client,
            source=self.source,
            message=f"base_url: {wrong}",
            remedy="correct base_url in the client's Variable",
        )

    def _refused(self, refused: guard.RefusedAddress) -> ConfigError:
        host = f"{refused.host}:{refused.port}"
        return ConfigError(
            client=self.client,
            source=self.source,
            message=f"{host} is at {refused.address}, which is not a public address",
            remedy=f"correct base_url; to allow this host, an operator adds {host} to the environment variable"
            f" {guard.ALLOW_VARIABLE}",
        )

    def _refusal(self, response: requests.Response, url: str) -> PulseError:
        code = response.status_code
        where: dict[str, Any] = {"client": self.client, "source": self.source, "status": code}
        excerpt = self._excerpt(response)
        if response.is_redirect:
            return ConfigError(
                **where,
                message=f"{redacted(url)} redirects to {redacted(response.headers['Location'])}; this is not followed, because"
                " the token would travel along",
                remedy="set base_url, and the path of a stream, to the address that it redirects to",
            )
        if code == 401:
            return AuthError(
                **where,
                message=f"the token was refused (HTTP 401 from {redacted(url)})",
                remedy="renew the token in the Airflow Connection",
            )
        if code == 403:
            return AuthError(
                **where,
                message=f"the token may not read {redacted(url)} (HTTP 403: {excerpt})",
                remedy="give the token read access, or exclude this repository or project",
            )
        if code in (404, 410):
            return AccessLost(
                **where,
                message=f"{redacted(url)} does not exist or is not visible (HTTP {code})",
                remedy="check the name and the token's access; stored rows are kept",
            )
        return self.failure(f"unexpected HTTP {code} from {redacted(url)}: {excerpt}", code)

    def _excerpt(self, response: requests.Response) -> str:
        """The beginning of an answer, without secrets. Of a private host only that there is one: logs have many readers."""
        _, host, port = guard.origin(str(response.url))
        if guard.is_allowed(host, port):
            return f"{len(response.content)} bytes, not shown because the host is private"
        # Not response.text, which may guess the encoding of megabytes.
        text = bytes(response.content[:200]).decode("utf-8", "replace").replace("\n", " ")
        for secret in self.auth.secrets():
            text = text.replace(secret, "***")
        return text

    def _pause_or_fail(self, failures: int, what: str) -> int:
        if failures + 1 == TRIES:
            raise self.failure(what)
        time.sleep(min(2.0**failures, 16) * random.uniform(0.5, 1.0))
        return failures + 1

    def _await_budget(self, resource: str, url: str) -> None:
        seconds = self.limiter.seconds_until_allowed(resource)
        if seconds > 0:
            self._wait(seconds + 1, 1, url)

    def _wait(self, seconds: float, attempt: int, url: str, reason: str = "") -> None:
        if seconds > MAX_WAIT_SECONDS or attempt == TRIES:
            detail = f" ({reason[:60]})" if reason else ""  # Jira says which of its limits was reached
            raise RateLimited(
                client=self.client,
                source=self.source,
                message=f"rate limit reached at {redacted(url)}{detail}",
                resume_at=datetime.now(UTC) + timedelta(seconds=seconds),
            )
        # Jitter, because several tasks get the same reset time.
        time.sleep(seconds + random.uniform(0, 0.2 * min(seconds, 5)))


_NO_JSON = object()


def _is_late(error: Exception) -> bool:
    """Whether an answer did not arrive in time. requests has another error for each half of it."""
    return isinstance(error, requests.ReadTimeout) or any(isinstance(arg, ReadTimeoutError) for arg in error.args)


def redacted(url: str) -> str:
    """An address that is safe to show: without login, query and fragment."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "an address that cannot be parsed"
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"[:300]
