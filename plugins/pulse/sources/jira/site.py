"""What Cloud and Data Center have in common: how to read their projects, issues and changelogs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from pulse.errors import UpstreamError
from pulse.sources.base import Scope, page_of
from pulse.sources.jira import records
from pulse.sources.jira.fields import CustomFields
from pulse.warehouse.loader import Page, Reject

UNREADABLE = "Jira's answer about this issue cannot be read, even alone"


@dataclass
class Batch:
    """Issues with their complete changelogs, which are stored together.

    `refused`: what Jira said instead of an issue, by issue id. `cursor`: where an interrupted sweep resumes once this
    batch is stored.
    """

    issues: Page = field(default_factory=lambda: Page("jira_issues"))
    changelogs: Page = field(default_factory=lambda: Page("jira_changelogs"))
    refused: dict[str, Any] = field(default_factory=dict)
    cursor: dict[str, Any] = field(default_factory=dict)

    def refusals(self, scope: Scope, ids: Iterable[str] | None = None) -> list[Reject]:
        """The refused issues (all, or those with the given ids) as rejects."""
        wanted = self.refused if ids is None else [one for one in ids if one in self.refused]
        return [refusal(one, scope.key, self.refused[one]) for one in wanted]


@dataclass
class Sweep:
    """A walk through what changed in a project.

    `started_at`: the server's time at its start. `batches`: what is still to come. `ids`: the ids listed so far; after the
    last batch, and if `complete`, these are all ids of the project. `unlisted`: why some ids could not be listed.
    """

    started_at: datetime
    batches: Iterator[Batch]
    ids: set[str]
    complete: bool
    unlisted: UpstreamError | None = None


class Site(Protocol):
    """One kind of Jira."""

    STATUSES: str
    FIELDS: str
    PROJECT: str

    def projects(self, lost: list[str]) -> Iterable[dict[str, Any]]:
        """Every project that the token sees. `lost`: takes the texts of those that cannot be read."""
        ...

    def sweep(self, scope: Scope, since: datetime | None, cursor: dict[str, Any]) -> Sweep:
        """What changed in a project since a moment (None: everything), after the cursor of an interrupted sweep."""
        ...

    def ids(self, scope: Scope) -> set[str]:
        """The complete list of a project's issue ids. Raises UpstreamError if it may be incomplete."""
        ...

    def fetch(self, scope: Scope, ids: Iterable[str]) -> Batch:
        """Issues by id, whichever project they are in now."""
        ...


def refusal(issue_id: str, scope_key: str, error: Any) -> Reject:
    """The reject of an issue that Jira does not deliver."""
    return Reject(issue_id, scope_key, json.dumps(error), f"Jira: {error.get('errorMessage') or 'no reason given'}")


def unread(record_id: str, scope_key: str, text: str) -> Reject:
    """The reject of an issue whose answer cannot be read: the next run asks for it alone."""
    return Reject(record_id, scope_key, json.dumps({"id": record_id, "answer": text}), UNREADABLE)


def ids_of(issues: Iterable[Any]) -> set[str]:
    """The ids of listed issues; of an entry that has none, an empty text."""
    return {id_of(issue) for issue in issues}


def id_of(issue: Any) -> str:
    """The id of a listed issue; an empty text if it has none."""
    try:
        return str(int(issue["id"]))
    except (LookupError, TypeError, ValueError):
        return ""


def add_issues(batch: Batch, scope: Scope, items: Iterable[Any]) -> None:
    """Read issues into a batch; those that cannot be read become rejects."""
    custom = CustomFields.from_json(scope.data.get("custom_fields") or {})
    page = page_of("jira_issues", items, lambda item: records.issue(item, custom), scope.key)
    batch.issues.rows.extend(page.rows)
    batch.issues.rejects.extend(page.rejects)


def add_changelog(batch: Batch, issue_id: str, entries: Iterable[Any], scope_key: str) -> None:
    """Read an issue's history entries into a batch. Each entry is kept with the issue's id, so that a reject can be read
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
    """The scope of each issue in a batch, including issues that could not be read.

    Once their rejects can be read, their changelogs are then already stored.
    """
    found = {str(r.record_id): r.scope_key for r in batch.issues.rejects if str(r.record_id).isdigit()}
    return {**found, **{row.record_id: row.scope_key for row in batch.issues.rows}}
