"""What else happens in a generated repository: comments, files, workflow runs, issues, releases and tags.

They come from seeds of their own, so that pull requests and deployments stay the same."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from sandbox.world.model import Actor, Attempt, Comment, PullRequest, Release, Repository, RepositoryIssue, Run, Tag

FOLDERS = ("api", "web", "worker", "shared", "infra")
WORKFLOWS = (("CI", "push", ("lint", "test")), ("Deploy", "push", ("build", "deploy")))
CHECKER = Actor("coverage[bot]", "Bot")
AGENT = Actor("copilot-swe-agent", "Bot")
# The sign that each assistant leaves in a commit's message.
ASSISTANTS = (
    "Co-authored-by: Claude <noreply@anthropic.com>",
    "Co-authored-by: Cursor <cursoragent@cursor.com>",
    "Co-authored-by: Copilot <198982749+Copilot@users.noreply.github.com>",
)
FIRST_ASSISTED_MONTHS = 14  # before the anchor
TROUBLES = (
    "Export is slow",
    "Wrong total on the invoice",
    "Login page jumps",
    "Webhook arrives twice",
    "Dark mode glitch",
)


def add_more(repository: Repository, seed: int, people: list[Actor]) -> None:
    """Fill in the rest of a repository whose pull requests exist and have numbers."""
    rnd = random.Random(f"{seed}:more:{repository.full_name}")
    identity = repository.id * 10
    for pr in repository.pull_requests:
        folder = rnd.choice(FOLDERS)
        pr.files = [
            (
                f"services/{folder}/{rnd.choice(('main', 'store', 'routes'))}_{place}.py",
                max(1, pr.additions // 2),
                pr.deletions,
            )
            for place in range(min(pr.changed_files, 5))
        ]
    merges = sorted(
        (pr for pr in repository.pull_requests if pr.merged_at), key=lambda pr: pr.merged_at or pr.created_at
    )
    for place, pr in enumerate(merges):
        assert pr.merged_at is not None
        assert pr.merge_oid is not None
        for name, event, jobs in WORKFLOWS:
            identity += 7
            repository.runs.append(_run(rnd, identity, name, event, jobs, pr.merge_oid, pr.merged_at))
        if place % 25 == 24:
            identity += 7
            tag = f"v1.{place // 25}.0"
            made = pr.merged_at + timedelta(minutes=20)
            repository.tags.append(Tag(tag, pr.merge_oid, made, annotated=place % 50 == 24))
            published = made + timedelta(minutes=rnd.randint(1, 600))
            repository.releases.append(Release(identity, tag, f"Release {tag}", pr.merge_oid, made, published))
    number = len(repository.pull_requests) + len(merges)
    for pr in repository.pull_requests[::9]:
        identity, number = identity + 7, number + 1
        opened = pr.created_at - timedelta(hours=rnd.randint(5, 90))
        closed = opened + timedelta(hours=rnd.randint(2, 300)) if rnd.random() < 0.8 else None
        labels = ["bug"] + (["incident"] if rnd.random() < 0.1 else [])
        repository.issues.append(
            RepositoryIssue(
                identity, number, rnd.choice(TROUBLES), "See the log.", rnd.choice(people), opened, labels, closed
            )
        )


def add_comments(pr: PullRequest, count: int, ready: datetime, ended: datetime, seed: int, people: list[Actor]) -> None:
    """Plain comments while it is open: by a bot soon after it is ready, by its author, by colleagues."""
    rnd = random.Random(f"{seed}:comments:{pr.id}")
    for place in range(count):
        at = ready + (ended - ready) * rnd.random()
        author: Actor | None = rnd.choice(people)
        chance = rnd.random()
        if chance < 0.25:
            at, author = min(ready + timedelta(minutes=rnd.randint(1, 9)), ended), CHECKER
        elif chance < 0.6:
            author = pr.author
        pr.comments.append(Comment(pr.id * 100 + place, author, at))


def add_assistants(pr: PullRequest, anchor: datetime, seed: int) -> None:
    """Some pull requests are written with an assistant, and lately a few by an agent: more of them month by month."""
    rnd = random.Random(f"{seed}:assistants:{pr.id}")
    months = FIRST_ASSISTED_MONTHS - (anchor - pr.created_at).days / 30.44
    share = min(0.5, max(0.0, months / FIRST_ASSISTED_MONTHS) ** 1.5 / 2)
    if pr.author is None or pr.author.kind != "User" or rnd.random() >= share:
        return
    sign, person = rnd.choices(ASSISTANTS, (5, 3, 2))[0], pr.author
    if months > 9 and rnd.random() < 0.15:
        sign = f"Co-authored-by: {person.login} <{person.login}@example.com>"
        pr.author = AGENT
        for commit in pr.commits:
            commit.author = AGENT
    for commit in pr.commits[:1] + [one for one in pr.commits[1:] if rnd.random() < 0.5]:
        commit.body = sign


def _run(
    rnd: random.Random, identity: int, name: str, event: str, jobs: tuple[str, ...], oid: str, merged: datetime
) -> Run:
    at = merged + timedelta(seconds=rnd.randint(2, 20))
    run = Run(identity, name, event, "main", oid, at)
    started = at + timedelta(seconds=rnd.randint(5, 60))
    while True:
        ended = started + timedelta(minutes=rnd.randint(2, 14))
        failed = rnd.random() < 0.08
        outcome = "failure" if failed else "success"
        names = [
            (identity * 100 + 10 * len(run.attempts) + place, job, outcome if place else "success")
            for place, job in enumerate(jobs)
        ]
        run.attempts.append(Attempt(started, ended, outcome, names))
        if not failed or len(run.attempts) > 2 or rnd.random() < 0.3:
            return run
        started = ended + timedelta(minutes=rnd.randint(1, 400))
