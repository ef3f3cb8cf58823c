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
_ABUSE = {"message": "You have triggered an abuse detection mechanism. Please wait a few minutes before you try again."}
_INTERNAL = {"data": None, "errors": [{"message": "Something went wrong", "type": "INTERNAL"}]}
_SIGN_IN = "<!DOCTYPE html><html><head><title>Sign in</title></head><body></body></html>"
_CONNECTIONS = {
    "PullRequests": "pullRequests",
    "Deployments": "deployments",
    "Issues": "issues",
    "Releases": "releases",
    "PullRequestsWithFiles": "pullRequests",
}
_WALKS = r"query (PullRequests|PullRequestsWithFiles|Deployments|Issues|Releases)\("


def _forbidden(connection: str) -> Fault:
    """The first node of a page is withheld, with a reason."""
    path = ["node", connection, "nodes", 0]
    error = {"type": "FORBIDDEN", "path": path, "message": "Resource protected by organization SAML enforcement."}
    return Fault("", changes=[{"path": ["data", *path], "value": None}], errors=[error])


def _no_files() -> Fault:
    """The files of a page's first pull request are withheld."""
    path = ["node", "pullRequests", "nodes", 0, "files"]
    error = {"type": "INTERNAL", "path": path, "message": "The files of this pull request cannot be listed."}
    return Fault("", changes=[{"path": ["data", *path], "value": None}], errors=[error])


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
            "truncated": Fault("", status=200, body='{"data": {"node": {"id": "R_1", "issues'),
            "no number": Fault("", status=200, body='{"data": NaN, "issues": NaN}'),
            "sign-in page": Fault("", status=200, body=_SIGN_IN),
            "slow": Fault("", delay_seconds=0.05),
        }
        if "/github/" in path:
            passing["abuse detection"] = Fault("", status=403, headers=soon, body=_ABUSE)
            passing["a 403 without a word"] = Fault("", status=403, headers={**soon, "gh-limited-by": "x"}, body=" ")
        if "/actions/" in path:
            passing |= {str(code): Fault("", status=code, body={"message": "no"}) for code in (403, 404, 410, 451, 500)}
        if "/agile/" in path:
            passing |= {str(code): Fault("", status=code, body={"errorMessages": ["no"]}) for code in (409, 422, 500)}
            passing["no values"] = Fault("", status=200, body={"values": None, "isLast": True})
            passing["an empty page"] = Fault("", status=200, body={"values": [], "isLast": False})
        if "/files" in path:
            passing |= {str(code): Fault("", status=code, body={"message": "no"}) for code in (422, 500)}
        if "/graphql" not in path:
            passing["204 for an empty list"] = Fault("", no_content=True)
        if "/graphql" in path:
            passing["200 limited"] = Fault(
                "",
                status=200,
                headers=soon,
                body={"errors": [{"type": "RATE_LIMITED", "message": "API rate limit exceeded"}]},
            )
            if re.search("query (Jobs|Census)", body):
                passing["internal"] = Fault("", status=200, body=_INTERNAL)
            if walk := re.search(_WALKS, body):
                passing["a forbidden node"] = _forbidden(_CONNECTIONS[walk[1]])
                if walk[1] == "PullRequestsWithFiles":
                    passing["no files"] = _no_files()
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
