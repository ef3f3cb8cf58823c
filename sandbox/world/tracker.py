"""A company's Jira site: stories that follow pull requests, bugs, incidents, with their changelogs."""

from __future__ import annotations

import hashlib
import random
from datetime import date, datetime, timedelta
from typing import Any

from sandbox.world.model import Change, Deployment, FieldChange, Issue, Site
from sandbox.world.planning import Planning
from sandbox.world.profiles import Profile
from sandbox.world.sprints import SPRINT_FIELD, plan

TODO, IN_PROGRESS, IN_REVIEW, DONE = "10000", "3", "10001", "10002"
STATUSES: list[dict[str, Any]] = [
    {"id": TODO, "name": "To Do", "statusCategory": {"id": 2, "key": "new", "name": "To Do"}},
    {
        "id": IN_PROGRESS,
        "name": "In Progress",
        "statusCategory": {"id": 4, "key": "indeterminate", "name": "In Progress"},
    },
    {"id": IN_REVIEW, "name": "In Review", "statusCategory": {"id": 4, "key": "indeterminate", "name": "In Progress"}},
    {"id": DONE, "name": "Done", "statusCategory": {"id": 3, "key": "done", "name": "Done"}},
]
NAMES = {status["id"]: status["name"] for status in STATUSES}
FIELDS = [
    {"id": "summary", "name": "Summary", "custom": False},
    {"id": "status", "name": "Status", "custom": False},
    {"id": "customfield_10000", "name": "development", "custom": True, "schema": {"type": "any"}},
    {"id": "customfield_10014", "name": "Epic Link", "custom": True, "schema": {"type": "any"}},
    {"id": "customfield_10016", "name": "Story point estimate", "custom": True, "schema": {"type": "number"}},
    {"id": SPRINT_FIELD, "name": "Sprint", "custom": True, "schema": {"type": "array"}},
    {"id": "customfield_10050", "name": "Severity", "custom": True, "schema": {"type": "option"}},
]
STORY_POINTS, DEVELOPMENT, SEVERITY = "customfield_10016", "customfield_10000", "customfield_10050"
SEVERITIES = {"Highest": "SEV1", "High": "SEV2", "Medium": "SEV3"}


class Tracker:
    """The site under construction. Keys are assigned by creation time once all issues are known."""

    def __init__(self, profile: Profile, rng: random.Random) -> None:
        self.random = rng
        self.profile = profile
        start = int(hashlib.sha256(f"{profile.login}-jira".encode()).hexdigest()[:4], 16)
        self.next_issue = 20_000 + start
        self.next_change = 400_000 + start
        projects = [
            {"id": str(10_100 + start % 800 + index), "key": key, "name": name}
            for index, (key, name) in enumerate(profile.projects)
        ]
        self.site = Site(profile.login, projects, STATUSES, FIELDS)
        self.counts = [0 for _ in projects]

    def story(self, project: int, title: str, component: str, at: datetime, author: str) -> Issue:
        """A story or task that a pull request will name."""
        kind = self.random.choices(("Story", "Task", "Bug"), (0.6, 0.2, 0.2))[0]
        issue = self._issue(project, kind, title, component, at, author)
        issue.fields[STORY_POINTS] = self.random.choice((1, 2, 3, 5, 8))
        return issue

    def done(self, issue: Issue, review_at: datetime, at: datetime) -> None:
        """Add the story's way to Done; a few stories are reopened."""
        started = issue.created_at + (review_at - issue.created_at) * 0.7
        self._move(issue, started, TODO, IN_PROGRESS)
        self._move(issue, review_at, IN_PROGRESS, IN_REVIEW)
        self._move(issue, at, IN_REVIEW, DONE)
        issue.fields[DEVELOPMENT] = "{pullrequest={dataType=pullrequest, state=MERGED, stateCount=1}}"
        if self.random.random() < 0.04:
            again = at + timedelta(hours=self.random.uniform(3, 60))
            self._move(issue, again, DONE, IN_PROGRESS)
            self._move(issue, again + timedelta(hours=self.random.uniform(2, 20)), IN_PROGRESS, DONE)

    def incident(
        self, project: int, component: str, at: datetime, resolved_at: datetime, named: Deployment | None
    ) -> Issue:
        """Add an incident. With `named`, its text says which deployment caused it."""
        titles = (
            "{c} answers with errors",
            "{c} is slow for many customers",
            "Customers cannot finish in {c}",
            "Wrong amounts in {c}",
        )
        title = self.random.choice(titles).format(c=component)
        issue = self._issue(project, "Incident", title, component, at, self.random.choice(self.profile.people))
        issue.fields["priority"] = {"id": "2", "name": self.random.choice(("Highest", "High", "Medium"))}
        issue.fields[SEVERITY] = {"id": "1", "value": SEVERITIES[issue.fields["priority"]["name"]]}
        text: list[dict[str, Any]] = [{"type": "text", "text": f"Alert from the monitoring of {component}."}]
        if named is not None:
            text.append({"type": "text", "text": " Began with deployment "})
            text.append(
                {
                    "type": "text",
                    "text": str(named.log_url),
                    "marks": [{"type": "link", "attrs": {"href": named.log_url}}],
                }
            )
        issue.fields["description"] = {"version": 1, "type": "doc", "content": [{"type": "paragraph", "content": text}]}
        middle = at + (resolved_at - at) * 0.2
        self._move(issue, middle, TODO, IN_PROGRESS)
        self._move(issue, resolved_at, IN_PROGRESS, DONE)
        if self.random.random() < 0.06:
            again = resolved_at + timedelta(minutes=self.random.randint(20, 300))
            self._move(issue, again, DONE, IN_PROGRESS)
            self._move(issue, again + timedelta(minutes=self.random.randint(30, 400)), IN_PROGRESS, DONE)
        return issue

    def finish(self, first_day: date, last_day: date, seed: int) -> None:
        """Plan the issues, put them into sprints, and order them by id."""
        Planning(self.site, first_day, last_day, seed).run()
        projects = {int(project["id"]): project for project in self.site.projects}
        for issue in self.site.issues:
            if issue.fields["issuetype"]["name"] not in ("Incident", "Epic"):
                done = [change.at for change in issue.changes for item in change.items if item.to_id == DONE]
                plan(projects[issue.project_id], issue, min(done, default=None))
        self.site.issues.sort(key=lambda issue: issue.id)

    def _issue(self, project: int, kind: str, title: str, component: str, at: datetime, author: str) -> Issue:
        self.next_issue += self.random.randint(1, 3)
        self.counts[project] += 1
        about = self.site.projects[project]
        issue = Issue(
            self.next_issue,
            f"{about['key']}-{self.counts[project]}",
            int(about["id"]),
            at,
            {
                "summary": title,
                "issuetype": {
                    "id": {"Story": "10001", "Task": "10002", "Bug": "10004"}.get(kind, "10005"),
                    "name": kind,
                },
                "priority": {"id": "3", "name": "Medium"},
                "labels": [],
                "components": [{"id": "1", "name": component}],
                "fixVersions": [],
                "reporter": _person(author),
                "assignee": _person(author),
                "issuelinks": [],
                "parent": None,
                "description": None,
                STORY_POINTS: None,
            },
        )
        self.site.issues.append(issue)
        return issue

    def _move(self, issue: Issue, at: datetime, source: str, target: str) -> None:
        self.next_change += self.random.randint(1, 4)
        items = [FieldChange("status", "status", source, NAMES[source], target, NAMES[target])]
        if target == DONE:
            items.append(FieldChange("resolution", "resolution", None, None, "10000", "Done"))
        elif source == DONE:
            items.append(FieldChange("resolution", "resolution", "10000", "Done", None, None))
        author = str(issue.fields["assignee"]["displayName"])
        issue.changes.append(Change(self.next_change, at, author, items))


def _person(login: str) -> dict[str, Any]:
    account = hashlib.sha256(login.encode()).hexdigest()[:24]
    return {"accountId": account, "displayName": login.replace("-", " ").title(), "active": True}
