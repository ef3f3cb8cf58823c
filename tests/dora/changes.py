"""Changes, as docs/metrics.md defines them."""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

from tests.dora.branches import arrival, carries_others, goes_by_time, is_production, positions_of
from tests.dora.days import day_of, seconds
from tests.dora.model import ChangeFact, Comment, Commit, CustomChange, PullRequest, Review, World

TITLE_KEY = re.compile(r"\b[A-Z][A-Za-z0-9_]*-?[0-9]+(?![A-Za-z0-9])")
BRANCH_KEY = re.compile(r"(?<![A-Z0-9_])[A-Z][A-Z0-9]*-[0-9]+(?![A-Z0-9])")
ANY_KEY = re.compile(r"(?<![A-Za-z0-9])([A-Za-z][A-Za-z0-9_]*)-([0-9]{1,9})(?![A-Za-z0-9])")


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
        assisted_by=commit.assisted_by,
        ai="assistant" if commit.assisted_by else None,
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
    assisted_by = assistants_of(world, pull)
    by_agent = matches(pull.author_login, settings.agents)
    return ChangeFact(
        id=f"gh-pr:{world.github}:{pull.id}",
        service_id=world.service_id(pull.repository_id),
        number=pull.number,
        title=pull.title,
        url=pull.url,
        head_branch=pull.head_branch,
        is_bot=(pull.author_is_bot or matches(pull.author_login, settings.bots)) and not by_agent,
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
        assisted_by=assisted_by,
        ai="agent" if by_agent else "assistant" if assisted_by else None,
    )


def brought_change_of(world: World, pull: PullRequest, positions: dict[tuple[int, str], int]) -> ChangeFact:
    """A pull request that was merged into another branch and came to production with it."""
    change, how = change_of(world, pull, positions), arrival(world, pull)
    assert how is not None
    change.merge_position, change.merged_into, change.carries_others = how.position, pull.base_branch, False
    change.carried_by = f"gh-pr:{world.github}:{how.carrier.id}" if how.carrier else None
    return change


def assistants_of(world: World, pull: PullRequest) -> list[str]:
    """The AI assistants of which the pull request "or the commit that it was merged as" bears a sign."""
    return sorted({*pull.assisted_by, *assistants_at(world, pull.repository_id, pull.merge_commit_sha)})


def assistants_at(world: World, repository: int, sha: str | None) -> list[str]:
    """Those of a commit of the history."""
    return next((c.assisted_by for c in world.commits if (c.repository_id, c.sha) == (repository, sha)), [])


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
    assisted_by = assistants_at(world, repository.id, change.merge_commit_sha) if repository else []
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
        assisted_by=assisted_by,
        ai="assistant" if assisted_by else None,
        is_pull_request=False,
    )


def requests_for_changes(pull: PullRequest) -> int:
    """ "Number of reviews before the merge that requested changes"."""
    assert pull.merged_at is not None
    return sum(r.state == "CHANGES_REQUESTED" and r.submitted_at <= pull.merged_at for r in pull.reviews)
