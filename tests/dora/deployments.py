"""Deployments, their order, releases and failures, as docs/metrics.md defines them."""

from __future__ import annotations

import itertools
import re
import statistics
from datetime import timedelta
from zoneinfo import ZoneInfo

from tests.dora.branches import goes_by_time, position_then
from tests.dora.days import day_of, hours, seconds
from tests.dora.model import Cause, Deployment, DeploymentFact, IncidentFact, World


def deployments_of(world: World) -> dict[str, DeploymentFact]:
    """Every deployment by its id: a "completed release", so one that never ended does not count."""
    found = [deployment_of(world, d) for d in world.deployments if not d.deleted]
    return {d.id: d for d in found if d is not None}


def deployment_of(world: World, record: Deployment) -> DeploymentFact | None:
    """ "It finished at its first success, or at its first failure if it never succeeded; a later `inactive` status does not
    count." """
    finished_at = record.first_success_at or record.first_failure_at
    if finished_at is None:
        return None
    patterns = world.settings.production_environments
    if goes_by_time(world, record.repository_id):
        position: int | None = seconds(record.created_at)
    else:
        position = position_then(world, record.repository_id, record.sha, record.created_at)
    contains_to, branch_commits = contents_of(world, record, position)
    return DeploymentFact(
        id=f"gh-deployment:{world.github}:{record.id}",
        service_id=world.service_id(record.repository_id),
        environment=record.environment,
        environment_tier="production" if any(re.search(p, record.environment, re.I) for p in patterns) else "other",
        result="success" if record.first_success_at else "failure",
        sha=record.sha,
        position=position,
        contains_to=contains_to,
        branch_commits=branch_commits,
        ref_name=record.ref_name,
        url=record.url,
        created_at=record.created_at,
        finished_at=finished_at,
        finished_on=day_of(finished_at, ZoneInfo(world.time_zone)),
    )


def contents_of(world: World, record: Deployment, position: int | None) -> tuple[int | None, int | None]:
    """The highest position that a deployment contains, and how many commits its branch had since then. "The deployment of a
    commit that is not on the default branch contains what was there where its branch began"."""
    if position is not None:
        return position, 0
    where = (record.repository_id, record.sha)
    branch = next((b for b in world.branches if (b.repository_id, b.sha) == where), None)
    base = branch and position_then(world, record.repository_id, branch.base_sha, record.created_at)
    return (base, len(branch.commits)) if branch and base is not None else (None, None)


def in_order(deployments: list[DeploymentFact]) -> list[DeploymentFact]:
    """ "Ordered by `finished_at`, then by id"."""
    return sorted(deployments, key=lambda d: (d.finished_at, d.id))


def environments_of(deployments: dict[str, DeploymentFact], service_id: str) -> list[list[DeploymentFact]]:
    """The successful production deployments of each environment of a service, in their order."""
    mine = [d for d in deployments.values() if d.is_live and d.service_id == service_id]
    return [in_order([d for d in mine if d.environment == e]) for e in sorted({d.environment for d in mine})]


def mark_order(world: World, deployments: dict[str, DeploymentFact]) -> None:
    """Baseline, rollbacks, and what each deployment contained beyond the earlier ones."""
    for service_id in world.service_names():
        repository = next((r for r in world.repositories if world.service_id(r.id) == service_id), None)
        by_time = repository is None or goes_by_time(world, repository.id)
        for order in environments_of(deployments, service_id):
            mark_environment(order, world.settings.rollback_window_hours, by_time)


def trials_of(order: list[DeploymentFact]) -> int:
    """How many of the first deployments are trials: "the first three or fewer, if the pause after them was longer than 30 days
    and than ten times the median of up to ten pauses that follow (at least four)"."""
    pauses = [(b.finished_at - a.finished_at).total_seconds() for a, b in itertools.pairwise(order)]
    found = 0
    for n in (1, 2, 3):
        later = sorted(pauses[n : n + 10])
        if len(later) >= 4 and pauses[n - 1] > 30 * 86400 and pauses[n - 1] > 10 * statistics.median(later):
            found = n
    return found


def mark_environment(order: list[DeploymentFact], window_hours: float, by_time: bool) -> None:
    """ "Baseline: the first deployment with a known position" that is no trial. "Rollback: a deployment whose position is lower
    than its predecessor's and that began after its predecessor finished"; it is immediate if it finished within the window.
    "Redeployment: one of a version that an earlier one had". Where times are positions, it brings nothing."""
    reached: int | None = None
    predecessor: DeploymentFact | None = None
    trials = trials_of(order)
    versions: set[str] = set()
    for n, deployment in enumerate(order):
        deployment.is_trial = n < trials
        is_repeated = deployment.version in versions
        if deployment.version is not None:
            versions.add(deployment.version)
        deployment.is_rollback = predecessor is not None and is_rollback(deployment, predecessor, is_repeated)
        deployment.kind = "rollback" if deployment.is_rollback else "redeployment" if is_repeated else "release"
        deployment.contains_after = reached
        if deployment.is_rollback and predecessor is not None:
            hours_later = (deployment.finished_at - predecessor.finished_at).total_seconds() / 3600
            if hours_later <= window_hours:
                predecessor.rolled_back_by = deployment.id
        if deployment.contains_to is not None and not deployment.is_trial and not (by_time and is_repeated):
            deployment.is_baseline = reached is None
            reached = max(deployment.contains_to, reached or deployment.contains_to)
        deployment.delivers = not (by_time and deployment.kind == "redeployment")
        predecessor = deployment


def mark_releases(world: World, deployments: dict[str, DeploymentFact]) -> None:
    """ "One version in several production environments, each within `dora.release_window_hours` after the one before, is one
    release. Its first deployment counts", and redeployments and rollbacks where `dora.count_redeployments` says so."""
    window = timedelta(hours=world.settings.release_window_hours)
    last: dict[tuple[str, str], DeploymentFact] = {}
    for deployment in in_order([d for d in deployments.values() if d.is_live]):
        if deployment.kind == "release":
            key = (deployment.service_id, deployment.version or deployment.id)
            before = last.get(key)
            is_part = before is not None and deployment.finished_at - before.finished_at <= window
            deployment.release_id = before.release_id if before and is_part else deployment.id
            deployment.counts = deployment.release_id == deployment.id
            last[key] = deployment
        else:
            deployment.counts = world.settings.count_redeployments


def mark_failures(
    world: World,
    deployments: dict[str, DeploymentFact],
    incidents: dict[str, IncidentFact],
    causes: dict[str, Cause],
) -> None:
    """ "Failed: an incident is linked to it, or it was rolled back at once. What happened to any deployment of a release
    happened to its first one." "Recovered: when the rollback finished; otherwise when the last of its incidents was resolved.
    One failure, one recovery." """
    settings, zone = world.settings, ZoneInfo(world.time_zone)
    for deployment in deployments.values():
        if not deployment.is_live:
            continue
        parts = [d for d in deployments.values() if d is deployment or d.release_id == deployment.id]
        linked = {d.id: [c for c in causes.values() if c.deployment_id == d.id] for d in parts}
        failed = [d for d in parts if linked[d.id] or d.rolled_back_by]
        if not failed:
            continue
        deployment.failed_change = True
        undone = [deployments[d.rolled_back_by].finished_at for d in failed if d.rolled_back_by]
        found = [c for d in failed for c in linked[d.id]]
        resolved = [incidents[c.incident_id].resolved_at for c in found]
        deployment.is_guess = not undone and all(c.method == "time_window" for c in found)
        known = [at for at in resolved if at is not None]
        deployment.recovered_at = max(undone) if undone else max(known) if len(known) == len(resolved) else None
        begun = min(d.finished_at for d in failed)
        if deployment.recovered_at:
            deployment.recovered_on = day_of(deployment.recovered_at, zone)
        deployment.recovery_hours = hours(begun, deployment.recovered_at, zone, settings.working_calendar)
        deployment.recovery_calendar_hours = hours(begun, deployment.recovered_at, zone, None)


def is_rollback(deployment: DeploymentFact, predecessor: DeploymentFact, is_repeated: bool) -> bool:
    """Where one of the two is not of the default branch: "a version that was deployed before, whose branch began further back, or
    at the same place with fewer commits since"."""
    if deployment.created_at < predecessor.finished_at:
        return False
    if deployment.position is not None and predecessor.position is not None:
        return deployment.position < predecessor.position
    places = [(d.contains_to, d.branch_commits or 0) for d in (deployment, predecessor) if d.contains_to is not None]
    return is_repeated and len(places) == 2 and places[0] < places[1]
