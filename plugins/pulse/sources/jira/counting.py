"""The weekly count of a project's issues, and the issues that could not be read the last time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from pulse.sources import census
from pulse.sources.base import Scope, Source, selected
from pulse.sources.census import Difference
from pulse.sources.jira import endpoints
from pulse.sources.jira.client import JiraClient
from pulse.sources.jira.site import Batch, Site
from pulse.warehouse.loader import Reject

_OPEN_REJECTS = """
    select record_id, payload from raw.rejects
    where client_id = %(client)s and integration_id = %(integration)s and scope_key = %(scope)s
      and entity in ('jira_issues', 'jira_changelogs') and not is_stored_form and replayed_at is null
      and record_id ~ '^[0-9]+$'
    order by id
"""
# A project's history entries by issue; read only if some of its issues are gone.
_CHANGELOGS = """
    select record_id from raw.jira_changelogs
    where client_id = %(client)s and integration_id = %(integration)s and scope_key = %(scope)s
      and deleted_at is null and payload ->> 'issueId' = any(%(issues)s)
"""


class Census:
    """The census of one project. `asked`: the ids that this run has already requested."""

    def __init__(self, source: Source, jira: JiraClient, site: Site, scope: Scope, asked: set[str]) -> None:
        self.source = source
        self.jira = jira
        self.site = site
        self.scope = scope
        self.asked = asked

    def retry_rejects(self) -> None:
        """Request the issues with open rejects again.

        An issue that Jira refuses a second time is gone. One that is still unreadable in the same way keeps its reject
        and is not counted again.
        """
        rows = self.source.query(_OPEN_REJECTS, scope=self.scope.key)
        known = {(record_id, payload) for record_id, payload in rows if record_id not in self.asked}
        for part in _parts({record_id for record_id, _ in known}):
            batch = self.site.fetch(self.scope, part)
            batch.issues.gone.extend(batch.refused)
            unread = {str(reject.record_id) for reject in batch.changelogs.rejects}
            _drop_known(batch.issues.rejects, known)
            _drop_known(batch.changelogs.rejects, known)
            # Closes what was open about the history of an issue as a whole: no entry has such an id.
            batch.changelogs.gone.extend({row.record_id for row in batch.issues.rows} - unread)
            self._store(batch)

    def run(self, listed: set[str] | None, now: datetime) -> None:
        """Count if a complete list is at hand, or if the last count is a week old. `now`: the server's time."""
        if listed is None:
            if not census.is_due(self.source, self.scope.key, now):
                return
            listed = self.site.ids(self.scope)
        census.count(self.source, "jira_issues", self.scope, listed, self._reconcile)
        self.source.store([], [census.done(self.scope.key, now)])

    def _reconcile(self, difference: Difference) -> int:
        """Fetch the missing issues and check the surplus ones.

        A surplus issue is gone if Jira refuses it, or returns it in a project that is not extracted.
        """
        if difference.surplus:
            # A project that is no longer visible lists nothing either; this call then raises AccessLost.
            self.jira.get(self.site.PROJECT.format(self.scope.key))
        removed = 0
        for part in _parts((difference.missing - self.asked) | difference.surplus):
            batch = self.site.fetch(self.scope, part)
            elsewhere = {row.record_id for row in batch.issues.rows if not self._is_read(row.payload)}
            surplus = difference.surplus & (set(batch.refused) | elsewhere)
            removed += len(surplus)
            batch.issues.rows[:] = [row for row in batch.issues.rows if row.record_id not in elsewhere]
            batch.changelogs.rows[:] = [r for r in batch.changelogs.rows if r.payload["issueId"] not in elsewhere]
            batch.issues.gone.extend(sorted(surplus))
            batch.issues.rejects.extend(batch.refusals(self.scope, set(batch.refused) - surplus))
            self._store(batch)
        return removed

    def _is_read(self, payload: dict[str, object]) -> bool:
        fields = payload["fields"]
        assert isinstance(fields, dict)
        return selected(str(fields["project"].get("key")), self.source.integration.config.get("projects") or ["*"])

    def _store(self, batch: Batch) -> None:
        """Store a batch. If an issue is gone, so are its history entries."""
        if batch.issues.gone:
            rows = self.source.query(_CHANGELOGS, scope=self.scope.key, issues=list(batch.issues.gone))
            batch.changelogs.gone.extend(record_id for (record_id,) in rows)
        self.source.store([batch.issues, batch.changelogs])


def _drop_known(rejects: list[Reject], known: set[tuple[str, str]]) -> None:
    rejects[:] = [reject for reject in rejects if (reject.record_id, reject.payload) not in known]


def _parts(ids: Iterable[str]) -> Iterator[list[str]]:
    ordered = sorted(ids, key=int)
    for start in range(0, len(ordered), endpoints.ISSUE_PAGE):
        yield ordered[start : start + endpoints.ISSUE_PAGE]
