"""Flows beside the default branch, in plain Python: what deployed branches hold, and pull requests that come with others."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from tests.dora.model import PullRequest, World

Held = set[tuple[int, str, str, str]]
"""repository, deployed commit, commit of its branch, commit whose change that one has"""


@dataclass
class Arrival:
    """How a pull request that was merged into another branch came to production. Without a position, its branch was deployed."""

    position: int | None
    carrier: PullRequest | None


def positions_of(world: World) -> dict[tuple[int, str], int]:
    """The position of every commit of the default branches that has one."""
    return {(c.repository_id, c.sha): c.position for c in world.commits if c.position is not None}


def position_then(world: World, repository_id: int, sha: str | None, began_at: datetime) -> int | None:
    """The position of a commit at that time: one that a merge brought has none before the merge."""
    here = [c for c in world.commits if c.repository_id == repository_id and c.position is not None]
    commit = next((c for c in here if c.sha == sha), None)
    if commit is None:
        return None
    if commit.brought_by is None:
        return commit.position
    merged_at = min((c.committed_at for c in here if c.position == commit.position and not c.brought_by), default=None)
    return commit.position if merged_at and merged_at <= began_at else None


def goes_by_time(world: World, repository_id: int) -> bool:
    """ "If a repository's default branch is not one of `dora.production_branches`, Pulse does not read the production branch's
    chain and uses the same times", as for "a service without a repository"."""
    patterns = world.settings.production_branches
    branch = next(r for r in world.repositories if r.id == repository_id).default_branch
    return bool(patterns) and not any(re.search(p, branch, re.I) for p in patterns)


def is_production(world: World, repository_id: int, branch: str) -> bool:
    """Whether it is "a production branch (default: the repository's default branch)"."""
    patterns = world.settings.production_branches
    if patterns:
        return any(re.search(p, branch, re.I) for p in patterns)
    return branch == next(r for r in world.repositories if r.id == repository_id).default_branch


def held_commits(world: World) -> Held:
    """ "A branch holds its own commits, those that one of them was picked from, and those of the default branch that are the same
    change (author date and headline), above where the branch began"."""
    found: Held = set()
    positions = positions_of(world)
    for branch in world.branches:
        base = positions.get((branch.repository_id, branch.base_sha or ""), -1)
        above = [
            c
            for c in world.commits
            if c.repository_id == branch.repository_id
            and c.position is not None
            and c.position > base
            and c.authored_at
        ]
        for commit in branch.commits:
            same = [c.sha for c in above if (c.authored_at, c.headline) == (commit.authored_at, commit.headline)]
            for sha in (commit.sha, *commit.picked_from, *same):
                found.add((branch.repository_id, branch.sha, commit.sha, sha))
    return found


def carried(world: World) -> list[tuple[PullRequest, PullRequest]]:
    """Pull requests that were merged into another branch, each with one that has its merge commit among its own."""
    merged = [p for p in world.pull_requests if p.merged_at and not p.deleted]
    return [
        (x, p)
        for x in merged
        for p in merged
        if x is not p
        and x.repository_id == p.repository_id
        and x.merge_commit_sha in {c.sha for c in p.commits}
        and not is_production(world, x.repository_id, x.base_branch)
        and not is_production(world, x.repository_id, x.head_branch)
    ]


def carries_others(world: World, pull: PullRequest) -> bool:
    """ "Opened after one of them was merged into its branch"."""
    return any(p is pull and x.merged_at is not None and x.merged_at <= pull.created_at for x, p in carried(world))


def arrival(world: World, pull: PullRequest) -> Arrival | None:
    """How a pull request that was merged into another branch came to production, or None. "Its merge commit is in the production
    branch's history; or in a pull request that was merged there; or its branch was deployed, and it is no copy"."""
    here, sha = pull.repository_id, pull.merge_commit_sha
    if not pull.merged_at or pull.deleted or sha is None or is_production(world, here, pull.head_branch):
        return None
    if carries_others(world, pull):
        return None
    by_time, positions = goes_by_time(world, here), positions_of(world)
    carriers = [p for x, p in carried(world) if x is pull and is_production(world, here, p.base_branch)]
    places = []
    for p in carriers:
        assert p.merged_at is not None
        place = round(p.merged_at.timestamp()) if by_time else positions.get((here, p.merge_commit_sha or ""))
        places.append((place is None, place or 0, p.merged_at, p.id, place, p))
    first = min(places, key=lambda found: found[:4], default=None)
    merged = None if by_time else positions.get((here, sha))
    known = [place for place in (merged, first[4] if first else None) if place is not None]
    if merged is not None or first:
        return Arrival(min(known, default=None), first[5] if first else None)
    held = held_commits(world)
    is_deployed = any((h[0], h[2]) == (here, sha) for h in held)
    return Arrival(None, None) if is_deployed and not by_time and not is_copy(pull, held, positions) else None


def is_copy(pull: PullRequest, held: Held, positions: dict[tuple[int, str], int]) -> bool:
    """Whether its merge commit, or the last commit of its branch, is one of the default branch once more."""
    own = {pull.merge_commit_sha, *(c.sha for c in pull.commits[-1:])}
    return any(
        repository == pull.repository_id
        and commit in own
        and commit != original
        and (repository, original) in positions
        for repository, _, commit, original in held
    )
