"""Random faults from a seed: everything that the real services were seen to do, each where it belongs."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from email.utils import format_datetime

from sandbox.state import Fault, State

_NULL_NODES = {
    "data": {
        "node": {
            connection: {"nodes": [None, None], "pageInfo": {"hasNextPage": True, "endCursor": "x"}}
            for connection in ("pullRequests", "deployments", "issues", "releases")
        }
    }
}
_RESOURCE_LIMITS = {
    "data": None,
    "errors": [{"message": "Resource limits for this query exceeded.", "type": "RESOURCE_LIMITS_EXCEEDED"}],
}
_SECONDARY = {"message": "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."}
_WALKS = r"query (PullRequests|Deployments|Issues|Releases)\("


class Chaos:
    """Orders a fault for a share of the requests, and changes the world during some of them (through `mutate`). The same seed
    and requests give the same faults."""

    def __init__(self, seed: int, rate: float, change_rate: float, mutate: Callable[[int], None]) -> None:
        self.random = random.Random(seed)
        self.rate = rate
        self.change_rate = change_rate
        self.mutate = mutate
        self.done: Counter[str] = Counter()

    def change(self) -> None:
        """Called before a request is answered; perhaps changes the world."""
        if self.random.random() < self.change_rate:
            self.done["changes"] += 1
            self.mutate(self.random.randrange(1 << 30))

    def fault(self, path: str, body: str, state: State) -> Fault | None:
        """The fault for a request, or None."""
        if self.random.random() >= self.rate:
            return None
        soon = {"Retry-After": "0"}
        date = {
            "Retry-After": format_datetime(state.now() + timedelta(seconds=1), usegmt=True),
            "Date": format_datetime(state.now(), usegmt=True),
        }
        passing = {
            "429": Fault("", status=429, headers=soon),
            "429 with a date": Fault("", status=429, headers=date),
            "403 secondary": Fault("", status=403, headers=soon, body=_SECONDARY),
            "503": Fault("", status=503),
            "cut": Fault("", cut=True),
            "malformed": Fault("", status=200, body="{ broken"),
            "slow": Fault("", delay_seconds=0.05),
        }
        if "/graphql" in path:
            passing["200 limited"] = Fault(
                "",
                status=200,
                headers=soon,
                body={"errors": [{"type": "RATE_LIMITED", "message": "API rate limit exceeded"}]},
            )
            if re.search(_WALKS, body):
                passing |= {
                    "502": Fault("", status=502, body="<html>Bad Gateway</html>"),
                    "504": Fault("", status=504),
                    "resource limits": Fault("", status=200, body=_RESOURCE_LIMITS),
                    "null nodes": Fault("", status=200, body=_NULL_NODES),
                }
        if "/jira/" in path:
            passing["jira burst"] = Fault("", status=429, headers={**soon, "RateLimit-Reason": "jira-burst-based"})
        name = self.random.choice(sorted(passing))
        self.done[name] += 1
        return passing[name]
