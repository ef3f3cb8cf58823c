"""The jobs of workflow runs that ended: the check runs of their suites, a hundred runs per call.

They are an optional part. Runs whose jobs could not be read are noted, and the next visit asks for their jobs alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import partial
from typing import Any

from pulse.errors import AccessLost, AuthError, TooMuch, UpstreamError
from pulse.sources.base import Scope, Source, page_of
from pulse.sources.github import queries, records
from pulse.sources.github.answers import BadShape, connection_in
from pulse.sources.github.client import GitHubClient
from pulse.sources.refusals import HeavyPage
from pulse.warehouse.checkpoints import Checkpoint
from pulse.warehouse.loader import Page, Reject

STREAM = "workflow_jobs"
ENTITY = "github_workflow_jobs"
MOST_NOTED = 2000
MOST_FAILURES = 20  # of one visit; what is left then waits for the next one

Run = dict[str, Any]


class Jobs:
    """The jobs of one repository's runs.

    The checkpoint's cursor holds the runs whose jobs are missing: `pending` ones are a reason to visit the repository,
    `refused` ones (the token may not read them) wait until it is visited anyway.
    """

    def __init__(self, source: Source, github: GitHubClient, scope: Scope) -> None:
        self.source = source
        self.github = github
        self.scope = scope
        self.noted = source.checkpoint(STREAM, scope.key)
        self.before = [*self._listed("pending"), *self._listed("refused")]
        self.pending: list[Run] = []
        self.refused: list[Run] = []
        self.why = ""
        self.failures = 0

    def run(self) -> None:
        """Ask once more for what was missing before this visit, and warn if something still is."""
        runs, self.before = self.before, []
        if runs:
            self.source.store([self.of(runs)], self.notes())
        if self.why:
            self.source.stats.warn(
                f"{self.scope.label}: the jobs of some workflow runs could not be read, everything else was; the next run asks"
                f" for them again: {self.why}"
            )

    def notes(self) -> list[Checkpoint]:
        """What is missing now, to be stored with the runs."""
        cursor = {
            name: _shortened(runs)
            for name, runs in (("pending", [*self.before, *self.pending]), ("refused", self.refused))
            if runs
        }
        if cursor == self.noted.cursor:
            return []
        self.noted = Checkpoint(STREAM, self.scope.key, self.noted.watermark_at, cursor)
        return [self.noted]

    def of(self, runs: list[Run]) -> Page:
        """The jobs of runs that ended, as a page."""
        page = Page(ENTITY)
        by_node = {str(run["node_id"]): run for run in runs}
        ids = list(by_node)
        for start in range(0, len(ids), queries.NODES):
            self._add(page, {one: by_node[one] for one in ids[start : start + queries.NODES]})
        return page

    def _add(self, page: Page, runs: dict[str, Run]) -> None:
        """Add the jobs of these runs to a page; of fewer at a time if GitHub cannot answer for all."""
        try:
            found, forbidden = self.github.nodes(queries.JOBS, f"jobs of {self.scope.label}", runs)
        except HeavyPage as error:
            self.github.http.forget(0)
            self.failures += 1
            if len(runs) == 1 or self.failures > MOST_FAILURES:
                self._lose(
                    self.pending, runs, "GitHub's answer cannot be read" if error.text else "GitHub cannot answer"
                )
                return
            ids = list(runs)
            for part in (ids[: len(ids) // 2], ids[len(ids) // 2 :]):
                self._add(page, {one: runs[one] for one in part})
            return
        except TooMuch:
            raise
        except (AuthError, AccessLost, UpstreamError) as error:
            self.github.http.forget(0)
            self._lose(self.refused if isinstance(error, AuthError) else self.pending, runs, str(error))
            return
        for one, refusal in forbidden.items():
            self._lose(self.refused, {one: runs[one]}, refusal.reason)
        for one, node in found.items():
            if node is not None and one not in forbidden:
                self._add_run(page, runs[one], node)

    def _add_run(self, page: Page, run: Run, node: dict[str, Any]) -> None:
        if node.get("checkSuite") is None:
            return  # GitHub has none
        try:
            checks = connection_in(node["checkSuite"], "checkRuns")
            jobs = self._from_rest(run["id"]) if checks["pageInfo"]["hasNextPage"] else checks["nodes"]
        except TooMuch:
            raise
        except (AuthError, AccessLost, UpstreamError, BadShape) as error:
            self._lose(self.pending, {str(run["node_id"]): run}, str(error))
            return
        build = partial(records.workflow_job, run=run, scope_key=self.scope.key)
        built = page_of(ENTITY, jobs, build, self.scope.key, records.record_id)
        page.rows.extend(built.rows)
        page.rejects.extend(built.rejects)

    def _from_rest(self, run_id: int) -> list[Any]:
        """All jobs of a large matrix from REST, in the shape of GraphQL."""
        path, jobs, number = f"repos/{self.scope.label}/actions/runs/{run_id}/jobs", list[Any](), 1
        while True:
            found, unread, _ = self.github.rest_page(path, "jobs", number)
            jobs += [_job(one) for one in found]
            rejects = [Reject(None, self.scope.key, json.dumps({"answer": text}), UNREADABLE) for text in unread]
            if rejects:
                self.source.store([Page(ENTITY, rejects=rejects)])
            if len(found) + len(unread) < queries.NODES:
                return jobs
            number += 1

    def _lose(self, where: list[Run], runs: dict[str, Run], why: str) -> None:
        where.extend(runs.values())
        self.why = self.why or why

    def _listed(self, name: str) -> list[Run]:
        found = self.noted.cursor.get(name) or []
        return [{"id": one[0], "run_attempt": one[1], "node_id": one[2]} for one in found]


UNREADABLE = "GitHub's answer about this job cannot be read, even alone"


def _shortened(runs: Iterable[Run]) -> list[list[Any]]:
    newest = {str(run["node_id"]): [run["id"], run["run_attempt"], run["node_id"]] for run in runs}
    return list(newest.values())[-MOST_NOTED:]


def _job(job: Any) -> Any:
    """A job of REST in the shape of GraphQL; anything else stays as it is, and becomes a reject."""
    if not isinstance(job, dict):
        return job
    return {
        "databaseId": job.get("id"),
        "name": job.get("name"),
        "status": str(job.get("status") or "queued").upper(),
        "conclusion": str(job.get("conclusion") or "").upper() or None,
        "startedAt": job.get("started_at"),
        "completedAt": job.get("completed_at"),
    }
