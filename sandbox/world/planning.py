"""What people planned around the stories of a Jira project: epics, versions, upkeep, and items that nobody finishes.

Added to a site that is there already, with random numbers of its own: the rest of the world stays as it was.
"""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta
from typing import Any

from sandbox.world.model import Change, FieldChange, Issue, Site

TODO, IN_PROGRESS, DONE = "10000", "3", "10002"
NAMES = {TODO: "To Do", IN_PROGRESS: "In Progress", DONE: "Done"}
EPIC_IDS, CHANGE_IDS, VERSION_IDS = 30_000_000, 700_000_000, 40_000
EPICS = (
    "Checkout without an account",
    "Returns by customers themselves",
    "Prices by region",
    "Faster search",
    "Loyalty programme",
    "Invoices by e-mail",
    "One address book",
    "Accessible order form",
    "Wallet payments",
    "Move to the new warehouse",
    "Self-service reports",
    "Gift cards",
)
MONTHS_OF_AN_EPIC = 4
AHEAD = timedelta(days=75)  # how long before its end a plan has all its items
SHARE_IN_EPICS, SHARE_IN_VERSIONS, SHARE_UPKEEP, SHARE_STUCK = 0.35, 0.5, 0.45, 0.6


class Planning:
    """Epics follow each other every two months in each project, so that two are always under way; versions by quarter."""

    def __init__(self, site: Site, first_day: date, last_day: date, seed: int) -> None:
        self.site = site
        self.first_day, self.last_day = first_day, last_day
        self.random = random.Random(f"{seed}:planning:{site.slug}")
        self.changes = CHANGE_IDS
        self.versions: dict[str, dict[str, str]] = {}

    def run(self) -> None:
        """Change the site's issues, and add the epics."""
        for place, project in enumerate(self.site.projects):
            issues = [issue for issue in self.site.issues if issue.project_id == int(project["id"])]
            self._leave_some_open(issues)
            self._add_epics(place, project, issues)

    def _leave_some_open(self, issues: list[Issue]) -> None:
        """Stories whose pull request was closed: some are begun and lie about for weeks before somebody closes them."""
        for issue in issues:
            if not issue.changes and self.random.random() < SHARE_STUCK:
                begun = issue.created_at + timedelta(hours=self.random.uniform(4, 60))
                self._move(issue, begun, TODO, IN_PROGRESS)
                self._move(issue, begun + timedelta(days=self.random.uniform(20, 80)), IN_PROGRESS, DONE)

    def _add_epics(self, place: int, project: dict[str, Any], issues: list[Issue]) -> None:
        plannable = [
            issue for issue in issues if issue.changes and issue.fields["issuetype"]["name"] in ("Story", "Task")
        ]
        for issue in plannable:
            if issue.fields["issuetype"]["name"] == "Task" and self.random.random() < SHARE_UPKEEP:
                issue.fields["labels"] = ["tech-debt"]
        start, number = self.first_day, 0
        while start < self.last_day:
            end = start + timedelta(days=round(MONTHS_OF_AN_EPIC * 30.44))
            self._add_epic(project, f"{EPICS[(5 * place + number) % len(EPICS)]}", start, end, plannable, issues)
            start += timedelta(days=round(MONTHS_OF_AN_EPIC * 30.44 / 2))
            number += 1

    def _add_epic(
        self, project: dict[str, Any], name: str, start: date, end: date, plannable: list[Issue], issues: list[Issue]
    ) -> None:
        number = 1 + max((int(issue.key.rpartition("-")[2]) for issue in issues), default=0)
        planned_at = datetime(start.year, start.month, start.day, 9, tzinfo=issues[0].created_at.tzinfo)
        epic = Issue(
            EPIC_IDS + int(project["id"]) * 1000 + number,
            f"{project['key']}-{number}",
            int(project["id"]),
            planned_at,
            {
                **dict.fromkeys(("parent", "description")),
                **{name: [] for name in ("labels", "components", "fixVersions", "issuelinks")},
                "summary": name,
                "issuetype": {"id": "10000", "name": "Epic"},
                "priority": {"id": "3", "name": "Medium"},
                "reporter": issues[0].fields["reporter"],
                "assignee": issues[0].fields["assignee"],
            },
        )
        about = {"key": epic.key, "id": str(epic.id), "fields": {"summary": name, "issuetype": {"name": "Epic"}}}
        done: list[datetime] = []
        for issue in plannable:
            begun, finished = issue.changes[0].at, issue.changes[-1].at
            if issue.fields["parent"] is None and start <= begun.date() < end and self.random.random() < SHARE_IN_EPICS:
                issue.fields["parent"] = about
                planned = planned_at + timedelta(days=self.random.uniform(0, 12))
                issue.created_at = min(issue.created_at, max(planned, finished - AHEAD))
                done.append(finished)
                if self.random.random() < SHARE_IN_VERSIONS:
                    issue.fields["fixVersions"] = [self._version(project, finished.date())]
        if done:
            self._move(epic, planned_at + timedelta(days=3), TODO, IN_PROGRESS)
            self._move(epic, max(done) + timedelta(hours=20), IN_PROGRESS, DONE)
        self.site.issues.append(epic)
        issues.append(epic)

    def _version(self, project: dict[str, Any], day: date) -> dict[str, str]:
        name = f"{project['key'].title()} {day.year}.{(day.month + 2) // 3}"
        return self.versions.setdefault(name, {"id": str(VERSION_IDS + len(self.versions)), "name": name})

    def _move(self, issue: Issue, at: datetime, source: str, target: str) -> None:
        self.changes += 1
        items = [FieldChange("status", "status", source, NAMES[source], target, NAMES[target])]
        if target == DONE:
            items.append(FieldChange("resolution", "resolution", None, None, "10000", "Done"))
        author = str((issue.fields["assignee"] or {}).get("displayName"))
        issue.changes.append(Change(self.changes, at, author, items))
