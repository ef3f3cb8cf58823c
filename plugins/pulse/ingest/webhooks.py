"""GitHub's and Jira's webhooks: whether one is genuine and new, and what it says has moved.

A webhook is never read as data: it says which stream of which scope to read, and the next run reads it as always.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pulse.ingest.keys import webhook_secret

# The header with the signature, and the one with the delivery's id.
HEADERS = {
    "github": ("x-hub-signature-256", "x-github-delivery"),
    "jira": ("x-hub-signature", "x-atlassian-webhook-identifier"),
}
# Jira repeats a webhook that failed for some hours.
OLDEST = timedelta(hours=24)
AHEAD = timedelta(minutes=5)

_SIGNATURE = re.compile(r"sha256=([0-9a-fA-F]{64})")
_ID = re.compile(r"[0-9]{1,19}")
# What GitHub's events say has moved. Other events say nothing that Pulse reads.
_STREAMS: dict[str, tuple[str, ...]] = {
    "push": ("history", "tags"),
    "create": ("tags",),
    "delete": ("tags",),
    "deployment": ("deployments",),
    "deployment_status": ("deployments",),
    "release": ("releases",),
    "issues": ("issues",),
    "pull_request": ("pull_requests",),
    "pull_request_review": ("pull_requests",),
    "workflow_run": ("workflow_runs",),
}
_UNFINISHED = ("requested", "in_progress", "queued", "waiting")


def secret_of(nonces: Iterable[str], signature: str, body: bytes) -> str | None:
    """The secret that signed the body; None if none did. Takes as long when there is no secret, or the signature is wrong."""
    given = _SIGNATURE.fullmatch(signature)
    found = None
    for nonce in [*nonces] or [secrets.token_hex(16)]:
        secret = webhook_secret(nonce)
        wanted = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        if hmac.compare_digest(wanted, given[1].lower() if given else ""):
            found = secret
    return found


def names_of(kind: str, headers: Mapping[str, str], body: bytes) -> list[str]:
    """What must not have been taken before: the delivery's id, and what was signed. (The id itself is not signed.)"""
    delivery = headers.get(HEADERS[kind][1], "")
    ids = [f"id:{hashlib.sha256(delivery.encode('utf-8', 'replace')).hexdigest()}"] if delivery else []
    return [*ids, f"body:{hashlib.sha256(body).hexdigest()}"]


def is_outdated(payload: Any, now: datetime | None = None) -> bool:
    """Whether the moment that Jira signs with the body is not a recent one."""
    stamp = payload.get("timestamp") if isinstance(payload, dict) else None
    if isinstance(stamp, bool) or not isinstance(stamp, int):
        return False
    age = (
        round((now or datetime.now(UTC)).timestamp() * 1000) - stamp
    )  # whole numbers, because a stamp may have any length
    return not -AHEAD.total_seconds() * 1000 <= age <= OLDEST.total_seconds() * 1000


def moves(kind: str, headers: Mapping[str, str], payload: Any) -> list[tuple[str, str]]:
    """The (scope, stream) pairs that a webhook says have moved."""
    if kind == "github":
        event = headers.get("x-github-event", "")
        scope = _id_at(payload, "repository", "id")
        if event == "workflow_run" and isinstance(payload, dict) and payload.get("action") in _UNFINISHED:
            return []
        return [(scope, stream) for stream in _STREAMS.get(event, ())] if scope else []
    scope = _id_at(payload, "issue", "fields", "project", "id")
    return [(scope, "issues")] if scope else []


def _id_at(value: Any, *path: str) -> str:
    """The number at a path, as text; empty if there is none."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return text if _ID.fullmatch(text) else ""
