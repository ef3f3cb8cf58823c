"""What moved: one call for many repositories, so that quiet ones cost nothing.

Each answer holds the number of rows and the newest row of every connection: the repository's fingerprint. It is compared,
connection by connection, with that of the last finished visit (checkpoint stream "probe"), and only what differs is read.
GraphQL has no connection for workflow runs. They follow a push or a deployment, so they are read at every visit, for a
while after the repository last moved, and a few times a day.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pulse.sources.base import Scope, Source
from pulse.sources.github import comparisons
from pulse.sources.github.client import Node
from pulse.sources.github.streams import WITH_FILES
from pulse.warehouse.checkpoints import Checkpoint

STREAM = "probe"
RUNS_WATCHED_AFTER_CHANGE = timedelta(hours=1)
# GitHub's times are whole seconds, and its replicas lag: for this long, a row may change without getting a newer time.
UNSURE_FOR = timedelta(minutes=5)
RUNS_EVERY = timedelta(hours=6)
CENSUS_EVERY = timedelta(days=7)
COUNTED = {"pull_requests": "pullRequests", "issues": "issues", "deployments": "deployments", "releases": "releases"}
STREAM_NAMES = ("history", "deployments", "releases", "tags", "issues", "pull_requests", "workflow_runs")

_STORED = """
    select scope_key, stream, watermark_at, cursor_data from core.etl_checkpoints
    where client_id = %(client)s and integration_id = %(integration)s
      and (stream in ('probe', 'census') or cursor_data ?| array['segments', 'after', 'windows', 'pending'])
"""
_OPEN = """
    select scope_key, 'deployments' from raw.github_deployments
    where client_id = %(client)s and integration_id = %(integration)s and deleted_at is null
      and payload ->> 'state' in ('PENDING', 'QUEUED', 'IN_PROGRESS', 'WAITING')
      and payload ->> 'createdAt' > %(month_ago)s
    union
    select scope_key, 'workflow_runs' from raw.github_workflow_runs
    where client_id = %(client)s and integration_id = %(integration)s and deleted_at is null
      and payload ->> 'status' <> 'completed' and payload ->> 'created_at' > %(month_ago)s
    union
    select scope_key, replace(entity, 'github_', '') from raw.rejects
    where client_id = %(client)s and integration_id = %(integration)s and replayed_at is null
      and entity in ('github_pull_requests', 'github_issues', 'github_deployments', 'github_releases',
                     'github_workflow_runs')
      and record_id is not null -- else nobody can ask for it alone
      and rejected_at > now() - interval '7 days'
"""
# What a webhook said has moved since the last visit began, or shortly before: GitHub may not have shown it yet.
_MOVED = """
    select m.scope_key, m.stream
    from core.ingest_moves m
    left join core.etl_checkpoints c
        on (c.client_id, c.integration_id, c.scope_key, c.stream) = (m.client_id, m.integration_id, m.scope_key, 'probe')
    where m.client_id = %(client)s and m.integration_id = %(integration)s
      and m.moved_at > coalesce(c.watermark_at - interval '2 minutes', '-infinity')
"""


@dataclass
class LastVisit:
    """What a repository's last visit stored."""

    seen: dict[str, str] = field(default_factory=dict)
    moved_at: datetime | None = None
    runs_at: datetime | None = None
    counted_at: datetime | None = None
    reread_at: datetime | None = None
    count_failed: bool = False
    unfinished: set[str] = field(default_factory=set)


def fingerprint(node: Node) -> dict[str, str]:
    """For each stream, the value that must differ from the last visit's for the stream to be read again."""
    head = ((node.get("defaultBranchRef") or {}).get("target") or {}).get("oid") or ""
    seen = {"history": str(head), "tags": str((node.get("refs") or {}).get("totalCount", 0))}
    for stream, connection in COUNTED.items():
        value = node.get(connection) or {}
        newest = (value.get("nodes") or [None])[0] or {}
        seen[stream] = f"{value.get('totalCount', 0)} {newest.get('databaseId', '')} {newest.get('updatedAt', '')}"
    seen["workflow_runs"] = str(node.get("pushedAt") or "")
    return seen


def reliable_part(node: Node, seen: dict[str, str], now: datetime) -> dict[str, str]:
    """The reliable part of a fingerprint.

    It leaves out streams whose newest row is so young that another change of the same second may have been missed. The
    next visit reads those once more.
    """

    def is_young(connection: str) -> bool:
        newest = ((node.get(connection) or {}).get("nodes") or [None])[0] or {}
        try:
            return "updatedAt" in newest and datetime.fromisoformat(newest["updatedAt"]) > now - UNSURE_FOR
        except (TypeError, ValueError):
            return True

    young = {stream for stream, connection in COUNTED.items() if is_young(connection)}
    return {stream: value for stream, value in seen.items() if stream not in young}


def totals(node: Node) -> dict[str, int]:
    """The upstream's number of rows, by stream; without those of which GitHub's answer does not say it."""
    found = {stream: (node.get(connection) or {}).get("totalCount") for stream, connection in COUNTED.items()}
    return {stream: count for stream, count in found.items() if isinstance(count, int)}


def last_visits(source: Source, now: datetime) -> dict[str, LastVisit]:
    """What the last visits stored, by repository."""
    found: dict[str, LastVisit] = {}
    for key, stream, watermark, cursor in source.query(_STORED):
        one = found.setdefault(key, LastVisit())
        if stream == STREAM:
            one.seen = cursor.get("seen", {})
            one.moved_at = datetime.fromisoformat(cursor["moved_at"])
            one.runs_at = watermark
            one.reread_at = datetime.fromisoformat(cursor["reread_at"]) if cursor.get("reread_at") else None
        elif stream == "census":
            one.counted_at = watermark
            one.count_failed = bool(cursor.get("failed"))
        else:
            one.unfinished.add(stream.removesuffix(WITH_FILES))
    open_streams = source.query(_OPEN, month_ago=(now - timedelta(days=35)).isoformat())
    unplaced = [(key, comparisons.STREAM) for key in comparisons.waiting(source)]
    for key, stream in [*open_streams, *source.query(_MOVED), *unplaced]:
        found.setdefault(key, LastVisit()).unfinished.add(stream)
    return found


def scope_of(node: Node, known: LastVisit | None, now: datetime, with_runs: bool, with_files: bool) -> Scope | None:
    """The repository as a scope that says what to read of it; None if there is nothing to read."""
    seen = fingerprint(node)
    if with_files:
        seen["pull_requests"] += WITH_FILES
    old = known or LastVisit()
    changed = {stream for stream in seen if seen[stream] != old.seen.get(stream)}
    counts = old.count_failed or (old.counted_at is not None and now - old.counted_at >= CENSUS_EVERY)
    # What is read again for a count is not read once more when only the count fails.
    reread_at = max(filter(None, (old.counted_at, old.reread_at)), default=now)
    rereads = counts and now - reread_at >= CENSUS_EVERY
    due = changed | old.unfinished
    if rereads:
        due.update(STREAM_NAMES)
    recently_changed = old.moved_at is None or now - old.moved_at < RUNS_WATCHED_AFTER_CHANGE
    if due or recently_changed or old.runs_at is None or now - old.runs_at >= RUNS_EVERY:
        due.add("workflow_runs")
    if not with_runs:
        due -= {"workflow_runs", "workflow_jobs"}
    if not due and not counts:
        return None
    data: dict[str, Any] = {
        "node_id": node["id"],
        "created_at": node["createdAt"],
        "now": now.isoformat(),
        "due": sorted(due),
        "seen": reliable_part(node, seen, now),
        "totals": totals(node),
        "moved_at": (now if changed or old.moved_at is None else old.moved_at).isoformat(),
    }
    if counts:
        data["census"] = True
    if rereads:
        data["reread"] = True
    if last_reread := now if rereads else old.reread_at:
        data["reread_at"] = last_reread.isoformat()
    return Scope(str(int(node["databaseId"])), str(node["nameWithOwner"]), data)


def visited(scope: Scope, but: Collection[str] = ()) -> Checkpoint:
    """The checkpoint that records that a repository was read up to this scope's fingerprint, `but` for some streams."""
    seen = {stream: value for stream, value in scope.data["seen"].items() if stream not in but}
    cursor = {"seen": seen, "moved_at": scope.data["moved_at"], "reread_at": scope.data.get("reread_at")}
    return Checkpoint(
        STREAM,
        scope.key,
        datetime.fromisoformat(scope.data["now"]),
        {name: value for name, value in cursor.items() if value is not None},
    )
