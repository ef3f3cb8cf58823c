"""What the sandbox remembers between requests: its clock, rate-limit budgets, counters, ordered faults, answers."""

from __future__ import annotations

import re
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any, TypeVar

T = TypeVar("T")

GITHUB_LIMIT = 5000
KEPT_ANSWERS = 500
WINDOW_SECONDS = 3600
SECONDARY_LIMITS = {"graphql": 2000, "core": 900}


@dataclass
class Budget:
    """The hourly budget of one credential and resource, as GitHub's headers report it."""

    limit: int
    remaining: int
    reset: int
    resource: str
    exhausted: bool = False

    @property
    def headers(self) -> dict[str, str]:
        return {
            "x-ratelimit-limit": str(self.limit),
            "x-ratelimit-remaining": str(self.remaining),
            "x-ratelimit-used": str(self.limit - self.remaining),
            "x-ratelimit-reset": str(self.reset),
            "x-ratelimit-resource": self.resource,
        }


@dataclass
class Fault:
    """An answer that replaces the real one for the next `count` requests whose path (and body, if given) match.

    `changes`, `errors`, `replace` keep the real answer and spoil a part of it. `changes`: values by path ("*" stands for
    every item of a list). `errors`: added to a GraphQL answer. `replace`: a pattern in the text of the answer and what comes
    instead, both as Latin-1, so that the answer may hold any byte. `odd`: a seed; one field of some of the answers, chosen at
    random, gets a value of another kind. `no_content`: an answer whose list is empty is HTTP 204 instead.
    """

    path_regex: str
    body_regex: str = ""
    count: int = 1
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    cut: bool = False
    delay_seconds: float = 0.0
    changes: list[dict[str, Any]] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)
    replace: list[str] = field(default_factory=list)
    odd: int | None = None
    no_content: bool = False

    @property
    def spoils(self) -> bool:
        """Whether the real answer is needed."""
        return bool(self.changes or self.errors or self.replace or self.no_content or self.odd is not None)


class State:
    """One sandbox process's memory. `frozen`: a fixed current time, for tests that need the world not to change."""

    def __init__(self, frozen: datetime | None = None) -> None:
        self.frozen = frozen
        self._answers: OrderedDict[Hashable, Any] = OrderedDict()
        self._changes = count(1)
        self.reset()

    def reset(self) -> None:
        """Forget counters, budgets and faults."""
        self.calls: Counter[str] = Counter()
        self.requests: set[str] = set()  # method, path and the names of the parameters
        self.points: Counter[str] = Counter()
        self.faults: list[Fault] = []
        self.chaos: Any = None  # sandbox.chaos.Chaos
        self.limit = GITHUB_LIMIT
        self.secondary = False
        self.others_points = 0  # what others spend of each credential's limits per minute
        self.headers: dict[str, str] = {}
        self.skew_seconds = 0.0  # by how much the Date header differs from the world's time
        self.search_lag_seconds = 0.0  # how far Jira's search index lags
        self.repeat_page_tokens = False  # whether Jira's search repeats the same page endlessly
        self._minute: Counter[tuple[str, str, int]] = Counter()
        self._used: Counter[tuple[str, str, int]] = Counter()
        self.worlds: dict[str, int] = {}  # the number of the latest change by organisation; none while it is untouched

    def now(self) -> datetime:
        """The world's time."""
        return self.frozen or datetime.now(UTC)

    def changed(self, organisation: str) -> None:
        """Note that an organisation's world has changed: answers about it are worked out again."""
        self.worlds[organisation] = next(self._changes)

    def once(self, organisation: str, question: Hashable, answer: Callable[[], T]) -> T:
        """An answer that depends on the question, an organisation's world and the time only: worked out once while the clock
        stands, because tests ask the same questions again and again."""
        if self.frozen is None:
            return answer()
        key = (organisation, self.worlds.get(organisation), self.frozen, question)
        if key not in self._answers:
            self._answers[key] = answer()
        self._answers.move_to_end(key)
        if len(self._answers) > KEPT_ANSWERS:
            self._answers.popitem(last=False)
        return self._answers[key]  # type: ignore[no-any-return]

    def budget(self, credential: str, resource: str, points: int) -> Budget:
        """Take points from the hour's budget."""
        window = int(self.now().timestamp()) // WINDOW_SECONDS
        key = (credential, resource, window)
        reset = (window + 1) * WINDOW_SECONDS
        if self._used[key] + points > self.limit:
            return Budget(self.limit, 0, reset, resource, exhausted=True)
        self._used[key] += points
        self.points[credential] += points
        return Budget(self.limit, self.limit - self._used[key], reset, resource)

    def take_fault(self, path: str, body: str) -> Fault | None:
        """The next ordered fault for a request, used up once."""
        for fault in self.faults:
            if fault.count > 0 and re.search(fault.path_regex, path) and re.search(fault.body_regex, body):
                fault.count -= 1
                return fault
        return self.chaos.fault(path, body, self) if self.chaos else None

    def too_fast(self, credential: str, resource: str, points: int) -> bool:
        """Whether a secondary limit is exceeded: 2,000 points per minute for GraphQL, 900 for REST, by the real clock."""
        key = (credential, resource, int(time.monotonic()) // 60)
        self._minute[key] += points
        return self.secondary and self._minute[key] + self.others_points > SECONDARY_LIMITS[resource]
