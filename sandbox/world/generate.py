"""Generates a company's world from a seed. The same seed and anchor always give the same world."""

from __future__ import annotations

import bisect
import hashlib
import math
import random
from datetime import UTC, date, datetime, time, timedelta

from sandbox.world.extras import add_assistants, add_comments, add_more
from sandbox.world.model import Actor, Commit, Deployment, Event, Organisation, PullRequest, Repository, Review, Status
from sandbox.world.profiles import Phase, Profile
from sandbox.world.tracker import Tracker

MONTHS_BEFORE, MONTHS_AFTER = 18, 12
BOT = Actor("dependabot[bot]", "Bot")
SUBJECTS = (
    "Add {a} to the {b}",
    "Speed up the {b}",
    "Validate {a} before the {b}",
    "Fix rounding in the {b}",
    "Retry the {b} when {a} is away",
    "Show {a} in the {b}",
    "Move {a} out of the {b}",
    "Log the {b} once",
    "Cache {a} for the {b}",
    "Remove the old {b}",
    "Handle an empty {a} in the {b}",
)
THINGS = (
    "voucher",
    "address",
    "price list",
    "session",
    "invoice",
    "stock level",
    "customer note",
    "tax rate",
    "basket",
    "delivery slot",
    "refund",
    "webhook",
    "image",
    "filter",
)
PLACES = (
    "order form",
    "nightly job",
    "search index",
    "payment page",
    "report",
    "mail queue",
    "admin list",
    "API",
    "import",
    "start page",
    "exporter",
    "rate table",
)


def generate(profile: Profile, anchor: date, seed: int = 7) -> Organisation:
    """The whole world of one company, from 18 months before the anchor to 12 months after."""
    return Generator(profile, anchor, seed).run()


class Generator:
    """One company's world under construction."""

    def __init__(self, profile: Profile, anchor: date, seed: int) -> None:
        self.profile = profile
        self.anchor = anchor
        self.seed = seed
        self.random = random.Random(f"{seed}:{profile.login}")
        self.tracker = Tracker(profile, self.random)
        self.next_id = 2_900_000_000 + int(hashlib.sha256(profile.login.encode()).hexdigest()[:6], 16) * 4096
        self.first_day = anchor - timedelta(days=round(MONTHS_BEFORE * 30.44))
        self.last_day = anchor + timedelta(days=round(MONTHS_AFTER * 30.44))
        self.people = [Actor(login) for login in profile.people]

    def run(self) -> Organisation:
        organisation = Organisation(self.profile.login, site=self.tracker.site)
        for index, (name, share) in enumerate(self.profile.repositories):
            repository = Repository(
                700_000_000 + self.new_id() % 90_000_000,
                self.profile.login,
                name,
                self.at(self.first_day, 9),
                url=f"https://github.com/{self.profile.login}/{name}",
            )
            RepositoryHistory(self, repository, share, index).fill()
            add_more(repository, self.seed, self.people)
            organisation.repositories.append(repository)
        self.tracker.finish(self.first_day, self.last_day, self.seed)
        return organisation

    def new_id(self) -> int:
        self.next_id += self.random.randint(3, 40)
        return self.next_id

    def oid(self) -> str:
        return f"{self.random.getrandbits(160):040x}"

    def phase(self, at: datetime) -> Phase:
        return self.profile.phase(at.date(), self.anchor)

    def at(self, day: date, hour: float) -> datetime:
        """A local time of day, as UTC."""
        local = datetime.combine(day, time(), UTC) + timedelta(hours=hour)
        return local - timedelta(hours=self.profile.utc_offset_hours)

    def around(self, median_hours: float, spread: float = 0.8) -> timedelta:
        """A positive, skewed duration with the given median."""
        return timedelta(hours=median_hours * math.exp(self.random.gauss(0, spread)))

    def workward(self, at: datetime) -> datetime:
        """The time itself if people work then, else the next working morning."""
        local = at + timedelta(hours=self.profile.utc_offset_hours)
        day, hour = local.date(), local.hour + local.minute / 60
        if day.weekday() < 5 and 8 <= hour < 19:
            return at
        if hour >= 19:
            day += timedelta(days=1)
        while day.weekday() >= 5:
            day += timedelta(days=1)
        return self.at(day, 8.5 + self.random.random() * 2)

    def working_days(self) -> list[date]:
        days = (self.first_day + timedelta(days=n) for n in range((self.last_day - self.first_day).days))
        return [day for day in days if day.weekday() < 5 and not (day.month == 12 and day.day >= 24)]


class RepositoryHistory:
    """One repository: pull requests, then releases with their failures and repairs, then the commit graph."""

    def __init__(self, world: Generator, repository: Repository, share: float, index: int) -> None:
        self.world = world
        self.random = world.random
        self.repository = repository
        self.share = share
        self.project = index % len(world.profile.projects)
        self.merges: list[tuple[datetime, int, PullRequest]] = []
        self.numbers = 0

    def fill(self) -> None:
        for day in self.world.working_days():
            rate = self.world.phase(self.world.at(day, 12)).pull_requests_per_day * self.share
            rate *= 0.8 if day.weekday() == 4 else 1.05
            for _ in range(self._poisson(rate)):
                self._pull_request(self.world.at(day, 8.5 + self.random.betavariate(2, 2.2) * 9))
            if day.weekday() == 0 and self.random.random() < 0.35:
                self._bot_pull_request(self.world.at(day, 5.1))
        Releases(self).run()
        self._commit_graph()
        self.repository.pull_requests.sort(key=lambda pr: pr.created_at)
        self._number()

    def add(self, pr: PullRequest) -> PullRequest:
        self.repository.pull_requests.append(pr)
        if pr.merged_at is not None:
            bisect.insort(self.merges, (pr.merged_at, pr.id, pr))
        return pr

    def _poisson(self, rate: float) -> int:
        limit, product, count = math.exp(-rate), self.random.random(), 0
        while product > limit:
            product *= self.random.random()
            count += 1
        return count

    def _pull_request(self, started: datetime) -> None:
        world, phase = self.world, self.world.phase(started)
        author = self.random.choice(world.people)
        opened = world.workward(started + world.around(phase.coding_hours))
        title = self.random.choice(SUBJECTS).format(a=self.random.choice(THINGS), b=self.random.choice(PLACES))
        key = None
        if self.random.random() < 0.7:
            key = world.tracker.story(
                self.project, title, self.repository.name, started - world.around(60), author.login
            )
            title = f"{key.key} {title}"
        commits = self._commits(started, opened, author, title)
        size = max(1, int(math.exp(self.random.gauss(4.0, 1.2))))
        pr = PullRequest(
            world.new_id(),
            0,
            title,
            f"{title}.\n\nPlease have a look.",
            None if self.random.random() < 0.01 else author,
            opened,
            "main",
            f"{author.login}/{title.split(' ')[0].lower()}-{self.random.randint(1, 999)}",
            commits,
            additions=size,
            deletions=int(size * self.random.random()),
            changed_files=max(1, size // 40),
        )
        comments = self._poisson(1.2)
        pr.labels = [self.random.choice(("feature", "bug", "chore"))]
        ready = opened
        if self.random.random() < 0.12:
            pr.draft = True
            ready = world.workward(opened + world.around(5))
            pr.events.append(Event("ReadyForReviewEvent", ready, author))
        merged = self._review(pr, ready, phase)
        add_comments(pr, comments, ready, merged, world.seed, world.people)
        if self.random.random() < 0.07:
            pr.closed_at = merged
            pr.events.append(Event("ClosedEvent", merged, author))
            self.add(pr)
            return
        self._merge(pr, merged)
        if key:
            world.tracker.done(key, opened, merged + world.around(4))

    def _review(self, pr: PullRequest, ready: datetime, phase: Phase) -> datetime:
        """Add reviews until the approval; returns the time of the merge."""
        world = self.world
        if self.random.random() < 0.06:  # merged without a review
            return world.workward(ready + world.around(1))
        reviewers = [person for person in world.people if person != pr.author]
        reviewer = self.random.choice(reviewers)
        pr.events.append(Event("ReviewRequestedEvent", ready + timedelta(minutes=3), pr.author))
        at = world.workward(ready + world.around(phase.pickup_hours))
        while self.random.random() < 0.35 and len(pr.reviews) < 4:
            state = self.random.choice(("COMMENTED", "CHANGES_REQUESTED"))
            pr.reviews.append(Review(world.new_id(), reviewer, state, at, self._poisson(2)))
            fixed = world.workward(at + world.around(phase.review_hours / 2))
            pr.commits.append(Commit(world.oid(), fixed, fixed, "Address the review", pr.author, visible_at=fixed))
            if self.random.random() < 0.15:
                pr.events.append(Event("HeadRefForcePushedEvent", fixed, pr.author))
            at = world.workward(fixed + world.around(phase.review_hours / 2))
        pr.reviews.append(Review(world.new_id(), reviewer, "APPROVED", at, self._poisson(0.5)))
        return world.workward(at + world.around(phase.review_hours / 3))

    def _commits(self, started: datetime, opened: datetime, author: Actor, title: str) -> list[Commit]:
        count = min(6, 1 + self._poisson(1.3))
        times = sorted(started + (opened - started) * self.random.random() for _ in range(count - 1))
        return [
            Commit(
                self.world.oid(),
                at,
                at + timedelta(minutes=self.random.randint(0, 20)),
                title if index == 0 else "Continue",
                author,
                visible_at=opened,
            )
            for index, at in enumerate([started, *times])
        ]

    def _merge(self, pr: PullRequest, at: datetime) -> None:
        pr.merged_at = pr.closed_at = at
        pr.merge_oid = self.world.oid()
        pr.merge_parents = 2 if self.random.random() < 0.4 else 1
        pr.events += [Event("MergedEvent", at, pr.author), Event("ClosedEvent", at, pr.author)]
        self.add(pr)

    def _bot_pull_request(self, at: datetime) -> None:
        world = self.world
        title = f"Bump {self.random.choice(('lodash', 'requests', 'jackson', 'pyjwt', 'eslint'))} from 4.1 to 4.2"
        commit = Commit(world.oid(), at, at, title, BOT, visible_at=at)
        pr = PullRequest(
            world.new_id(),
            0,
            title,
            title,
            BOT,
            at,
            "main",
            "dependabot/bump",
            [commit],
            additions=2,
            deletions=2,
            changed_files=1,
            labels=["dependencies"],
        )
        reviewer = self.random.choice(world.people)
        merged = world.workward(at + world.around(20))
        pr.reviews.append(Review(world.new_id(), reviewer, "APPROVED", merged - timedelta(minutes=5)))
        self._merge(pr, merged)

    def remedy(self, kind: str, bad: PullRequest | None, at: datetime, incident_key: str) -> PullRequest:
        """A hotfix, or the revert of a pull request, merged at the given time."""
        world = self.world
        author = self.random.choice(world.people)
        if kind == "revert" and bad is not None:
            title, body = f'Revert "{bad.title}" ({incident_key})', "Reverts {reverted}"
        else:
            title, body = f"hotfix: stop the failure in the {self.random.choice(PLACES)} ({incident_key})", "Urgent."
        started = at - timedelta(minutes=self.random.randint(20, 50))
        commit = Commit(world.oid(), started, started, title, author, visible_at=started + timedelta(minutes=5))
        pr = PullRequest(
            world.new_id(),
            0,
            title,
            body,
            author,
            started + timedelta(minutes=5),
            "main",
            f"{kind}/{incident_key.lower()}",
            [commit],
            additions=12,
            deletions=9,
            changed_files=2,
            labels=["bug"],
        )
        if kind == "revert" and bad is not None:
            pr.closes = [-bad.id]  # resolved into the number once numbers are known
        self._merge(pr, at)
        return pr

    def _commit_graph(self) -> None:
        head = Commit(self.world.oid(), self.repository.created_at, self.repository.created_at, "Start", None)
        history = [head]
        for merged_at, _, pr in self.merges:
            assert pr.merge_oid is not None
            add_assistants(pr, self.world.at(self.world.anchor, 0), self.world.seed)
            branch_tip = head.oid
            for commit in sorted(pr.commits, key=lambda c: c.committed_at):
                commit.parents = [branch_tip]
                branch_tip = commit.oid
            parents = [head.oid]
            if pr.merge_parents == 2:
                parents.append(branch_tip)
                history += [
                    Commit(c.oid, c.authored_at, c.committed_at, c.headline, c.author, c.parents, merged_at, c.body)
                    for c in pr.commits
                ]
            # A squash keeps the trailers of the commits.
            body = "\n".join(sorted({c.body for c in pr.commits if c.body})) if pr.merge_parents == 1 else ""
            head = Commit(pr.merge_oid, merged_at, merged_at, pr.title, pr.author, parents, merged_at, body)
            history.append(head)
        self.repository.history = history

    def _number(self) -> None:
        by_id = {}
        for number, pr in enumerate(self.repository.pull_requests, start=1):
            pr.number = number
            by_id[pr.id] = pr
        for pr in self.repository.pull_requests:
            if pr.closes and pr.closes[0] < 0:
                pr.body = f"Reverts {self.repository.full_name}#{by_id[-pr.closes[0]].number}"
                pr.closes = []


class Releases:
    """Deployments after merges. Some fail, and some break production: then come an incident and a deployed repair."""

    def __init__(self, history: RepositoryHistory) -> None:
        self.history = history
        self.world = history.world
        self.random = history.random
        self.repository = history.repository
        self.last_good: str | None = None

    def run(self) -> None:
        done = 0
        at = self.world.at(self.world.first_day, 15)
        end = self.world.at(self.world.last_day, 12)
        while True:
            moment = self._next_release(done, at)
            if moment is None or moment > end:
                return
            done = bisect.bisect_right(self.history.merges, (moment, 1 << 62))
            if done == 0:
                at = moment + timedelta(hours=1)
                continue
            at = self._release(self.history.merges[done - 1][2], moment)

    def _next_release(self, done: int, after: datetime) -> datetime | None:
        """When the next release starts: after a merge, or on the company's release days."""
        merges = self.history.merges
        if done >= len(merges):
            return None
        ready = max(after, merges[done][0])
        weekly = self.world.profile.deploys_per_week
        if weekly is None:
            wait = self.world.phase(ready).deploy_wait_hours
            return self.world.workward(ready + self.world.around(wait, 0.7))
        moment = ready + timedelta(hours=2)
        while (moment + timedelta(hours=self.world.profile.utc_offset_hours)).weekday() not in (1, 3):
            moment += timedelta(days=1)
        return max(ready, self.world.at(moment.date(), 14 + self.random.random()))

    def _release(self, pr: PullRequest, at: datetime) -> datetime:
        """Deploy to staging and production; returns when the next release may start."""
        assert pr.merge_oid is not None
        phase = self.world.phase(at)
        self._deploy("staging", pr.merge_oid, at, True)
        start = at + timedelta(minutes=self.random.randint(8, 25))
        if self.random.random() < 0.03:
            failed = self._deploy("production", pr.merge_oid, start, False)
            start = failed + timedelta(minutes=self.random.randint(20, 70))
        finished = self._deploy("production", pr.merge_oid, start, True)
        deployment = self.repository.deployments[-1]
        if self.random.random() < phase.failed_share and self.last_good:
            return self._break(pr, deployment, finished, phase)
        self.last_good = pr.merge_oid
        if self.random.random() < 0.012:
            found, over = finished + self.world.around(20), finished + self.world.around(20) + self.world.around(3)
            self.world.tracker.incident(
                self.history.project, self.repository.name, found, max(over, found + timedelta(minutes=25)), None
            )
        return finished

    def _break(self, pr: PullRequest, bad: Deployment, finished: datetime, phase: Phase) -> datetime:
        found = finished + self.world.around(0.6, 0.9)
        fixed = found + self.world.around(phase.recovery_hours, 0.6)
        named = bad if self.random.random() < 0.4 else None
        incident = self.world.tracker.incident(
            self.history.project,
            self.repository.name,
            found,
            fixed + timedelta(minutes=self.random.randint(2, 20)),
            named,
        )
        kind = self.random.choices(("rollback", "hotfix", "revert"), (0.35, 0.45, 0.2))[0]
        if kind == "rollback":
            assert self.last_good is not None
            return self._deploy("production", self.last_good, fixed - timedelta(minutes=6), True)
        remedy = self.history.remedy(kind, pr, fixed - timedelta(minutes=14), incident.key)
        assert remedy.merge_oid is not None
        done = self._deploy("production", remedy.merge_oid, fixed - timedelta(minutes=6), True)
        self.last_good = remedy.merge_oid
        return done

    def _deploy(self, environment: str, oid: str, at: datetime, succeeds: bool) -> datetime:
        """One deployment; returns when it ended."""
        creator = self.random.choice(self.world.people)
        ended = at + timedelta(minutes=3 + self.random.random() * 3)
        identity = self.world.new_id()
        outcome = "SUCCESS" if succeeds else "FAILURE"
        previous = next((d for d in reversed(self.repository.deployments) if d.environment == environment), None)
        if previous is not None and succeeds and previous.statuses[-1].state == "SUCCESS":
            previous.statuses.append(Status(self.world.new_id(), "INACTIVE", ended))
        self.repository.deployments.append(
            Deployment(
                identity,
                environment,
                oid,
                at,
                [
                    Status(self.world.new_id(), "QUEUED", at + timedelta(seconds=2)),
                    Status(self.world.new_id(), "IN_PROGRESS", at + timedelta(seconds=40)),
                    Status(self.world.new_id(), outcome, ended),
                ],
                creator=creator,
                log_url=f"{self.repository.url}/actions/runs/{identity + 1}",
            )
        )
        return ended
