"""What Cloud and Data Center have in common: how their projects, issues and changelogs are asked for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from pulse.sources.base import Scope, page_of
from pulse.sources.jira import records
from pulse.sources.jira.fields import CustomFields
from pulse.warehouse.loader import Page, Reject


@dataclass
class Batch:
    """Issues with their complete changelogs, stored together. `refused`: what Jira said instead of an issue, by its id;
    `cursor`: from where an interrupted sweep goes on once the batch is stored."""

    issues: Page = field(default_factory=lambda: Page("jira_issues"))
    changelogs: Page = field(default_factory=lambda: Page("jira_changelogs"))
    refused: dict[str, Any] = field(default_factory=dict)
    cursor: dict[str, Any] = field(default_factory=dict)

    def refusals(self, scope: Scope, ids: Iterable[str] | None = None) -> list[Reject]:
        """The refused issues (of some ids) as rejects."""
        wanted = self.refused if ids is None else [one for one in ids if one in self.refused]
        return [refusal(one, scope.key, self.refused[one]) for one in wanted]


@dataclass
class Sweep:
    """A walk through what changed in a project: the server's time at its start, the batches that are still to come, and
    the ids that are listed so far. Once the batches are through, they are all of the project's when `complete`."""

    started_at: datetime
    batches: Iterator[Batch]
    ids: set[str]
    complete: bool


class Site(Protocol):
    """One kind of Jira."""

    STATUSES: str
    FIELDS: str
    PROJECT: str

    def projects(self) -> Iterable[dict[str, Any]]:
        """Every project that the token sees."""
        ...

    def sweep(self, scope: Scope, since: datetime | None, cursor: dict[str, Any]) -> Sweep:
        """What changed in a project since a moment (None: everything), behind the cursor of an interrupted sweep."""
        ...

    def ids(self, scope: Scope) -> set[str]:
        """The complete list of a project's issue ids. Raises UpstreamError when it may be incomplete."""
        ...

    def fetch(self, scope: Scope, ids: Iterable[str]) -> Batch:
        """Issues by id, in whatever project they are now."""
        ...


def refusal(issue_id: str, scope_key: str, error: Any) -> Reject:
    """An issue that Jira named and does not give."""
    return Reject(issue_id, scope_key, json.dumps(error), f"Jira: {error.get('errorMessage') or 'not given'}")


def add_issues(batch: Batch, scope: Scope, items: Iterable[Any]) -> None:
    """Read issues into a batch; those that cannot be read become rejects."""
    custom = CustomFields.from_json(scope.data.get("custom_fields") or {})
    page = page_of("jira_issues", items, lambda item: records.issue(item, custom), scope.key)
    batch.issues.rows.extend(page.rows)
    batch.issues.rejects.extend(page.rejects)


def add_changelog(batch: Batch, issue_id: str, entries: Iterable[Any], scope_key: str) -> None:
    """Read an issue's history entries into a batch. An entry is kept with the issue's id, so that a reject can be read
    again."""
    page = page_of(
        "jira_changelogs",
        ({"issueId": issue_id, "history": entry} for entry in entries),
        lambda item: records.history(item, scope_key),
        scope_key,
        records.history_id,
    )
    batch.changelogs.rows.extend(page.rows)
    batch.changelogs.rejects.extend(page.rejects)


def scopes_of(batch: Batch) -> dict[str, str]:
    """The scope of each issue in a batch, also of those that came and could not be read: once they can be, from their
    rejects, their changelogs are there."""
    found = {str(r.record_id): r.scope_key for r in batch.issues.rejects if str(r.record_id).isdigit()}
    return {**found, **{row.record_id: row.scope_key for row in batch.issues.rows}}
