"""Which deployment delivered a change, and how long that took, as docs/metrics.md defines it."""

from __future__ import annotations

import itertools
from datetime import datetime
from zoneinfo import ZoneInfo

from tests.dora.branches import Held, goes_by_time, held_commits
from tests.dora.days import hours
from tests.dora.deployments import environments_of, in_order
from tests.dora.model import ChangeFact, DeployedChange, DeploymentFact, World


def deployed_changes(
    world: World, changes: dict[str, ChangeFact], deployments: dict[str, DeploymentFact]
) -> dict[str, DeployedChange]:
    """The delivery of every change that has one, by the change's id."""
    found = {}
    held = held_commits(world)
    repositories = {world.service_id(r.id): r.id for r in world.repositories if not goes_by_time(world, r.id)}
    for change in changes.values():
        holders = holders_of(change, repositories.get(change.service_id), held)
        deployment = deployment_of_change(change, environments_of(deployments, change.service_id), holders)
        if deployment is not None:
            deployment.contains.add(change.id)
            found[change.id] = deployed_change(world, change, deployment)
    return found


def holders_of(change: ChangeFact, repository_id: int | None, held: Held) -> set[str]:
    """The deployed commits whose branches hold "its merge commit, or the last commit of its branch"."""
    wanted = {sha for sha in (change.merge_commit_sha, change.last_own_sha) if sha}
    return {deployed for repository, deployed, _, sha in held if repository == repository_id and sha in wanted}


def deployment_of_change(
    change: ChangeFact, environments: list[list[DeploymentFact]], holders: set[str]
) -> DeploymentFact | None:
    """ "The first deployment that contains it", or "one of the last commit of its branch that began before the merge"; "the
    earliest deployment counts"."""
    branch = [
        d
        for order in environments
        for d in order
        if change.last_own_sha and d.sha == change.last_own_sha and d.created_at < change.merged_at and not d.is_trial
    ]
    candidates = in_order([*branch, *by_content(change, environments, holders)])
    return candidates[0] if candidates else None


def by_content(change: ChangeFact, environments: list[list[DeploymentFact]], holders: set[str]) -> list[DeploymentFact]:
    """ "In each environment, a change is delivered by the first deployment that contains it, unless that is the baseline. If
    several environments qualify, the earliest deployment counts. Changes at or before the position of the service's very first
    baseline (in any environment) are history and have no delivery." "A deployment contains every change whose merge commit has
    the same or a lower position", and every change that its branch holds."""
    baselines = in_order([d for order in environments for d in order if d.is_baseline])
    position = change.merge_position
    if not baselines or (position is not None and position <= (baselines[0].contains_to or 0)):
        return []

    def contains(d: DeploymentFact) -> bool:
        reaches = position is not None and d.contains_to is not None and d.contains_to >= position
        return (reaches and d.delivers) or (d.position is None and d.sha in holders)

    candidates = []
    for order in environments:
        first = next((d for d in order if not d.is_trial and contains(d)), None)
        if first is not None and first.contains_after is not None:
            candidates.append(first)
    return candidates


def deployed_change(world: World, change: ChangeFact, deployment: DeploymentFact) -> DeployedChange:
    """Lead time "from `dora.start_event` to the finish of the deployment", and its stages: "first commit → opened → first
    review or comment → merged → deployed"."""
    settings, zone = world.settings, ZoneInfo(world.time_zone)
    start = change.opened_at if settings.start_event == "opened" else change.first_commit_at
    reason = exclusion_reason(change.is_bot and settings.exclude_bots, start, deployment.finished_at)
    reason = "carries others" if change.carries_others else reason
    steps = [change.first_commit_at, change.opened_at, change.first_review_at, change.merged_at, deployment.finished_at]
    coding, pickup, review, merge_to_deploy = (
        hours(a, b, zone, settings.working_calendar) for a, b in itertools.pairwise(steps)
    )
    lead = hours(start, deployment.finished_at, zone, settings.working_calendar)
    return DeployedChange(
        change.id,
        deployment.id,
        change.service_id,
        deployment.finished_on,
        lead,
        coding,
        pickup,
        review,
        merge_to_deploy,
        reason,
        hours(start, deployment.finished_at, zone, None),
    )


def exclusion_reason(is_left_out_bot: bool, start: datetime | None, finished_at: datetime) -> str | None:
    """ "Why the change does not count in the lead time: bot, no commits, negative duration." """
    if is_left_out_bot:
        return "bot"
    if start is None:
        return "no commits"
    return "negative duration" if finished_at < start else None
