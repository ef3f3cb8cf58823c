"""What Pulse reads from Jira, in what order, until when.

For each project it reads the issues that changed since the watermark (epoch milliseconds, so that no time zone matters, and
without an upper bound) with their complete changelogs, then those that could not be read before, and once a week the
complete list of ids. The watermark is the server's clock at the start of the sweep, minus an overlap for Jira's eventually
consistent search.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from pulse.errors import ConfigError, UpstreamError
from pulse.sources.base import Credential, Scope, Source, page_of, selected
from pulse.sources.jira import records
from pulse.sources.jira.agile import Agile
from pulse.sources.jira.client import CLOUD, JiraClient
from pulse.sources.jira.cloud import Cloud
from pulse.sources.jira.counting import Census
from pulse.sources.jira.data_center import DataCenter
from pulse.sources.jira.fields import CustomFields
from pulse.sources.jira.site import Site, Sweep, refusal
from pulse.warehouse.checkpoints import Checkpoint
from pulse.warehouse.loader import Page
from pulse.warehouse.runs import RunStats

OVERLAP = timedelta(minutes=10)
STREAM = "issues"


class JiraSource(Source):
    """The projects of a Jira site (Cloud or Data Center), and their issues with changelogs."""

    def connect(self, credential: Credential) -> None:
        self.jira = JiraClient(self.integration, credential, self.stats)
        self._custom: CustomFields | None = None
        self._site: Site | None = None

    @property
    def site(self) -> Site:
        """The calls of this kind of Jira."""
        if self._site is None:
            self._site = Cloud(self.jira) if self.jira.edition() == CLOUD else DataCenter(self.jira)
        return self._site

    def discover(self) -> list[Scope]:
        include = self.integration.config.get("projects") or ["*"]
        visible = list(self.site.projects())
        chosen = [project for project in visible if selected(str(project.get("key")), include)]
        if not chosen:
            raise ConfigError(
                client=self.integration.client_slug,
                source=self.integration.name,
                message=f"no project matches {include}",
                remedy="check 'projects' and which projects the token's owner can see",
            )
        projects = page_of("jira_projects", chosen, records.project)
        response = self.jira.get(self.site.STATUSES)
        self.store([page_of("jira_statuses", response.body, records.status), projects])
        self._warn_of_lost_projects({str(project.get("id")) for project in visible}, include)
        self.warn_before_token_ends(self.integration.config.get("token_expires"), response.server_time.date())
        fields = self.custom_fields()
        for name in (name for name, ids in fields.named.items() if not ids):
            self.stats.warn(f"Jira has no field named {name!r}: correct 'custom_fields' of {self.integration.name}")
        Agile(self, self.jira, (row.record_id for row in projects.rows)).run(response.server_time)
        data = {"custom_fields": fields.to_json(), "edition": self.jira.edition()}
        return [Scope(row.record_id, row.payload["key"], data) for row in projects.rows]

    def extract(self, scope: Scope) -> RunStats:
        """Run one sweep.

        An interrupted sweep resumes after the last issue it stored. Another one follows it, for the issues that changed
        since it began.
        """
        self.jira.known_edition = scope.data.get("edition") or self.jira.known_edition
        asked: set[str] = set()
        listed: set[str] | None = None
        while True:
            checkpoint = self.checkpoint(STREAM, scope.key)
            sweep = self._sweep(scope, checkpoint)
            asked |= sweep.ids
            listed = sweep.ids if sweep.complete else listed
            if not checkpoint.cursor:
                break
        census = Census(self, self.jira, self.site, scope, asked)
        census.retry_rejects()
        census.run(listed, sweep.started_at)
        return self.finish()

    def rebuild(self, entity: str, payload: Any, scope_key: str) -> Page:
        if isinstance(payload, dict) and "errorMessage" in payload:  # Jira's own refusal; there is nothing to read
            return Page(entity, rejects=[refusal(str(payload.get("id")), scope_key, payload)])
        if entity == "jira_issues":
            custom = self.custom_fields()
            return page_of(entity, [payload], lambda item: records.issue(item, custom), scope_key)
        if entity == "jira_changelogs":
            return page_of(
                entity, [payload], lambda item: records.history(item, scope_key), scope_key, records.history_id
            )
        return page_of(entity, [payload], records.BUILDERS[entity], scope_key)

    def custom_fields(self) -> CustomFields:
        """The ids of the custom fields that Pulse uses; read once."""
        if self._custom is None:
            wanted = self.integration.config.get("custom_fields") or []
            self._custom = CustomFields.found(self.jira.get(self.site.FIELDS).body, wanted)
        return self._custom

    def _sweep(self, scope: Scope, checkpoint: Checkpoint) -> Sweep:
        try:
            sweep = self.site.sweep(scope, checkpoint.watermark_at, checkpoint.cursor)
        except UpstreamError as error:
            if error.status == 400:
                # A project that is no longer visible gives the same error; this call then raises AccessLost.
                self.jira.get(self.site.PROJECT.format(scope.key))
            raise
        started_at = checkpoint.cursor.get("started_at") or sweep.started_at.isoformat()
        for batch in sweep.batches:
            batch.issues.rejects.extend(batch.refusals(scope))
            cursor = {**batch.cursor, "started_at": started_at}
            self.store(
                [batch.issues, batch.changelogs], [Checkpoint(STREAM, scope.key, checkpoint.watermark_at, cursor)]
            )
        self.store([], [Checkpoint(STREAM, scope.key, datetime.fromisoformat(started_at) - OVERLAP)])
        return sweep

    def _warn_of_lost_projects(self, visible: set[str], include: list[str]) -> None:
        rows = self.query(
            "select record_id, payload ->> 'key' from raw.jira_projects where client_id = %(client)s"
            " and integration_id = %(integration)s and deleted_at is null order by 2"
        )
        for project_id, key in rows:
            if project_id not in visible and selected(key, include):
                self.stats.warn(
                    f"the project {key} of {self.integration.name} is no longer visible; its issues are kept as they are"
                )


SOURCE = JiraSource
