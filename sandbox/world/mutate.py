"""Random changes to the world at the clock's time, from a seed, as they happen in real repositories and projects."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta

from sandbox.world.model import (
    Actor,
    Attempt,
    Change,
    Comment,
    Commit,
    Deployment,
    Event,
    FieldChange,
    Issue,
    Organisation,
    PullRequest,
    Release,
    Repository,
    RepositoryIssue,
    Review,
    Run,
    Status,
    Tag,
)

PEOPLE = (Actor("mira"), Actor("tariq"), Actor("renovate[bot]", "Bot"), Actor("moved", "Mannequin"), None)


class Mutation:
    """Changes one organisation.

    `now`: the time at which things happen; only what existed by then is touched. `actions` and `repository` limit what
    happens, and where.
    """

    def __init__(
        self,
        organisation: Organisation,
        seed: int,
        now: datetime,
        actions: list[str] | None = None,
        repository: str | None = None,
    ) -> None:
        self.organisation = organisation
        self.actions = actions or sorted(ACTIONS.keys() - ON_REQUEST)
        self.repositories = [r for r in organisation.repositories if repository in (None, r.name)]
        self.random = random.Random(f"{seed}:{organisation.login}:{now.isoformat()}")
        self.now = now

    def run(self, steps: int) -> list[str]:
        """Make some random changes; returns a list of them."""
        done = []
        for _ in range(steps):
            name = self.random.choice(self.actions)
            repository = self.random.choice(self.repositories)
            ACTIONS[name](self, repository)
            repository.ordered = []
            done.append(f"{name} in {repository.full_name}")
        return done

    def new_id(self) -> int:
        # Random, because several mutations at one moment must not give the same hashes.
        return 6_000_000_000_000 + self.random.getrandbits(48)

    def oid(self) -> str:
        return f"{self.random.getrandbits(160):040x}"

    def person(self) -> Actor | None:
        return self.random.choice(PEOPLE)

    def pull_request(self, repository: Repository, *, open_only: bool = False) -> PullRequest | None:
        there = [
            pr
            for pr in repository.pull_requests
            if pr.created_at <= self.now and not (open_only and pr.closed_at and pr.closed_at <= self.now)
        ]
        return self.random.choice(there[-30:]) if there else None

    def open_pull_request(self, repository: Repository) -> None:
        numbers = [pr.number for pr in repository.pull_requests] + [issue.number for issue in repository.issues]
        commits = [self.commit(f"Work {place}") for place in range(self.random.choice((1, 2, 3, 60)))]
        pr = PullRequest(
            self.new_id(),
            max(numbers, default=0) + 1,
            "A new thing",
            "Please look.",
            self.person(),
            self.now,
            "main",
            "branch",
            commits,
            draft=self.random.random() < 0.2,
            additions=3,
            changed_files=1,
            labels=["new"],
            files=[("services/api/new.py", 3, 0)],
        )
        repository.pull_requests.append(pr)

    def commit(self, headline: str) -> Commit:
        at = self.now - timedelta(minutes=self.random.randint(1, 500))
        return Commit(self.oid(), at, at, headline, self.person(), visible_at=self.now)

    def review(self, repository: Repository) -> None:
        if pr := self.pull_request(repository):
            state = self.random.choice(("APPROVED", "COMMENTED", "CHANGES_REQUESTED"))
            pr.reviews.append(Review(self.new_id(), self.person(), state, self.now, self.random.randint(0, 3)))

    def comment(self, repository: Repository) -> None:
        """One comment by anybody, or a discussion with more comments than fit on a page."""
        if pr := self.pull_request(repository):
            for _ in range(self.random.choice((1, 1, 15, 130))):
                pr.comments.append(Comment(self.new_id(), self.person(), self.now))

    def comment_alone(self, repository: Repository) -> None:
        """Comments by the author and a bot only, more than fit on a page."""
        if pr := self.pull_request(repository):
            for place in range(self.random.choice((1, 15))):
                pr.comments.append(Comment(self.new_id(), (pr.author, PEOPLE[2])[place % 2], self.now))

    def edit_comment(self, repository: Repository) -> None:
        """Edit its text, which Pulse does not store: the pull request only moves up in the order."""
        if (pr := self.pull_request(repository)) and pr.said(self.now):
            pr.changed_at = self.now

    def delete_comment(self, repository: Repository) -> None:
        """Delete the first comment of somebody's pull request."""
        there = [pr for pr in repository.pull_requests if pr.said(self.now)]
        if there:
            pr = self.random.choice(there[-30:])
            pr.comments.remove(pr.said(self.now)[0])
            pr.changed_at = self.now

    def force_push(self, repository: Repository) -> None:
        if pr := self.pull_request(repository, open_only=True):
            pr.commits = [self.commit("Rewritten")]
            pr.events.append(Event("HeadRefForcePushedEvent", self.now, self.person()))

    def edit(self, repository: Repository) -> None:
        if pr := self.pull_request(repository):
            pr.title += " (edited)"
            pr.labels = [*pr.labels, f"l{len(pr.labels)}"]
            pr.changed_at = self.now

    def close(self, repository: Repository) -> None:
        if pr := self.pull_request(repository, open_only=True):
            pr.closed_at = self.now
            pr.events.append(Event("ClosedEvent", self.now, self.person()))

    def merge(self, repository: Repository) -> None:
        pr = self.pull_request(repository, open_only=True)
        if pr is None:
            return
        pr.merged_at = pr.closed_at = self.now
        pr.merge_oid = self.oid()
        pr.events.append(Event("MergedEvent", self.now, self.person()))
        self.push(repository, pr.merge_oid)

    def push(self, repository: Repository, oid: str | None = None) -> None:
        seen = [commit for commit in repository.history if commit.seen(self.now)]
        at = max([self.now, *(commit.committed_at for commit in seen)])
        parents = [seen[-1].oid] if seen else []
        new = Commit(oid or self.oid(), at, at, "On the main branch", self.person(), parents, visible_at=self.now)
        # Future commits build on the present ones, so they would no longer form a history.
        repository.history = [*seen, new]

    def rewrite_history(self, repository: Repository) -> None:
        seen = [commit for commit in repository.history if commit.seen(self.now)]
        if len(seen) > 3:
            repository.history = seen[: -self.random.randint(1, 2)]
            self.push(repository)

    def deploy(self, repository: Repository) -> None:
        seen = [commit for commit in repository.history if commit.seen(self.now)]
        if seen:
            repository.deployments.append(
                Deployment(
                    self.new_id(),
                    self.random.choice(("production", "staging")),
                    seen[-1].oid,
                    self.now,
                    [Status(self.new_id(), "IN_PROGRESS", self.now)],
                    creator=Actor("ci"),
                )
            )

    def hotfix(self, repository: Repository) -> None:
        """Deploy a branch that began some commits ago, with the newest change picked onto it; no pull request shows it."""
        seen = [commit for commit in repository.history if commit.seen(self.now)]
        base, fix = seen[-self.random.randint(4, 9)], seen[-1]
        first = Commit(self.oid(), self.now, self.now, "Release branch", Actor("ci"), [base.oid])
        picked = Commit(self.oid(), fix.authored_at, self.now, fix.headline, fix.author, [first.oid])
        picked.body = f"(cherry picked from commit {fix.oid})"
        repository.branch_commits += [first, picked]
        done = [Status(self.new_id(), "SUCCESS", self.now)]
        repository.deployments.append(Deployment(self.new_id(), "production", picked.oid, self.now, done, "release/9"))

    def end_deployment(self, repository: Repository) -> None:
        running = [
            d for d in repository.deployments if d.created_at <= self.now and d.statuses[-1].state == "IN_PROGRESS"
        ]
        if running:
            outcome = self.random.choice(("SUCCESS", "SUCCESS", "FAILURE"))
            self.random.choice(running).statuses.append(Status(self.new_id(), outcome, self.now))

    def delete_deployment(self, repository: Repository) -> None:
        there = [d for d in repository.deployments if d.created_at <= self.now]
        if there:
            repository.deployments.remove(self.random.choice(there))

    def open_issue(self, repository: Repository) -> None:
        numbers = [pr.number for pr in repository.pull_requests] + [issue.number for issue in repository.issues]
        repository.issues.append(
            RepositoryIssue(
                self.new_id(), max(numbers, default=0) + 1, "It broke", "So it did.", self.person(), self.now, ["bug"]
            )
        )

    def close_issue(self, repository: Repository) -> None:
        there = [i for i in repository.issues if i.created_at <= self.now and not i.closed_at]
        if there:
            self.random.choice(there).closed_at = self.now

    def delete_issue(self, repository: Repository) -> None:
        there = [i for i in repository.issues if i.created_at <= self.now]
        if there:
            repository.issues.remove(self.random.choice(there))

    def release(self, repository: Repository) -> None:
        seen = [commit for commit in repository.history if commit.seen(self.now)]
        if seen:
            name = f"v9.{len(repository.tags)}.{self.random.randint(0, 999)}"
            repository.tags.append(Tag(name, seen[-1].oid, self.now, annotated=self.random.random() < 0.5))
            repository.releases.append(Release(self.new_id(), name, name, seen[-1].oid, self.now, self.now))

    def delete_release(self, repository: Repository) -> None:
        there = [r for r in repository.releases if r.created_at <= self.now]
        if there:
            repository.releases.remove(self.random.choice(there))

    def start_run(self, repository: Repository) -> None:
        ends = self.now + timedelta(minutes=self.random.randint(1, 90))
        jobs = [(self.new_id(), "test", "success"), (self.new_id(), "lint", "success")]
        repository.runs.append(
            Run(self.new_id(), "CI", "push", "main", self.oid(), self.now, [Attempt(self.now, ends, "success", jobs)])
        )

    def start_matrix(self, repository: Repository) -> None:
        """A run with more jobs than a page holds."""
        jobs = [(self.new_id(), f"shard {place}", "success") for place in range(230)]
        ends = self.now + timedelta(minutes=30)
        repository.runs.append(
            Run(self.new_id(), "CI", "push", "main", self.oid(), self.now, [Attempt(self.now, ends, "success", jobs)])
        )

    def repeat_run(self, repository: Repository) -> None:
        """Repeat a run of the last few hours; one that is repeated later is found by the weekly look back."""
        ended = [
            run
            for run in repository.runs
            if run.attempts and run.at > self.now - timedelta(hours=20) and run.attempts[-1].ended_at < self.now
        ]
        if ended:
            run = self.random.choice(ended)
            ends = self.now + timedelta(minutes=self.random.randint(1, 40))
            run.attempts.append(Attempt(self.now, ends, "success", [(self.new_id(), "test", "success")]))

    def rename(self, repository: Repository) -> None:
        repository.former_names.append(repository.full_name)
        repository.name = f"{repository.name.split('--')[0]}--{len(repository.former_names)}"

    def archive(self, repository: Repository) -> None:
        repository.archived = not repository.archived

    def issue(self) -> Issue | None:
        site = self.organisation.site
        there = [issue for issue in site.issues if issue.created_at <= self.now] if site else []
        return self.random.choice(there) if there else None

    def move_issue(self, repository: Repository) -> None:
        """Another status, with two items in one history entry."""
        site, issue = self.organisation.site, self.issue()
        if site and issue and not issue.recorded:
            status = self.random.choice(site.statuses)
            items = [
                FieldChange("status", "status", None, None, status["id"], status["name"]),
                FieldChange("labels", "labels", None, "", None, f"at{int(self.now.timestamp())}"),
            ]
            # Once somebody acts, the planned future changes no longer happen.
            issue.changes = [change for change in issue.changes if change.at <= self.now]
            issue.changes.append(Change(self.new_id(), self.now, "Mira", items))

    def create_issue(self, repository: Repository) -> None:
        site, like = self.organisation.site, self.issue()
        if site and like and not like.recorded:
            identity = max(issue.id for issue in site.issues) + 1
            key = f"{like.key.split('-')[0]}-{identity}"
            site.issues.append(
                Issue(identity, key, like.project_id, self.now, dict(like.fields), [], like.first_status)
            )

    def delete_jira_issue(self, repository: Repository) -> None:
        site, issue = self.organisation.site, self.issue()
        if site and issue:
            site.issues.remove(issue)


# What only happens when it is named: it moves the production numbers.
ON_REQUEST = {"hotfix"}
ACTIONS: dict[str, Callable[[Mutation, Repository], None]] = {
    name: getattr(Mutation, name)
    for name in (
        "open_pull_request",
        "review",
        "comment",
        "comment_alone",
        "edit_comment",
        "delete_comment",
        "force_push",
        "edit",
        "close",
        "merge",
        "push",
        "rewrite_history",
        "deploy",
        "end_deployment",
        "hotfix",
        "delete_deployment",
        "open_issue",
        "close_issue",
        "delete_issue",
        "release",
        "delete_release",
        "start_run",
        "start_matrix",
        "repeat_run",
        "rename",
        "archive",
        "move_issue",
        "create_issue",
        "delete_jira_issue",
    )
}
