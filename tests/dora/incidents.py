"""Incidents and their causes, as docs/metrics.md defines them."""

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
DATE = re.compile(r"(19|20)[0-9]{2}[01][0-9][0-3][0-9]")
DATE_AND_TIME = re.compile(rf"{DATE.pattern}([0-9]{{4}}|[0-9]{{6}})")
COMMIT = re.compile(r"\b[0-9a-f]{7,40}\b")


def matches_rule(issue: Issue, settings: Settings) -> bool:
    """ "Jira, type `Incident` or label `incident`", or the client's rule: "one value of a list is enough"."""
    rule = settings.incident_rule
    return (
        issue.issue_type in rule.get("issue_types", [])
        or issue.priority in rule.get("priorities", [])
        or bool(set(issue.labels) & set(rule.get("labels", [])))
    )


def resolved_at(issue: Issue, done: set[str]) -> datetime | None:
    """ "It was resolved when it first entered a done status after the last reopening." """
    resolution = None
    for move in sorted(issue.moves, key=lambda m: m.at):
        was_done, is_done = move.source in done, move.target in done
        if was_done and not is_done:
            resolution = None
        elif is_done and resolution is None:
            resolution = move.at
    return resolution


def service_of(world: World, issue: Issue) -> str | None:
    """The service whose name is among the issue's components and labels, or is a word of one, in any case. "Of `api` and
    `api-gateway`, the longer name"; then the smallest id."""
    texts = [text.lower() for text in (*issue.components, *issue.labels)]
    named = {*texts, *(word for text in texts for word in re.split(r"[^\w.-]+", text))}
    found = [(-len(name), s) for s, name in world.service_names().items() if name.lower() in named]
    return min(found)[1] if found else None


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
            hours(issue.created_at, end, zone, None),
        )
    return found


@dataclass
class Search:
    """The facts that the search for one incident's cause uses."""

    issue: Issue
    incident: IncidentFact
    changes: dict[str, ChangeFact]
    all_deployments: dict[str, DeploymentFact]
    deployed: dict[str, DeployedChange]
    window: timedelta
    redeployments_count: bool

    @property
    def releases(self) -> list[DeploymentFact]:
        """Those that brought something new."""
        return [d for d in self.successes if d.kind == "release"]

    def brought_by(self, deployment: DeploymentFact) -> DeploymentFact:
        """ "A redeployment or rollback brought nothing new: the release of its version did." """
        same = [
            d
            for d in self.releases
            if d.version is not None and (d.version, d.service_id) == (deployment.version, deployment.service_id)
        ]
        before = latest(d for d in same if d.finished_at < deployment.finished_at)
        is_release = deployment.kind == "release" or self.redeployments_count
        return deployment if is_release else before or deployment

    @property
    def successes(self) -> list[DeploymentFact]:
        return [d for d in self.all_deployments.values() if d.is_live]

    def is_own(self, deployment: DeploymentFact) -> bool:
        """ "An address that deployments of several versions share names none." """
        same = {(d.service_id, d.version or d.id) for d in self.successes if d.url == deployment.url}
        return len(same) == 1

    def delivered_by(self, change: ChangeFact) -> list[DeploymentFact]:
        """The deployment that delivered a change, if there is one."""
        link = self.deployed.get(change.id)
        return [self.all_deployments[link.deployment_id]] if link else []

    def before(self, deployments: Iterable[DeploymentFact]) -> list[DeploymentFact]:
        """Those that finished before the incident."""
        return [d for d in deployments if d.finished_at < self.incident.created_at]

    def begun(self, deployments: Iterable[DeploymentFact]) -> list[DeploymentFact]:
        """Those that began before the incident; one that began later is its repair."""
        return [d for d in deployments if d.created_at < self.incident.created_at]

    def within_window(self, deployments: Iterable[DeploymentFact]) -> list[DeploymentFact]:
        """Those that finished before the incident and within `dora.incident_window_hours`."""
        return [d for d in self.before(deployments) if self.incident.created_at - d.finished_at <= self.window]


def addresses(url: str) -> set[str]:
    """A URL in a text "is matched without what points into the page (`#…`, `?…`), and a page of a pull request or run counts
    as the pull request or run itself"."""
    whole = url.rstrip(".,;:)]}>\"'!*…")
    page = re.split(r"[?#]", whole)[0].rstrip("/_")
    inner = re.match(r".*/(?:pull|runs)/[0-9]+(?=/)", page)
    return {whole, page, *([inner[0]] if inner else [])}


def latest(deployments: Iterable[DeploymentFact]) -> DeploymentFact | None:
    return max(deployments, key=lambda d: (d.finished_at, d.id), default=None)


def explicit(search: Search) -> DeploymentFact | None:
    """ "The incident's text names a successful production deployment that began before the incident: by its URL, its number,
    or its commit (full hash, or an abbreviation of at least 7 digits). Or it names a change that was deployed before the
    incident, by its pull request, its merge commit or another commit of the pull request: then the deployment that delivered
    the change. If several match, the latest that finished before the incident; if none finished before it, the latest." """
    text = f"{search.issue.summary}\n{search.issue.description}"
    urls = {address for found in URL.findall(text) for address in addresses(found)}
    commits = [c for c in COMMIT.findall(text) if not re.fullmatch(r"[0-9]{8}", c) and not DATE_AND_TIME.fullmatch(c)]

    def names_commit(sha: str | None) -> bool:
        return sha is not None and any(sha.startswith(c) for c in commits)

    numbers = {n for n in re.findall(r"\b[0-9]{7,18}\b", text) if not (DATE.fullmatch(n) or DATE_AND_TIME.fullmatch(n))}
    named = [
        d
        for d in search.successes
        if (d.url in urls and search.is_own(d)) or names_commit(d.sha) or d.id.split(":")[2] in numbers
    ]
    found = [search.brought_by(d) for d in search.begun(named)]
    for change in search.changes.values():
        if change.url in urls or any(names_commit(sha) for sha in (change.merge_commit_sha, *change.own_shas)):
            found += search.before(search.delivered_by(change))
    return latest(search.before(found)) or latest(found)


def fix_reverts(search: Search) -> DeploymentFact | None:
    """ "A change that names the incident reverts another change: the deployment that delivered the reverted change, if it began
    before the incident. If several match, as above." """
    fixes = [c for c in search.changes.values() if search.incident.key in c.names and c.reverts_change_id]
    undone = [search.changes[c.reverts_change_id] for c in fixes if c.reverts_change_id in search.changes]
    found = search.begun(d for change in undone for d in search.delivered_by(change))
    return latest(search.before(found)) or latest(found)


def linked_issue(search: Search) -> DeploymentFact | None:
    """ "A change names an issue that the incident is linked to: the latest deployment that delivered such a change and finished
    before the incident"."""
    named = [c for c in search.changes.values() if c.names & set(search.issue.links)]
    return latest(search.before(d for c in named for d in search.delivered_by(c)))


def fix_version(search: Search) -> DeploymentFact | None:
    """ "The incident's fix version is the tag of a later deployment of the incident's service (of any service if the incident
    has none). That deployment is the repair. The cause is the latest deployment of the same service that finished before the
    incident and within the window"."""
    service = search.incident.service_id
    tagged = [
        d for d in search.successes if d.ref_name in search.issue.fix_versions and service in (None, d.service_id)
    ]
    repairs = [d for d in tagged if d.finished_at > search.incident.created_at]
    services = {d.service_id for d in repairs}
    return latest(search.within_window(d for d in search.releases if d.service_id in services))


def time_window(search: Search) -> DeploymentFact | None:
    """ "The latest deployment of the incident's service that finished before the incident and within
    `dora.incident_window_hours`"."""
    service = search.incident.service_id
    return latest(search.within_window(d for d in search.releases if d.service_id == service))


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
    """ "An incident is linked to the deployment that the strongest method finds. Nothing is guessed beyond that." One "marked
    as not caused by a change has no cause"."""
    settings, zone = world.settings, ZoneInfo(world.time_zone)
    window = timedelta(hours=settings.incident_window_hours)
    found = {}
    for issue in world.issues:
        incident = incidents.get(f"jira:{world.jira}:{issue.id}")
        if incident is None or incident.is_external:
            continue
        search = Search(issue, incident, changes, deployments, deployed, window, settings.count_redeployments)
        for method, confidence, find in METHODS:
            deployment = find(search)
            if deployment is not None and confidence >= settings.minimum_confidence:
                recovery = hours(deployment.finished_at, incident.resolved_at, zone, settings.working_calendar)
                found[incident.id] = Cause(incident.id, deployment.id, method, confidence, recovery)
                break
    return found
