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

import requests
from urllib3.exceptions import ReadTimeoutError

from pulse import tracing
from pulse.errors import ConfigError, PulseError, RateLimited
from pulse.sources import bounds, guard, pages
from pulse.sources.limits import Limiter, is_rate_limited, seconds_to_wait, server_time
from pulse.sources.refusals import REFUSED_TOKEN, UNREADABLE, HeavyPage, Refusals, redacted
from pulse.warehouse.runs import RunStats

TIMEOUT_SECONDS = (10, 60)
TRIES = 5
REDIRECTS = 3
MAX_WAIT_SECONDS = 60.0
UNREADABLE_CHARACTERS = 20_000  # of an answer that cannot be read, which are kept
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


class HttpClient(Refusals):
    """Calls one upstream with one credential. Errors name it by `client` and `source`.

    A redirect is an error, because the credential would travel along. With `moves`, a GET follows it within the server.
    `explains`: this upstream gives a reason with every 403, so that one without is a limit.
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
        explains: bool = False,
    ) -> None:
        super().__init__(client, source, auth.secrets)
        self.auth = auth
        self.explains = explains
        self.stats = stats
        self.limiter = Limiter()
        self.tries = TRIES
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
        heavy_errors: tuple[int, ...] = (500, 502, 504),
        is_limited: Callable[[Any], bool] = lambda body: False,
        **kwargs: Any,
    ) -> JsonResponse:
        """One JSON call. Waits up to a minute if the upstream asks for it; retries lost connections and 5xx.

        `resource`: the budget that the call spends. `heavy`: one of `heavy_errors` (a 500 only when it comes twice), a timeout
        or an answer that cannot be read raises HeavyPage instead of a retry. An answer without content has the body None.
        `is_limited`: finds a rate limit in a body that comes with HTTP 200. `kwargs` go to requests. Raises AuthError,
        AccessLost, ConfigError, RateLimited, UpstreamError, TooMuch.
        """
        failures = limits = 0
        while True:
            self._await_budget(resource, url)
            try:
                response = self._send(method, url, kwargs)
                body = self._decoded(response)
            except bounds.Excess as excess:
                if not heavy:
                    raise self.too_much(f"{redacted(url)}: {excess}") from None
                raise HeavyPage("" if isinstance(excess, bounds.HeldExcess) else str(excess)) from None
            except _TRANSIENT as error:
                if heavy and (_is_late(error) or (failures and _is_cut(error))):
                    raise _heavy(error.response) from None
                failures = self._pause_or_fail(failures, f"{method} {redacted(url)}: {type(error).__name__}")
                continue
            self.stats.note_budget(self.limiter.learn(resource, response))
            if is_rate_limited(response, self.explains) or (response.ok and is_limited(body)):
                limits += 1
                self._wait(seconds_to_wait(response, limits), limits, url, response.headers.get("RateLimit-Reason", ""))
            elif heavy and response.status_code in heavy_errors and (failures or response.status_code != 500):
                raise HeavyPage
            elif response.status_code >= 500 and pages.kind_of(response) == pages.CAPTCHA:
                raise self.web_page(response, url)
            elif response.status_code >= 500 or response.status_code == 408:
                failures = self._pause_or_fail(failures, f"{method} {redacted(url)}: HTTP {response.status_code}")
            elif response.status_code == 401 and failures + 1 < self.tries and self.auth.renew():
                failures += 1  # retried at once, because the new token may not live long
            elif not response.ok or response.is_redirect:
                raise self.refusal(response, url)
            elif body is _NO_JSON and pages.kind_of(response):
                raise self.web_page(response, url)
            elif body is _NO_JSON and heavy and not pages.is_web_page(response):
                raise _heavy(response, self.text_of(response, UNREADABLE_CHARACTERS))
            elif body is _NO_JSON:
                what = "a web page instead of JSON" if pages.is_web_page(response) else "not JSON"
                failures = self._pause_or_fail(failures, f"{method} {redacted(url)}: the answer is {what}")
            else:
                return JsonResponse(body, response.status_code, server_time(response), response.headers)

    def tried(self, what: str, read: Callable[[], object], odd: tuple[type[Exception], ...] = ()) -> PulseError | None:
        """Read a part that holds nothing else up; returns what made it fail. `odd`: more errors of answers that cannot be read.

        Raises what would make every other part fail too: a refused token, a used up budget, a wrong declaration.
        """
        try:
            read()
            return None
        except (RateLimited, ConfigError):
            raise
        except PulseError as error:
            if error.status == REFUSED_TOKEN:
                raise
            failure = error
        except odd + UNREADABLE as error:
            failure = self.unreadable(what, error)
        self.forget(0)
        return failure

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
            raise self.wrong_address(wrong)
        if self.stats.api_calls >= bounds.CALLS:
            raise self.too_much(f"the upstream's pages do not end: this run has asked {bounds.CALLS} times")
        self.stats.api_calls += 1
        try:
            with tracing.span(method, self._shown(method, url), call=True) as span:
                response = self.session.request(
                    method, url, timeout=TIMEOUT_SECONDS, allow_redirects=False, stream=True, **kwargs
                )
                span.set({"http.response.status_code": response.status_code})
                with response:
                    response._content = bounds.read(response)  # so that nothing else reads it
        except guard.RefusedAddress as refused:
            raise self.refused_address(refused) from None
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as error:
            raise self.wrong_address(f"{redacted(url)} is not a valid address: {type(error).__name__}") from None
        return response

    def _shown(self, method: str, url: str) -> dict[str, str]:
        """What a trace says of a request: neither its query nor a secret."""
        return {
            "http.request.method": method,
            "url.full": self.without_secrets(redacted(url).encode()),
            "pulse.client": self.client,
            "pulse.source": self.source,
        }

    def _decoded(self, response: requests.Response) -> Any:
        """The answer's JSON, or _NO_JSON. Raises Excess if too much is held since something was stored."""
        if response.status_code in _EMPTY and not response.content:
            return None
        try:
            body, values = bounds.decode(response.content, response.encoding or "")
        except ValueError:
            return _NO_JSON
        stats = self.stats
        stats.held_bytes += len(response.content)
        stats.held_values += values
        if stats.held_bytes > bounds.HELD_BYTES or stats.held_values > bounds.HELD_VALUES:
            raise bounds.HeldExcess(
                f"more than {bounds.HELD_BYTES // 2**20} MB or {bounds.HELD_VALUES} values belong together, so that they"
                " would have to be stored at once"
            )
        return body

    def _pause_or_fail(self, failures: int, what: str) -> int:
        if failures + 1 >= self.tries:
            raise self.failure(what)
        time.sleep(min(2.0**failures, 16) * random.uniform(0.5, 1.0))
        return failures + 1

    def _await_budget(self, resource: str, url: str) -> None:
        seconds = self.limiter.seconds_until_allowed(resource)
        if seconds > 0:
            self._wait(seconds + 1, 1, url)

    def _wait(self, seconds: float, attempt: int, url: str, reason: str = "") -> None:
        if seconds > MAX_WAIT_SECONDS or attempt >= self.tries:
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
_EMPTY = (204, 205)


def _heavy(answer: requests.Response | None, text: str = "") -> HeavyPage:
    return HeavyPage(text) if answer is None else HeavyPage(text, answer.content, answer.headers)


def _is_cut(error: Exception) -> bool:
    """Whether an answer ended before it was complete."""
    return isinstance(error, requests.exceptions.ChunkedEncodingError | requests.exceptions.ContentDecodingError)


def _is_late(error: Exception) -> bool:
    """Whether an answer did not arrive in time. requests has another error for each half of it."""
    return isinstance(error, requests.ReadTimeout) or any(isinstance(arg, ReadTimeoutError) for arg in error.args)
