"""Edits to a world after the fact: records are edited, removed or reopened, and branches are force-pushed."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from tests.dora.model import Comment, Move, Review, World
from tests.dora.worlds import (
    BRANCHES,
    DAY,
    ENVIRONMENTS,
    LOGINS,
    MINUTE,
    SERVICES,
    TAGS,
    TEAMS,
    TITLES,
    ZONES,
    Clock,
    Draw,
    draw_branch,
    draw_moves,
    draw_own_commits,
    draw_review_time,
    latest_moment,
    one_of,
)

Edit = Callable[[Clock, World], None]


def pick(clock: Clock, items: list[Any]) -> Any:
    return items[clock.draw(st.integers(0, len(items) - 1))]


def edit_change(clock: Clock, world: World) -> None:
    """A pull request is edited: its title, author, branch, dates or size; or it turns out to be deleted."""
    if not world.pull_requests:
        return
    pull = pick(clock, world.pull_requests)
    at = pull.created_at
    values: dict[str, st.SearchStrategy[Any]] = {
        "title": st.sampled_from(TITLES),
        "head_branch": st.sampled_from(BRANCHES),
        "author_is_bot": st.booleans(),
        "first_authored_at": one_of(None, at - DAY, at + DAY),
        "first_committed_at": one_of(None, at - 2 * DAY),
        "base_branch": one_of("main", "release/1", "develop"),
        "reverts_number": one_of(None, 1, 2),
        "additions": st.integers(0, 99),
        "comment_count": st.integers(0, 5),
        "deleted": st.booleans(),
        "ready_at": one_of(None, at),
    }
    name = clock.draw(st.sampled_from(sorted(values)))
    setattr(pull, name, clock.draw(values[name]))


def merge_change(clock: Clock, world: World) -> None:
    """A pull request is merged now, or turns out not to be."""
    if not world.pull_requests:
        return
    pull = pick(clock, world.pull_requests)
    sha = clock.draw(st.sampled_from([None, *(c.sha for c in world.commits if c.repository_id == pull.repository_id)]))
    pull.merged_at = clock.draw(st.none() | st.just(clock.near(pull.created_at, 0, 3000, 10)))
    pull.merge_commit_sha = sha if pull.merged_at else None
    pull.state = "merged" if pull.merged_at else "open"


def review_change(clock: Clock, world: World) -> None:
    """A review or comment arrives late, or all are gone; or the pull request had been reopened."""
    if not world.pull_requests:
        return
    pull = pick(clock, world.pull_requests)
    login = clock.draw(st.sampled_from(LOGINS))
    late = Review(
        login, False, clock.draw(one_of("APPROVED", "CHANGES_REQUESTED")), clock.near(pull.created_at, 0, 3000, 15)
    )
    pull.reviews = clock.draw(one_of([], [*pull.reviews, late]))
    pull.comments = clock.draw(one_of([], [Comment(login, late.submitted_at)], pull.comments))
    pull.reopened_at = clock.draw(one_of([], [pull.created_at.replace(second=16)]))


def edit_own_commits(clock: Clock, world: World) -> None:
    """A pull request's branch is rewritten, as a rebase of the default branch's commits or otherwise; or a revert names
    another commit."""
    if not world.pull_requests:
        return
    pull = pick(clock, world.pull_requests)
    history = [c for c in world.commits if c.repository_id == pull.repository_id]
    if clock.draw(st.booleans()):
        pull.commits = clock.draw(one_of([], pull.commits[1:], draw_own_commits(clock.draw, pull, history)))
    else:
        pull.reverts_sha = clock.draw(
            st.sampled_from([None, *(c.sha for c in history), *(sha for p in world.pull_requests for sha in p.shas)])
        )


def edit_custom_change(clock: Clock, world: World) -> None:
    """A change of the custom source is reviewed late, moves to another service or commit, is removed, or comes back."""
    if not world.custom_changes:
        return
    change = pick(clock, world.custom_changes)
    values: dict[str, st.SearchStrategy[Any]] = {
        "service": st.sampled_from(SERVICES),
        "title": st.sampled_from(TITLES),
        "deleted": st.just(not change.deleted),
        "merged_at": st.just(change.merged_at + DAY),
        "first_commit_at": one_of(None, change.opened_at - DAY),
        "merge_commit_sha": st.sampled_from([None, *(c.sha for c in world.commits)]),
    }
    name = clock.draw(st.sampled_from(["first_review_at", "approved_at", *sorted(values)]))
    drawn = clock.draw(values[name]) if name in values else draw_review_time(clock, change.merged_at)
    setattr(change, name, drawn)


def edit_deployment(clock: Clock, world: World) -> None:
    """A deployment is removed or comes back, ends after all, or turns out to be of another commit or environment."""
    if not world.deployments:
        return
    deployment = pick(clock, world.deployments)
    ends = clock.near(deployment.created_at, 0, 3000, 30) + MINUTE
    shas = [c.sha for c in world.commits if c.repository_id == deployment.repository_id]
    values: dict[str, st.SearchStrategy[Any]] = {
        "deleted": st.just(not deployment.deleted),
        "first_success_at": one_of(None, ends),
        "first_failure_at": one_of(None, ends),
        "sha": st.sampled_from([None, *shas]),
        "environment": st.sampled_from(ENVIRONMENTS),
        "ref_name": st.sampled_from(TAGS),
    }
    name = clock.draw(st.sampled_from(sorted(values)))
    setattr(deployment, name, clock.draw(values[name]))


def next_status(clock: Clock, last: Move | None) -> str:
    """Any status except the present one."""
    now = last.target if last else "1"
    return str(clock.draw(one_of(*(s for s in ("3", "1", "2", "4") if s != now))))


def edit_incident(clock: Clock, world: World) -> None:
    """An issue is reopened or closed, moves to another key, changes what it names, or is removed."""
    if not world.issues:
        return
    issue = pick(clock, world.issues)
    if clock.draw(st.booleans()):
        last = issue.moves[-1] if issue.moves else None
        more = draw_moves(
            clock, last.at if last else issue.created_at, last.target if last else "1", next_status(clock, last)
        )
        issue.moves = clock.draw(st.sampled_from([issue.moves + more, issue.moves[:-1]]))
        return
    values: dict[str, st.SearchStrategy[Any]] = {
        "key": st.just(f"NEW-{issue.id % 100}"),
        "components": one_of([], ["shop"], ["billing"]),
        "labels": one_of([], ["external"], ["incident"]),
        "issue_type": one_of("Incident", "Task"),
        "links": one_of([], ["DEV-1"], ["DEV-2"]),
        "fix_versions": one_of([], ["v1"], ["v3"]),
        "description": st.sampled_from(["", *(f"It was {d.url}." for d in world.deployments)]),
        "deleted": st.just(not issue.deleted),
        "created_at": st.just(issue.created_at - timedelta(hours=3)),
    }
    name = clock.draw(st.sampled_from(sorted(values)))
    setattr(issue, name, clock.draw(values[name]))


def force_push(clock: Clock, world: World) -> None:
    """The newest commits of a branch fall off its chain or change places, or all get new positions."""
    repository = pick(clock, world.repositories)
    chain = [c for c in world.commits if c.repository_id == repository.id and not c.brought_by]
    how = clock.draw(one_of("drop", "reverse", "renumber"))
    cut = clock.draw(st.integers(0, len(chain)))
    for n, commit in enumerate(chain):
        if how == "renumber":
            commit.position = 100 + 2 * n
        elif n >= cut:
            commit.position = None if how == "drop" else 1000 - n
    positions = {c.sha: c.position for c in chain}
    for commit in world.commits:
        if commit.repository_id == repository.id and commit.brought_by:
            commit.position = positions.get(commit.brought_by)


def lose_commit(clock: Clock, world: World) -> None:
    """A commit turns out not to exist."""
    if world.commits:
        world.commits.remove(pick(clock, world.commits))


def edit_branch(clock: Clock, world: World) -> None:
    """What a deployed branch holds becomes known, or turns out to be something else; or it is forgotten."""
    shas = [(d.repository_id, d.sha) for d in world.deployments if d.sha]
    if not shas:
        return
    repository_id, sha = pick(clock, shas)
    world.branches = [b for b in world.branches if (b.repository_id, b.sha) != (repository_id, sha)]
    if clock.draw(st.integers(0, 3)):
        repository = next(r for r in world.repositories if r.id == repository_id)
        chain = [c for c in world.commits if c.repository_id == repository_id]
        pulls = [p for p in world.pull_requests if p.repository_id == repository_id]
        world.branches.append(draw_branch(clock.draw, repository, chain, pulls, sha))


def edit_repository(clock: Clock, world: World) -> None:
    """A repository has another default branch, or another name."""
    repository = pick(clock, world.repositories)
    if clock.draw(st.booleans()):
        repository.default_branch = clock.draw(one_of("main", "release/1"))
    else:
        repository.full_name = f"acme/renamed-{repository.id % 10}"


def edit_settings(clock: Clock, world: World) -> None:
    """The admin chooses another definition, time zone, or teams."""
    name, values = clock.draw(
        one_of(
            ("minimum_sample", (1, 2)),
            ("start_event", ("opened", "first_commit")),
            ("exclude_bots", (True, False)),
            ("incident_window_hours", (2, 300)),
            ("rollback_window_hours", (1, 48)),
            ("week_start", ("monday", "sunday", "saturday")),
            ("teams", TEAMS),
            ("zone", ZONES),
        )
    )
    value = clock.draw(st.sampled_from(values))
    if name == "zone":
        world.time_zone = value
    else:
        world.given = {**world.given, name: value}


def edit_statuses(clock: Clock, world: World) -> None:
    """A status of the site counts as done from now on, or no longer does."""
    world.statuses["4"] = ("Closed", clock.draw(one_of("done", "indeterminate")))
    world.statuses["2"] = ("In progress", clock.draw(one_of("done", "indeterminate")))


def time_passes(clock: Clock, world: World) -> None:
    """The next run is later."""
    world.now += clock.draw(st.integers(1, 100 * 24 * 60)) * MINUTE


EDITS: tuple[Edit, ...] = (
    edit_change,
    edit_change,
    merge_change,
    review_change,
    edit_own_commits,
    edit_custom_change,
    edit_deployment,
    edit_deployment,
    edit_incident,
    edit_incident,
    force_push,
    lose_commit,
    edit_branch,
    edit_branch,
    edit_repository,
    edit_settings,
    edit_statuses,
    time_passes,
)


def edited(draw: Draw, world: World, kinds: tuple[Edit, ...] = EDITS, most: int = 3) -> tuple[World, list[str]]:
    """A copy of the world after up to `most` edits, and a list of the edits. Time never goes back."""
    after, clock = copy.deepcopy(world), Clock(draw, 20)
    done = draw(st.lists(st.sampled_from(kinds), min_size=min(2, most), max_size=most))
    for edit in done:
        edit(clock, after)
    after.now = max(after.now, latest_moment(after))
    return after, [edit.__name__ for edit in done]
