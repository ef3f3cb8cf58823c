"""HTTP for all sources: one kept-alive session, retries for what passes, waits that upstream asks for, typed errors.

Plain requests rather than Airflow's HttpHook, because HttpHook.run makes a new session for every call and hides the
headers that rate limits are told by.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import requests

from pulse.errors import AccessLost, AuthError, RateLimited, UpstreamError
from pulse.warehouse.runs import RunStats

TIMEOUT_SECONDS = (10, 60)
TRIES = 5
MAX_WAIT_SECONDS = 60.0
SECONDARY_LIMIT_SECONDS = 60.0
_TRANSIENT = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)


@dataclass(frozen=True)
class Answer:
    """A decoded JSON answer: its body, status and server time (aware, UTC)."""

    body: Any
    status: int
    server_time: datetime
    headers: Any


class HeavyPage(Exception):
    """The upstream could not make this page in its time: ask for a smaller one."""


class HttpClient:
    """Calls one upstream with one credential. `client` and `source` name it in errors."""

    def __init__(self, session: requests.Session, client: str, source: str, stats: RunStats) -> None:
        self.session = session
        self.client = client
        self.source = source
        self.stats = stats

    def call(self, method: str, url: str, *, heavy: bool = False, **kwargs: Any) -> Answer:
        """One JSON call. Waits as told up to a minute; retries lost connections and 5xx.

        `heavy`: a 502 or 504 raises HeavyPage at once instead. Raises AuthError, AccessLost, RateLimited, UpstreamError.
        """
        for attempt in range(1, TRIES + 1):
            try:
                response = self.session.request(method, url, timeout=TIMEOUT_SECONDS, **kwargs)
                self.stats.api_calls += 1
            except _TRANSIENT as error:
                self._pause_or_fail(attempt, f"{method} {url}: {type(error).__name__}")
                continue
            if response.status_code in (502, 504) and heavy:
                raise HeavyPage
            wait = rate_limit_wait(response)
            if wait is not None:
                self._wait(wait, attempt, url)
                continue
            if response.status_code >= 500:
                self._pause_or_fail(attempt, f"{method} {url}: HTTP {response.status_code}")
                continue
            self._raise_for_client_error(response, url)
            try:
                body = response.json()
            except ValueError:
                self._pause_or_fail(attempt, f"{method} {url}: the answer is no JSON")
                continue
            return Answer(body, response.status_code, server_time(response), response.headers)
        raise self._upstream_error(f"{method} {url} did not succeed in {TRIES} tries")

    def _raise_for_client_error(self, response: requests.Response, url: str) -> None:
        code = response.status_code
        if code < 400:
            return
        where = {"client": self.client, "source": self.source}
        told = response.text[:200].replace("\n", " ")
        if code == 401:
            raise AuthError(**where, message=f"the token is refused (HTTP 401 from {url})",
                            way_out="renew the token in the Airflow Connection")  # fmt: skip
        if code == 403:
            raise AuthError(**where, message=f"the token may not read {url} (HTTP 403: {told})",
                            way_out="give the token read access, or exclude this repository or project")  # fmt: skip
        if code in (404, 410):
            raise AccessLost(**where, message=f"{url} is not there or not visible (HTTP {code})",
                             way_out="check the name and the token's access; stored rows are kept")  # fmt: skip
        raise self._upstream_error(f"unexpected HTTP {code} from {url}: {told}")

    def _upstream_error(self, message: str) -> UpstreamError:
        return UpstreamError(client=self.client, source=self.source, message=message,
                             way_out="the task is retried; if it stays, look at the upstream's status page")  # fmt: skip

    def _pause_or_fail(self, attempt: int, what: str) -> None:
        if attempt == TRIES:
            raise self._upstream_error(what)
        time.sleep(min(2.0 ** (attempt - 1), 16) * random.uniform(0.5, 1.0))

    def _wait(self, seconds: float, attempt: int, url: str) -> None:
        if seconds > MAX_WAIT_SECONDS or attempt == TRIES:
            raise RateLimited(client=self.client, source=self.source, message=f"rate limit reached at {url}",
                              resume_at=datetime.now(UTC) + timedelta(seconds=seconds))  # fmt: skip
        time.sleep(seconds + random.uniform(0, 0.2 * min(seconds, 5)))


def server_time(response: requests.Response) -> datetime:
    """The upstream's clock (Date header), so that ours never matters; ours when it sends none."""
    try:
        return parsedate_to_datetime(response.headers["Date"]).astimezone(UTC)
    except (KeyError, ValueError):
        return datetime.now(UTC)


def rate_limit_wait(response: requests.Response) -> float | None:
    """Seconds to wait when the answer says that a limit is reached, else None.

    In GitHub's documented order: Retry-After (seconds or HTTP date), the reset of an exhausted budget, a minute.
    """
    if response.status_code not in (403, 429) and not _graphql_rate_limited(response):
        return None
    headers = response.headers
    if "Retry-After" in headers:
        return _retry_after(headers["Retry-After"], server_time(response))
    if headers.get("x-ratelimit-remaining") == "0" and headers.get("x-ratelimit-reset", "").isdigit():
        reset = datetime.fromtimestamp(int(headers["x-ratelimit-reset"]), UTC)
        return max(0.0, (reset - server_time(response)).total_seconds()) + 1
    if response.status_code == 429 or "rate limit" in response.text[:2000].lower():
        return SECONDARY_LIMIT_SECONDS
    return None


def _graphql_rate_limited(response: requests.Response) -> bool:
    return (
        response.status_code == 200
        and response.headers.get("x-ratelimit-remaining") == "0"
        and '"RATE_LIMITED"' in response.text[:2000]
    )


def _retry_after(value: str, now: datetime) -> float:
    if value.strip().isdigit():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value).astimezone(UTC) - now).total_seconds())
    except ValueError:
        return SECONDARY_LIMIT_SECONDS
