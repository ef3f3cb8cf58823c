"""What Pulse reads from Jira, in what order, until when.

For each project it reads the issues that changed since the watermark (epoch milliseconds, so that no time zone matters, and
without an upper bound) with their complete changelogs, then those that could not be read before, and once a week the
complete list of ids. The watermark is the server's clock at the start of the sweep, minus an overlap for Jira's eventually
consistent search.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from pulse.errors import AccessLost, ConfigError, UpstreamError
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
from pulse.warehouse.loader import Page, Reject
from pulse.warehouse.runs import RunStats

OVERLAP = timedelta(minutes=10)
STREAM = "issues"
UNREAD_PROJECT = "Jira's answer about this project cannot be read, even alone"
FIELDS = "fields"  # the stream of the checkpoint that holds the ids of the custom fields


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
        lost: list[str] = []
        with self.jira.http.understood("the projects"):
            visible = list(self.site.projects(lost))
        # One that does not give its key becomes a reject.
        chosen = [one for one in visible if not _key_of(one) or selected(_key_of(one), include)]
        projects = page_of("jira_projects", chosen, records.project)
        if not any(map(_key_of, chosen)):
            raise ConfigError(
                client=self.integration.client_slug,
                source=self.integration.name,
                message=f"no project matches {include}",
                remedy="check 'projects' and which projects the token's owner can see",
            )
        projects.rejects.extend(Reject(None, "", json.dumps({"answer": text}), UNREAD_PROJECT) for text in lost)
        self.store([projects])
        if lost:
            self.stats.warn(
                f"{len(lost)} projects of {self.integration.name} are not read, because Jira's answer about them cannot be read."
                " Everything else is read, and the next run asks for them again"
            )
        else:
            self.close_unnamed_rejects("jira_projects", "")
        now = self._statuses()
        self._warn_of_lost_projects({str(one.get("id")) for one in visible if isinstance(one, dict)}, include)
        self.warn_before_token_ends(self.integration.config.get("token_expires"), now.date())
        fields = self.custom_fields()
        for name in (name for name, ids in fields.named.items() if not ids):
            self.stats.warn(f"Jira has no field named {name!r}: correct 'custom_fields' of {self.integration.name}")
        agile = Agile(self, self.jira, (row.record_id for row in projects.rows))
        if error := self.jira.http.tried("boards and sprints", partial(agile.run, now)):
            self.stats.warn(f"boards and sprints could not be read, and will be in the next run: {error}")
        data = {"custom_fields": fields.to_json(), "edition": self.jira.edition()}
        return [Scope(row.record_id, row.payload["key"], data) for row in projects.rows]

    def _statuses(self) -> datetime:
        """Store the statuses; those that are stored stay if Jira does not give any. Returns the server's time."""
        now = datetime.now(UTC)

        def read() -> None:
            nonlocal now
            response = self.jira.get(self.site.STATUSES)
            found = [] if response.body is None else response.body
            if not isinstance(found, list):
                raise self.jira.http.failure(f"the answer of {self.site.STATUSES} is not a list")
            self.store([page_of("jira_statuses", found, records.status)])
            now = response.server_time

        if error := self.jira.http.tried("the statuses", read):
            self.stats.warn(
                f"the statuses of {self.integration.name} could not be read, the next run asks again: {error}"
            )
        return now

    def extract(self, scope: Scope) -> RunStats:
        """Run one sweep.

        An interrupted sweep resumes after the last issue it stored. Another one follows it, for the issues that changed
        since it began.
        """
        self.jira.known_edition = scope.data.get("edition") or self.jira.known_edition
        with self.jira.http.understood(f"the project {scope.label}"):
            self._read(scope)
        return self.finish()

    def _read(self, scope: Scope) -> None:
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
        parts: dict[str, Callable[[], None]] = {
            "issues that could not be read before": census.retry_rejects,
            "the count of the issues": partial(census.run, listed, sweep.started_at),
        }
        for what, read in parts.items():
            error = self.jira.http.tried(f"{what} of {scope.label}", read)
            if isinstance(error, AccessLost):  # the project itself
                raise error
            if error is not None:
                self.stats.warn(
                    f"{scope.label}: {what} could not be read, everything else was, and the next run asks again: {error}"
                )

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
            if error := self.jira.http.tried("the fields", self._read_fields):
                # Those of the last run, because issues without them would lose their points and sprints.
                self._custom = CustomFields.from_json(self.checkpoint(FIELDS, "").cursor)
                self.stats.warn(
                    f"the fields of {self.integration.name} could not be read, those of the last run are used: {error}"
                )
            assert self._custom is not None
        return self._custom

    def _read_fields(self) -> None:
        found = self.jira.get(self.site.FIELDS).body
        if not isinstance(found, list | None):
            raise self.jira.http.failure(f"the answer of {self.site.FIELDS} is not a list")
        self._custom = CustomFields.found(found or [], self.integration.config.get("custom_fields") or [])
        self._remember(self._custom)

    def _remember(self, fields: CustomFields) -> None:
        if self.checkpoint(FIELDS, "").cursor != fields.to_json():
            self.store([], [Checkpoint(FIELDS, "", cursor=fields.to_json())])

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
        watermark: datetime | None = datetime.fromisoformat(started_at) - OVERLAP
        if sweep.unlisted is not None:
            watermark = checkpoint.watermark_at
            self.stats.warn(
                f"{scope.label}: some issues could not be listed, the others are read, and the next run lists them again:"
                f" {sweep.unlisted}"
            )
        self.store([], [Checkpoint(STREAM, scope.key, watermark)])
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


def _key_of(project: Any) -> str:
    return str(project.get("key") or "") if isinstance(project, dict) else ""


SOURCE = JiraSource
