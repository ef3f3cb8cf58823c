"""How long to wait: what an upstream's answer says about its rate limits, and the budget that is left."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import requests

SECONDARY_LIMIT_SECONDS = 60.0
LONGEST_WAIT_SECONDS = 24 * 3600.0  # else an upstream could park a client for ever


@dataclass
class _Budget:
    remaining: int
    resets_at: float  # on this process's monotonic clock
    highest_cost: int = 1


class Limiter:
    """The budgets of one credential on one host, by resource (GitHub: core, graphql).

    Several tasks spend the same budget. Each answer reports what all of them have left, so they need not share anything.
    """

    def __init__(self) -> None:
        self._budgets: dict[str, _Budget] = {}

    def learn(self, resource: str, response: requests.Response) -> int | None:
        """Note the budget that an answer reports and return what is left of it; None if it reports none."""
        remaining = response.headers.get("x-ratelimit-remaining", "")
        seconds = _seconds_to_reset(response)
        if not (remaining.isdecimal() and len(remaining) < 10) or seconds is None:
            return None
        known = self._budgets.get(resource)
        budget = _Budget(int(remaining), time.monotonic() + seconds)
        if known is not None:
            spent = known.remaining - budget.remaining
            budget.highest_cost = max(known.highest_cost, spent) if 0 < spent <= 50 else known.highest_cost
        self._budgets[resource] = budget
        return budget.remaining

    def seconds_until_allowed(self, resource: str) -> float:
        """0 if the budget allows the next call, else the seconds until it is renewed.

        A call is assumed to cost as much as the most expensive one so far. A call without budget would be refused, and
        would count against the secondary limits.
        """
        budget = self._budgets.get(resource)
        if budget is None or budget.remaining >= budget.highest_cost:
            return 0.0
        return max(0.0, budget.resets_at - time.monotonic())


def server_time(response: requests.Response) -> datetime:
    """The upstream's clock (Date header), so that ours never matters; ours if it sends none."""
    try:
        return parsedate_to_datetime(response.headers["Date"]).astimezone(UTC)
    except (KeyError, ValueError, OverflowError):
        return datetime.now(UTC)


def seconds_to_wait(response: requests.Response, attempt: int) -> float:
    """Seconds to wait after an answer that reports a rate limit, at most a day; `attempt` counts from 1.

    In GitHub's documented order: Retry-After (seconds or HTTP date), the reset of an exhausted budget, or else a minute
    that doubles with each attempt. Jira sends Retry-After, and its reset as an ISO time.
    """
    return min(_seconds_asked_for(response, attempt), LONGEST_WAIT_SECONDS)


def _seconds_asked_for(response: requests.Response, attempt: int) -> float:
    retry_after = response.headers.get("Retry-After")
    if retry_after is not None:
        seconds = _retry_after(retry_after, server_time(response))
        if seconds is not None:
            return seconds
    reset = _seconds_to_reset(response)
    if response.headers.get("x-ratelimit-remaining") == "0" and reset is not None:
        return reset + 1
    return float(SECONDARY_LIMIT_SECONDS * 2 ** (attempt - 1))


def is_rate_limited(response: requests.Response) -> bool:
    """Whether status and headers report a rate limit. (GitHub may also report one in a 200: see its client.)"""
    if response.status_code == 429:
        return True
    if response.status_code != 403:
        return False
    return (
        "Retry-After" in response.headers
        or response.headers.get("x-ratelimit-remaining") == "0"
        or b"rate limit" in response.content[:2000].lower()
    )


def _seconds_to_reset(response: requests.Response) -> float | None:
    """Seconds until the budget is renewed, by the server's clock: epoch seconds (GitHub) or an ISO time (Jira)."""
    value = response.headers.get("x-ratelimit-reset", "")
    try:
        reset = datetime.fromtimestamp(int(value), UTC) if value.isdigit() else datetime.fromisoformat(value)
        return min(max(0.0, (reset.astimezone(UTC) - server_time(response)).total_seconds()), LONGEST_WAIT_SECONDS)
    except (ValueError, OverflowError, OSError):
        return None


def _retry_after(value: str, now: datetime) -> float | None:
    try:
        return (
            max(0.0, float(value))
            if value.strip().isdigit()
            else max(0.0, (parsedate_to_datetime(value).astimezone(UTC) - now).total_seconds())
        )
    except (ValueError, OverflowError):
        return None
