"""HTTP for all sources: one kept-alive session, retries for temporary failures, waits that the upstream asks for, typed errors.

It uses plain requests rather than Airflow's HttpHook, because HttpHook.run makes a new session for every call and hides the
headers that report rate limits. Proxies and certificates come from the environment, as usual in requests.
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

import msgspec
import requests

from pulse.errors import AccessLost, AuthError, ConfigError, PulseError, RateLimited, UpstreamError
from pulse.sources.limits import Limiter, is_rate_limited, seconds_to_wait, server_time
from pulse.warehouse.runs import RunStats

TIMEOUT_SECONDS = (10, 60)
TRIES = 5
MAX_WAIT_SECONDS = 60.0
_TRANSIENT = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)


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
    """Calls one upstream with one credential. Errors name it by `client` and `source`."""

    def __init__(self, auth: Auth, client: str, source: str, stats: RunStats, headers: Mapping[str, str]) -> None:
        self.auth = auth
        self.client = client
        self.source = source
        self.stats = stats
        self.limiter = Limiter()
        self.session = requests.Session()
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
        AuthError, AccessLost, ConfigError, RateLimited, UpstreamError.
        """
        failures = limits = 0
        while True:
            self._await_budget(resource, url)
            try:
                response = self._send(method, url, kwargs)
            except _TRANSIENT as error:
                if heavy and isinstance(error, requests.ReadTimeout):
                    raise HeavyPage from None
                failures = self._pause_or_fail(failures, f"{method} {redacted(url)}: {type(error).__name__}")
                continue
            self.stats.note_budget(self.limiter.learn(resource, response))
            body = _json(response)
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

    def _send(self, method: str, url: str, kwargs: dict[str, Any]) -> requests.Response:
        self.stats.api_calls += 1
        # A redirected POST would become a GET and fail with a misleading error.
        return self.session.request(method, url, timeout=TIMEOUT_SECONDS, allow_redirects=method == "GET", **kwargs)

    def _refusal(self, response: requests.Response, url: str) -> PulseError:
        code = response.status_code
        where: dict[str, Any] = {"client": self.client, "source": self.source, "status": code}
        excerpt = self._without_secrets(response.text[:200].replace("\n", " "))
        if response.is_redirect:
            return ConfigError(
                **where,
                message=f"{redacted(url)} has moved to {redacted(response.headers['Location'])}",
                remedy="correct base_url in the client's Variable",
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

    def _without_secrets(self, text: str) -> str:
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


def _json(response: requests.Response) -> Any:
    # Strict, unlike the json module: NaN and similar are not JSON, and PostgreSQL would refuse them.
    try:
        return msgspec.json.decode(response.content)
    except ValueError:
        return _NO_JSON


def redacted(url: str) -> str:
    """An address that is safe to show: without login, query and fragment."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"
