"""How long to wait: what an upstream's answer says about its rate limits, and the budget that is left."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import requests

SECONDARY_LIMIT_SECONDS = 60.0
LONGEST_WAIT_SECONDS = 24 * 3600.0  # else an upstream could park a client for ever
FARTHEST_AHEAD = timedelta(days=30)
# Larger numbers are no spans of time but moments since 1970, in seconds or milliseconds.
_EPOCH_SECONDS, _MILLISECONDS, _A_YEAR = 1e9, 1e11, 366 * 86400.0
_NUMBER = re.compile(r"[0-9]{1,400}(?:\.[0-9]{1,20})?")
_LIMIT_WORDS = re.compile(rb"rate limit|rate-limit|abuse detection|abuse-rate", re.IGNORECASE)


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
    """The upstream's clock (Date header), so that ours never matters; ours if it sends none, or one that is far ahead: with
    such a watermark, nothing would be read for years.
    """
    ours = datetime.now(UTC)
    try:
        theirs = parsedate_to_datetime(response.headers["Date"]).astimezone(UTC)
    except (KeyError, ValueError, OverflowError, TypeError, IndexError):
        return ours
    return theirs if theirs < ours + FARTHEST_AHEAD else ours


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


def is_rate_limited(response: requests.Response, explains: bool = False) -> bool:
    """Whether status and headers report a rate limit. (GitHub may also report one in a 200: see its client.)

    `explains`: this upstream gives a reason with every other 403.
    """
    if response.status_code == 429:
        return True
    if response.status_code != 403:
        return False
    return (
        "Retry-After" in response.headers
        or "gh-limited-by" in response.headers
        or response.headers.get("x-ratelimit-remaining") == "0"
        or _LIMIT_WORDS.search(response.content[:2000]) is not None
        or (explains and not response.content.strip())
    )


def _seconds_to_reset(response: requests.Response) -> float | None:
    """Seconds until the budget is renewed, by the server's clock: see _moment."""
    now = server_time(response)
    reset = _moment(response.headers.get("x-ratelimit-reset", ""), now)
    return None if reset is None else _seconds_between(now, reset)


def _retry_after(value: str, now: datetime) -> float | None:
    moment = _moment(value, now)
    return None if moment is None else _seconds_between(now, moment)


def _seconds_between(now: datetime, later: datetime) -> float:
    return min(max(0.0, (later - now).total_seconds()), LONGEST_WAIT_SECONDS)


def _moment(value: str, now: datetime) -> datetime | None:
    """A moment in any form that was seen: seconds from now, seconds or milliseconds since 1970, an HTTP date, an ISO time.

    None for what is no moment (a negative number, NaN). One that is too far away for a calendar is a year ahead.
    """
    text = value.strip()
    if _NUMBER.fullmatch(text):
        number = float(text)
        number = number / 1000 if number >= _MILLISECONDS else number
        seconds = number - now.timestamp() if number >= _EPOCH_SECONDS else number
        return now + timedelta(seconds=min(seconds, _A_YEAR))
    for parse in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            found = parse(text)
            return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
        except (ValueError, OverflowError, TypeError, IndexError):
            continue
    return None
