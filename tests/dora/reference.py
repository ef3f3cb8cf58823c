"""docs/metrics.md in plain Python, slow and independent of the SQL: `compute` returns every fact and number of a world."""

from __future__ import annotations

import itertools
import re
import statistics
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from tests.dora.branches import (
    Held,
    arrival,
    carries_others,
    goes_by_time,
    held_commits,
    is_production,
    position_then,
    positions_of,
)
from tests.dora.days import day_of, hours
from tests.dora.incidents import find_causes, incidents_of
from tests.dora.metrics import compute_metrics
from tests.dora.model import (
    Cause,
    ChangeFact,
    Comment,
    Commit,
    CustomChange,
    DeployedChange,
    Deployment,
    DeploymentFact,
    IncidentFact,
    PullRequest,
    Result,
    Review,
    World,
)

TITLE_KEY = re.compile(r"\b[A-Z][A-Za-z0-9_]*-?[0-9]+(?![A-Za-z0-9])")
BRANCH_KEY = re.compile(r"(?<![A-Z0-9_])[A-Z][A-Z0-9]*-[0-9]+(?![A-Z0-9])")
ANY_KEY = re.compile(r"(?<![A-Za-z0-9])([A-Za-z][A-Za-z0-9_]*)-([0-9]{1,9})(?![A-Za-z0-9])")


def compute(world: World) -> Result:
    """Facts first, then their order and links, then what follows from the links, then the numbers."""
    changes = changes_of(world)
    deployments = deployments_of(world)
    mark_order(world, deployments)
    mark_releases(world, deployments)
    deployed = deployed_changes(world, changes, deployments)
    incidents = incidents_of(world)
    causes = find_causes(world, changes, deployments, deployed, incidents)
    mark_failures(world, deployments, incidents, causes)
    mark_rework(changes, deployments, {i.key: i for i in incidents.values()})
    result = Result(changes, deployments, deployed, incidents, causes)
    result.metrics = compute_metrics(world, result)
    return result


# ------------------------------------------------------------------------------------------------------------ changes


def seconds(moment: datetime) -> int:
    return round(moment.timestamp())


def is_merged_there(world: World, pull: PullRequest) -> bool:
    """ "A pull request merged into a production branch"."""
    return (
        not pull.deleted and pull.merged_at is not None and is_production(world, pull.repository_id, pull.base_branch)
    )


def changes_of(world: World) -> dict[str, ChangeFact]:
    """Every change by its id."""
    merged = [p for p in world.pull_requests if is_merged_there(world, p)]
    positions = positions_of(world)
    found = [change_of(world, p, positions) for p in merged]
    found += [
        brought_change_of(world, p, positions) for p in world.pull_requests if p not in merged and arrival(world, p)
    ]
    if world.settings.direct_pushes:
        customs = {c.merge_commit_sha for c in world.custom_changes if not c.deleted}
        pushes = [c for c in world.commits if is_push(world, c, merged, positions) and c.sha not in customs]
        found += [push_of(world, c) for c in pushes]
    found += [custom_change_of(world, c, positions) for c in world.custom_changes if not c.deleted]
    return {c.id: c for c in found}


def names_in(world: World, title: str, branch: str = "") -> set[str]:
    """The issues that title and branch name: "keys as they are written; keys of known projects in any case, of `fix_my_ops-12`
    the longest known"."""
    names = set(TITLE_KEY.findall(title)) | set(BRANCH_KEY.findall(branch.upper()))
    for word, number in ANY_KEY.findall(f"{title} {branch}"):
        parts = word.upper().split("_")
        known = [key for n in range(len(parts)) if (key := "_".join(parts[n:])) in world.project_keys]
        names |= {f"{key}-{number}" for key in known[:1]}
    return names


def is_push(world: World, commit: Commit, merged: list[PullRequest], positions: dict[tuple[int, str], int]) -> bool:
    """ "Commits pushed to the default branch without a pull request". "Commits added by a rebase merge are not direct pushes
    (the last commits up to a merge, as many as the pull request has, that share authored date and headline with one of its
    commits)"."""
    if commit.position is None or commit.brought_by or goes_by_time(world, commit.repository_id):
        return False
    for pull in merged:
        merge = positions.get((pull.repository_id, pull.merge_commit_sha or ""))
        if pull.repository_id != commit.repository_id or merge is None:
            continue
        own = {(c.authored_at, c.headline) for c in pull.commits if c.authored_at}
        is_near = 0 <= merge - commit.position < max(len(pull.commits), 1)
        if pull.merge_commit_sha == commit.sha or (is_near and (commit.authored_at, commit.headline) in own):
            return False
    return True


def push_of(world: World, commit: Commit) -> ChangeFact:
    """ "Each starts at its commit date and is opened and merged at its committed date." Its title is the headline."""
    authored = commit.authored_at if world.settings.commit_date == "authored" else None
    repository = next(r for r in world.repositories if r.id == commit.repository_id)
    return ChangeFact(
        id=f"gh-commit:{world.github}:{commit.repository_id}:{commit.sha}",
        service_id=world.service_id(commit.repository_id),
        number=None,
        title=commit.headline,
        url=f"https://github.example/{repository.full_name}/commit/{commit.sha}",
        head_branch=None,
        is_bot=False,
        is_revert=re.match(r"revert\b", commit.headline, re.I) is not None,
        reverts_change_id=None,
        is_hotfix=bool(re.search(world.settings.hotfix_pattern, commit.headline, re.I)),
        first_commit_at=authored or commit.committed_at,
        opened_at=commit.committed_at,
        first_review_at=None,
        approved_at=None,
        merged_at=commit.committed_at,
        merged_on=day_of(commit.committed_at, ZoneInfo(world.time_zone)),
        merge_commit_sha=commit.sha,
        merge_position=commit.position,
        lines=0,
        depth=0,
        changes_requested_count=0,
        reopened_count=0,
        is_reviewed=False,
        names=names_in(world, commit.headline),
        is_pull_request=False,
    )


def reverted_by(world: World, pull: PullRequest) -> str | None:
    """What a revert undoes: "the merged pull request with the number that GitHub gives, in the repository that it names;
    otherwise, the pull request that was merged as the commit that git names, or that contains that commit; otherwise, the
    direct push of that commit"."""
    merged = sorted((p for p in world.pull_requests if p.merged_at and not p.deleted), key=lambda p: p.id)
    here = [p for p in merged if p.repository_id == pull.repository_id]
    others = {r.id for r in world.repositories if r.full_name.lower() == pull.reverts_repository}
    meant = [p for p in merged if p.repository_id in others] if pull.reverts_repository else here
    named = [
        *(p for p in meant if pull.reverts_number == p.number),
        *(p for p in here if pull.reverts_sha and pull.reverts_sha == p.merge_commit_sha),
        *(p for p in here if pull.reverts_sha in {c.sha for c in p.commits}),
    ]
    if named:
        return f"gh-pr:{world.github}:{named[0].id}"
    if pull.reverts_sha and world.settings.direct_pushes:
        return f"gh-commit:{world.github}:{pull.repository_id}:{pull.reverts_sha}"
    return None


def change_of(world: World, pull: PullRequest, positions: dict[tuple[int, str], int]) -> ChangeFact:
    """One pull request as a change. `dora.commit_date` chooses the first commit's date; opened means "published or marked ready
    for review"; a revert says what it undoes; a hotfix matches `dora.hotfix_pattern` "on title or branch"."""
    settings, zone = world.settings, ZoneInfo(world.time_zone)
    assert pull.merged_at is not None
    return ChangeFact(
        id=f"gh-pr:{world.github}:{pull.id}",
        service_id=world.service_id(pull.repository_id),
        number=pull.number,
        title=pull.title,
        url=pull.url,
        head_branch=pull.head_branch,
        is_bot=(pull.author_is_bot or matches(pull.author_login, settings.bots))
        and not matches(pull.author_login, settings.agents),
        is_revert=bool(pull.reverts_number or pull.reverts_sha or re.match(r"revert\b", pull.title, re.I)),
        reverts_change_id=reverted_by(world, pull),
        is_hotfix=any(re.search(settings.hotfix_pattern, text, re.I) for text in (pull.title, pull.head_branch)),
        first_commit_at=pull.first_authored_at
        if settings.commit_date == "authored"
        else pull.first_committed_at or pull.first_authored_at,
        opened_at=pull.ready_at or pull.created_at,
        first_review_at=first_answer(world, pull),
        approved_at=approval(world, pull),
        merged_at=pull.merged_at,
        merged_on=day_of(pull.merged_at, zone),
        merge_commit_sha=pull.merge_commit_sha,
        merge_position=seconds(pull.merged_at)
        if goes_by_time(world, pull.repository_id)
        else positions.get((pull.repository_id, pull.merge_commit_sha or "")),
        lines=pull.additions + pull.deletions,
        depth=len(pull.reviews) + pull.comment_count,
        changes_requested_count=requests_for_changes(pull),
        reopened_count=len(pull.reopened_at),
        is_reviewed=any(r.submitted_at <= pull.merged_at for r in by_people(world, pull)),
        names=names_in(world, pull.title, pull.head_branch),
        own_shas={c.sha for c in pull.commits},
        last_own_sha=pull.commits[-1].sha if pull.commits else None,
        carries_others=carries_others(world, pull),
    )


def brought_change_of(world: World, pull: PullRequest, positions: dict[tuple[int, str], int]) -> ChangeFact:
    """A pull request that was merged into another branch and came to production with it."""
    change, how = change_of(world, pull, positions), arrival(world, pull)
    assert how is not None
    change.merge_position, change.merged_into, change.carries_others = how.position, pull.base_branch, False
    change.carried_by = f"gh-pr:{world.github}:{how.carrier.id}" if how.carrier else None
    return change


def matches(login: str, patterns: list[str]) -> bool:
    return any(re.search(p, login, re.I) for p in patterns)


def is_machine(world: World, answer: Review | Comment) -> bool:
    """ "Automation", which the forge or `dora.bots` names, or a coding agent: its "reviews and approvals count for nothing"."""
    settings = world.settings
    is_bot = isinstance(answer, Review) and answer.author_is_bot
    return is_bot or matches(answer.author_login, [*settings.bots, *settings.agents])


def by_people(world: World, pull: PullRequest) -> list[Review]:
    """Reviews by people other than the author."""
    return [r for r in pull.reviews if r.author_login != pull.author_login and not is_machine(world, r)]


def approval(world: World, pull: PullRequest) -> datetime | None:
    found = [r.submitted_at for r in by_people(world, pull) if r.state == "APPROVED"]
    return min(found, default=None) if pull.reviews else pull.approved_at


def first_answer(world: World, pull: PullRequest) -> datetime | None:
    """ "The first submitted review or comment by a person other than the author"."""
    comments = [c for c in pull.comments if c.author_login != pull.author_login]
    machines = {r.submitted_at for r in pull.reviews if is_machine(world, r)}
    machines |= {c.at for c in comments if is_machine(world, c)}
    if pull.first_review_at not in machines:
        return pull.first_review_at
    spoken = [c.at for c in comments if not is_machine(world, c)]
    found = sorted([*spoken, *(r.submitted_at for r in by_people(world, pull))])
    assert pull.merged_at is not None
    ready = [at for at in found if pull.ready_at and pull.ready_at <= at <= pull.merged_at]
    return next(iter(ready or found), None)


def custom_change_of(world: World, change: CustomChange, positions: dict[tuple[int, str], int]) -> ChangeFact:
    """ "Merged change of a custom source". It belongs to the repository that its service's name means, or else to a service of
    that name, where times replace positions. An approval is a review."""
    repository = world.repository_named(change.service)
    reviewed_at = min((at for at in (change.first_review_at, change.approved_at) if at), default=None)
    return ChangeFact(
        id=f"custom:{world.custom}:{change.id}",
        service_id=world.service_id(repository.id) if repository else f"custom:{change.service.lower()}",
        number=None,
        title=change.title,
        url=change.url,
        head_branch=None,
        is_bot=False,
        is_revert=re.match(r"revert\b", change.title, re.I) is not None,
        reverts_change_id=None,
        is_hotfix=re.search(world.settings.hotfix_pattern, change.title, re.I) is not None,
        first_commit_at=change.first_commit_at,
        opened_at=change.opened_at,
        first_review_at=reviewed_at,
        approved_at=change.approved_at,
        merged_at=change.merged_at,
        merged_on=day_of(change.merged_at, ZoneInfo(world.time_zone)),
        merge_commit_sha=change.merge_commit_sha,
        merge_position=positions.get((repository.id, change.merge_commit_sha or ""))
        if repository and not goes_by_time(world, repository.id)
        else seconds(change.merged_at),
        lines=0,
        depth=0,
        changes_requested_count=0,
        reopened_count=0,
        is_reviewed=reviewed_at is not None and reviewed_at <= change.merged_at,
        names=names_in(world, change.title),
        is_pull_request=False,
    )


def requests_for_changes(pull: PullRequest) -> int:
    """ "Number of reviews before the merge that requested changes"."""
    assert pull.merged_at is not None
    return sum(r.state == "CHANGES_REQUESTED" and r.submitted_at <= pull.merged_at for r in pull.reviews)


# -------------------------------------------------------------------------------------------------------- deployments


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


# --------------------------------------------------------------------------------------------------- deployed changes


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


# ------------------------------------------------------------------------------------------------------------- rework


def mark_rework(
    changes: dict[str, ChangeFact], deployments: dict[str, DeploymentFact], incidents: dict[str, IncidentFact]
) -> None:
    """ "A production deployment is rework if it is a rollback, or if it delivers a hotfix, a revert, or a change that names an
    incident created before the deployment finished. Each reason is a row of `core.rework_evidence`"."""
    for deployment in deployments.values():
        if deployment.is_rollback:
            deployment.rework.add(("rollback", undone_by(deployment, deployments).id))
        for change in (changes[change_id] for change_id in deployment.contains):
            if change.is_hotfix:
                deployment.rework.add(("hotfix", change.id))
            if change.is_revert:
                deployment.rework.add(("revert", change.id))
            for key in change.names & incidents.keys():
                incident = incidents[key]
                if incident.created_at < deployment.finished_at:
                    deployment.rework.add(("incident", incident.id))
    for deployment in deployments.values():
        parts = [d for d in deployments.values() if d is deployment or d.release_id == deployment.id]
        deployment.is_rework = any(d.rework for d in parts)


def undone_by(rollback: DeploymentFact, deployments: dict[str, DeploymentFact]) -> DeploymentFact:
    """The predecessor of a rollback."""
    for order in environments_of(deployments, rollback.service_id):
        if rollback in order:
            return order[order.index(rollback) - 1]
    raise AssertionError(rollback.id)
