"""Workflow runs and their jobs. They exist only in REST, which gives at most 1,000 results per search, ordered by creation.

So time is cut into windows of creation time, newest first, and a window is halved until it holds few enough runs. A run
that had not ended (its stored status says so) is read again until it has. A repeated run gets a row for each attempt.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, LiteralString

from pulse.errors import AccessLost, TooMuch, UpstreamError
from pulse.sources.base import Scope, Source, page_of
from pulse.sources.github import records
from pulse.sources.github.client import REST_PAGE, GitHubClient
from pulse.sources.github.jobs import Jobs
from pulse.sources.refusals import UNREAD_IN_A_ROW
from pulse.warehouse.checkpoints import Checkpoint
from pulse.warehouse.loader import Page, Reject

STREAM = "workflow_runs"
ENTITY = "github_workflow_runs"
RESULTS = 1000
# How far a visit looks back, because a repeated run keeps its creation time.
LOOKBACK = timedelta(days=1)
RESCAN = timedelta(days=30)
OVERLAP = timedelta(minutes=5)
PAGES_PER_RUN = 200
ATTEMPTS = 10
_UNREAD: Any = object()
UNREADABLE = "GitHub's answer about this workflow run cannot be read, even alone"
# Earlier attempts are only read for runs younger than this.
ATTEMPTS_OF = timedelta(days=90)

Window = list[str]

_INCOMPLETE = """
    select (payload ->> 'id')::bigint, (payload ->> 'run_attempt')::integer from raw.github_workflow_runs
    where client_id = %(client)s and integration_id = %(integration)s and scope_key = %(scope)s and deleted_at is null
      and payload ->> 'status' <> 'completed' and payload ->> 'created_at' > %(since)s
    union
    select split_part(record_id, ':', 1)::bigint, split_part(record_id, ':', 2)::integer from raw.rejects
    where client_id = %(client)s and integration_id = %(integration)s and scope_key = %(scope)s
      and entity = 'github_workflow_runs' and not is_stored_form and replayed_at is null
      and record_id ~ '^[0-9]{1,18}:[0-9]{1,9}$' and rejected_at > now() - interval '7 days'
    order by 1 desc limit 200
"""
# Attempts before the stored one that are not stored as ended. (Each costs a call of its own, so only for young runs.)
_EARLIER = """
    select (r.payload ->> 'id')::bigint, attempt
    from raw.github_workflow_runs r
    cross join lateral (select (r.payload ->> 'run_attempt')::integer as newest) n
    cross join lateral generate_series(greatest(1, newest - %(most)s), newest - 1) attempt
    where r.client_id = %(client)s and r.integration_id = %(integration)s and r.scope_key = %(scope)s
      and r.deleted_at is null and r.payload ->> 'run_attempt' <> '1' and r.payload ->> 'created_at' >= %(since)s
      and not exists (
          select from raw.github_workflow_runs e
          where e.client_id = r.client_id and e.integration_id = r.integration_id
            and e.record_id = (r.payload ->> 'id') || ':' || attempt and e.payload ->> 'status' = 'completed')
    group by 1, 2 order by 1 desc, 2
"""
_STORED = """
    select record_id, payload ->> 'status' from raw.github_workflow_runs
    where client_id = %(client)s and integration_id = %(integration)s and record_id = any(%(ids)s)
"""


class WorkflowRuns:
    """The runs of one repository."""

    def __init__(self, source: Source, github: GitHubClient, scope: Scope) -> None:
        self.source = source
        self.github = github
        self.scope = scope
        self.jobs = Jobs(source, github, scope)
        self.pages_left = PAGES_PER_RUN
        self.read: set[tuple[int, int]] = set()

    def run(self, rescan: bool = False) -> None:
        """Read the windows since the watermark, what earlier runs left, and then the runs that had not ended.

        `rescan`: start a month before the watermark.
        """
        checkpoint = self.source.checkpoint(STREAM, self.scope.key)
        now = datetime.fromisoformat(self.scope.data["now"])
        since = datetime.fromisoformat(self.scope.data["created_at"])
        if checkpoint.watermark_at:
            since = max(since, checkpoint.watermark_at - (RESCAN if rescan else LOOKBACK))
        # Windows that earlier runs left stay as they are: no new run can appear in the past.
        windows: list[Window] = [*checkpoint.cursor.get("windows", []), [_second(since), _second(now + OVERLAP)]]
        watermark = now - OVERLAP
        while windows and self.pages_left > 0:
            self._window(windows, watermark)
        self.source.stats.unfinished += 1 if windows else 0
        self._unfinished(now)
        self._earlier_attempts(now)

    def _window(self, windows: list[Window], watermark: datetime) -> None:
        """Read the newest window, or halve it if it holds too many runs."""
        start, end = windows[-1]
        found, unread, total = self._ask(start, end, 1)
        if total > RESULTS and start != end:
            middle = datetime.fromisoformat(start) + (datetime.fromisoformat(end) - datetime.fromisoformat(start)) / 2
            windows[-1:] = [[start, _second(middle)], [_second(middle), end]]
            if windows[-1] == [start, end]:  # one second cannot be halved
                del windows[-2]
            else:
                return
        items, lost = self._pages(found, unread, start, end)
        if len(items) + len(lost) < min(total, RESULTS):
            # A run was deleted while we read, which moved the others up by one place.
            more, _ = self._pages(*self._ask(start, end, 1)[:2], start, end)
            items |= more
        windows.pop()
        cursor = {"windows": windows} if windows else {}
        rejects = [Reject(_named_in(text), self.scope.key, json.dumps({"answer": text}), UNREADABLE) for text in lost]
        self._store(items.values(), [Checkpoint(STREAM, self.scope.key, watermark, cursor)], rejects)

    def _pages(self, found: list[Any], lost: list[str], start: str, end: str) -> tuple[dict[Any, Any], list[str]]:
        """All runs of a window, given its first page, and the texts of those that cannot be read."""
        number, items, unread = 1, dict[Any, Any](), list(lost)
        while True:
            items |= {_key(item): item for item in found}
            if len(found) + len(lost) < REST_PAGE or number * REST_PAGE >= RESULTS:
                return items, unread
            number += 1
            found, lost, _ = self._ask(start, end, number)
            unread += lost

    def _ask(self, start: str, end: str, page: int) -> tuple[list[Any], list[str], int]:
        """A page of a window: its runs, the texts of those that cannot be read, and how many the window has."""
        self.pages_left -= 1
        return self.github.rest_page(
            f"repos/{self.scope.label}/actions/runs", "workflow_runs", page, created=f"{start}..{end}"
        )

    def _store(
        self,
        items: Iterable[Any],
        checkpoints: Iterable[Checkpoint] = (),
        rejects: Iterable[Reject] = (),
        with_jobs: bool = True,
    ) -> None:
        page = page_of(
            ENTITY,
            items,
            lambda item: records.workflow_run(item, self.scope.key),
            self.scope.key,
            lambda item: f"{item['id']}:{item.get('run_attempt') or 1}",
        )
        page.rejects.extend(rejects)
        stored = self._stored(row.record_id for row in page.rows)
        ended = [
            row.payload
            for row in page.rows
            if row.payload["status"] == "completed"
            and stored.get(row.record_id) != "completed"
            and row.payload["node_id"]
        ]
        self.read.update((row.payload["id"], row.payload["run_attempt"]) for row in page.rows)
        jobs = self.jobs.of(ended if with_jobs else [])
        self.source.store([page, jobs], [*checkpoints, *self.jobs.notes()])

    def _earlier_attempts(self, now: datetime) -> None:
        """Read and store the attempts before those that the windows show. (Jobs exist only for the newest attempt.)"""
        in_a_row = 0
        for run_id, attempt in self._query(_EARLIER, most=ATTEMPTS, since=now - ATTEMPTS_OF):
            found = self._tried(f"actions/runs/{run_id}/attempts/{attempt}")
            in_a_row = in_a_row + 1 if found is _UNREAD else 0
            if in_a_row > UNREAD_IN_A_ROW:
                return  # the next run asks for them
            if found is not None and found is not _UNREAD:
                self._store([found], with_jobs=False)

    def _unfinished(self, now: datetime) -> None:
        """Read each run again that had not ended when it was stored; mark those that are gone."""
        rows = self._query(_INCOMPLETE, since=now - timedelta(days=35))
        for run_id, attempt in rows:
            if (run_id, attempt) in self.read:
                continue
            found = self._tried(f"actions/runs/{run_id}")
            if found is _UNREAD:
                continue  # it stays open
            if found is None:
                self.source.store([Page(ENTITY, gone=[f"{run_id}:{attempt}"])])
            else:
                self._store([found])

    def _tried(self, path: str) -> Any:
        """A run; None if GitHub does not have it (any more), and _UNREAD if it cannot be read now."""
        try:
            return self.github.rest(f"repos/{self.scope.label}/{path}").body or None
        except AccessLost:
            return None
        except TooMuch:
            raise
        except UpstreamError as error:
            self.github.http.forget(0)
            self.source.stats.warn(
                f"{self.scope.label}: a workflow run could not be read, the others are, and the next run asks again: {error}"
            )
            return _UNREAD

    def _stored(self, record_ids: Iterable[str]) -> dict[str, str]:
        return dict(self.source.query(_STORED, ids=list(record_ids)))

    def _query(self, query: LiteralString, *, since: datetime, **params: Any) -> list[tuple[Any, ...]]:
        return self.source.query(query, scope=self.scope.key, since=since.isoformat(), **params)


def _key(item: Any) -> Any:
    """What identifies a run among those of a window; one that has no id identifies itself."""
    found = item.get("id") if isinstance(item, dict) else None
    return found if isinstance(found, int | str) else id(item)


def _named_in(text: str) -> str | None:
    """The id of the run whose answer cannot be read."""
    run = re.search(r'"id"\s*:\s*(\d{1,18})\b', text)
    attempt = re.search(r'"run_attempt"\s*:\s*(\d{1,9})\b', text)
    return f"{run[1]}:{attempt[1] if attempt else 1}" if run else None


def _second(at: datetime) -> str:
    return at.replace(microsecond=0).isoformat()
