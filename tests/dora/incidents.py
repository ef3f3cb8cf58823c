"""Incidents and their causes, as docs/metrics.md words them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from tests.dora.days import day_of, hours
from tests.dora.model import (
    Cause,
    ChangeFact,
    DeployedChange,
    DeploymentFact,
    IncidentFact,
    Issue,
    Settings,
    World,
)

URL = re.compile(r"https?://[^\s<>\"')\]|]+")
COMMIT = re.compile(r"\b[0-9a-f]{7,40}\b")


def matches_rule(issue: Issue, settings: Settings) -> bool:
    """ "Jira, type `Incident` or label `incident`"; in a rule of the client's own "any match counts"."""
    rule = settings.incident_rule
    return (
        issue.issue_type in rule.get("issue_types", [])
        or issue.priority in rule.get("priorities", [])
        or bool(set(issue.labels) & set(rule.get("labels", [])))
    )


def resolved_at(issue: Issue, done: set[str]) -> datetime | None:
    """ "Resolved at the first entry into a done status after the last reopening." """
    resolution = None
    for move in sorted(issue.moves, key=lambda m: m.at):
        was_done, is_done = move.source in done, move.target in done
        if was_done and not is_done:
            resolution = None
        elif is_done and resolution is None:
            resolution = move.at
    return resolution


def service_of(world: World, issue: Issue) -> str | None:
    """The service whose name is among the issue's components and labels, in any case; the smallest id of several."""
    named = {name.lower() for name in (*issue.components, *issue.labels)}
    return min((s for s, name in world.service_names().items() if name.lower() in named), default=None)


def incidents_of(world: World) -> dict[str, IncidentFact]:
    """Every incident by its id."""
    settings, zone = world.settings, ZoneInfo(world.time_zone)
    done = {status for status, (_, category) in world.statuses.items() if category == "done"}
    found = {}
    for issue in world.issues:
        if issue.deleted or not matches_rule(issue, settings):
            continue
        end = resolved_at(issue, done)
        identity = f"jira:{world.jira}:{issue.id}"
        found[identity] = IncidentFact(
            identity,
            issue.key,
            service_of(world, issue),
            issue.created_at,
            end,
            day_of(end, zone) if end else None,
            hours(issue.created_at, end, zone, settings.working_calendar),
            bool(set(issue.labels) & set(settings.incident_rule.get("external_labels", []))),
        )
    return found


@dataclass
class Search:
    """What the search for one incident's cause looks at."""

    issue: Issue
    incident: IncidentFact
    changes: dict[str, ChangeFact]
    all_deployments: dict[str, DeploymentFact]
    deployed: dict[str, DeployedChange]
    window: timedelta

    @property
    def successes(self) -> list[DeploymentFact]:
        return [d for d in self.all_deployments.values() if d.counts]

    def brought(self, change: ChangeFact) -> list[DeploymentFact]:
        """The deployment that brought a change, if there is one."""
        link = self.deployed.get(change.id)
        return [self.all_deployments[link.deployment_id]] if link else []

    def before(self, deployments: Iterable[DeploymentFact]) -> list[DeploymentFact]:
        """Those that finished before the incident."""
        return [d for d in deployments if d.finished_at < self.incident.created_at]

    def begun(self, deployments: Iterable[DeploymentFact]) -> list[DeploymentFact]:
        """Those that began before the incident: what began later repairs it."""
        return [d for d in deployments if d.created_at < self.incident.created_at]

    def within_window(self, deployments: Iterable[DeploymentFact]) -> list[DeploymentFact]:
        """Those that finished before the incident and within `dora.incident_window_hours`."""
        return [d for d in self.before(deployments) if self.incident.created_at - d.finished_at <= self.window]


def addresses(url: str) -> set[str]:
    """An address in a text, "without what points into the page; and that of the pull request or run which the page is of"."""
    whole = url.rstrip(".,;:)]}>\"'!*…")
    page = re.split(r"[?#]", whole)[0].rstrip("/_")
    inner = re.match(r".*/(?:pull|runs)/[0-9]+(?=/)", page)
    return {whole, page, *([inner[0]] if inner else [])}


def latest(deployments: Iterable[DeploymentFact]) -> DeploymentFact | None:
    return max(deployments, key=lambda d: (d.finished_at, d.id), default=None)


def explicit(search: Search) -> DeploymentFact | None:
    """ "The incident's text names a successful production deployment that began before the incident, by its URL, its number,
    or its commit (full, or abbreviated to 7 digits or more); or the pull request, the merge commit or a commit of the pull
    request of a change that was deployed before the incident: the deployment that brought it. Of several, the latest that
    finished before the incident; else the latest." """
    text = f"{search.issue.summary}\n{search.issue.description}"
    urls = {address for found in URL.findall(text) for address in addresses(found)}
    commits = COMMIT.findall(text)

    def names_commit(sha: str | None) -> bool:
        return sha is not None and any(sha.startswith(c) for c in commits)

    numbers = set(re.findall(r"\b[0-9]{7,18}\b", text))
    named = [d for d in search.successes if d.url in urls or names_commit(d.sha) or d.id.split(":")[2] in numbers]
    found = search.begun(named)
    for change in search.changes.values():
        if change.url in urls or any(names_commit(sha) for sha in (change.merge_commit_sha, *change.own_shas)):
            found += search.before(search.brought(change))
    return latest(search.before(found)) or latest(found)


def fix_reverts(search: Search) -> DeploymentFact | None:
    """ "A change whose title names the incident's key reverts a change: the deployment that brought that one", if it began
    before the incident. Of several as above: the latest that finished before the incident; else the latest."""
    fixes = [c for c in search.changes.values() if search.incident.key in c.names and c.reverts_change_id]
    undone = [search.changes[c.reverts_change_id] for c in fixes if c.reverts_change_id in search.changes]
    found = search.begun(d for change in undone for d in search.brought(change))
    return latest(search.before(found)) or latest(found)


def linked_issue(search: Search) -> DeploymentFact | None:
    """ "An issue that the incident is linked to is named by a change: the latest deployment that brought such a change and
    finished before the incident"."""
    named = [c for c in search.changes.values() if c.names & set(search.issue.links)]
    return latest(search.before(d for c in named for d in search.brought(c)))


def fix_version(search: Search) -> DeploymentFact | None:
    """ "The incident's fix version is the tag of a deployment after it, of the incident's service or, where that is not known,
    of any: the repair. The latest deployment of its service that finished before the incident, within the window"."""
    service = search.incident.service_id
    tagged = [
        d for d in search.successes if d.ref_name in search.issue.fix_versions and service in (None, d.service_id)
    ]
    repairs = [d for d in tagged if d.finished_at > search.incident.created_at]
    services = {d.service_id for d in repairs}
    return latest(search.within_window(d for d in search.successes if d.service_id in services))


def time_window(search: Search) -> DeploymentFact | None:
    """ "The latest deployment of the incident's service that finished before the incident and within
    `dora.incident_window_hours`"."""
    service = search.incident.service_id
    return latest(search.within_window(d for d in search.successes if d.service_id == service))


METHODS: list[tuple[str, float, Callable[[Search], DeploymentFact | None]]] = [
    ("explicit", 1.0, explicit),
    ("fix_reverts", 0.9, fix_reverts),
    ("linked_issue", 0.7, linked_issue),
    ("fix_version", 0.6, fix_version),
    ("time_window", 0.4, time_window),
]


def find_causes(
    world: World,
    changes: dict[str, ChangeFact],
    deployments: dict[str, DeploymentFact],
    deployed: dict[str, DeployedChange],
    incidents: dict[str, IncidentFact],
) -> dict[str, Cause]:
    """ "Cause of an incident: the strongest method that finds a deployment; nothing is guessed beyond it." One "marked as
    not caused by a change has no cause"."""
    settings, zone = world.settings, ZoneInfo(world.time_zone)
    window = timedelta(hours=settings.incident_window_hours)
    found = {}
    for issue in world.issues:
        incident = incidents.get(f"jira:{world.jira}:{issue.id}")
        if incident is None or incident.is_external:
            continue
        search = Search(issue, incident, changes, deployments, deployed, window)
        for method, confidence, find in METHODS:
            deployment = find(search)
            if deployment is not None:
                recovery = hours(deployment.finished_at, incident.resolved_at, zone, settings.working_calendar)
                found[incident.id] = Cause(incident.id, deployment.id, method, confidence, recovery)
                break
    return found
