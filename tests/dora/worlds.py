"""Small random worlds for hypothesis. Times of one kind may coincide; times of different kinds never do (each kind has its own
second), because docs/metrics.md does not say what happens at the very same moment."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from hypothesis import strategies as st

from tests.dora.model import (
    BranchCommit,
    Comment,
    Commit,
    CustomChange,
    DeployedBranch,
    Deployment,
    Issue,
    Move,
    OwnCommit,
    PullRequest,
    Repository,
    Review,
    World,
)

BEGIN = datetime(2026, 2, 20, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
IDS = 3_000_000_000
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Pacific/Auckland")
NAMES = ("shop", "billing", "web-app")
KEYS = ("OPS-1", "OPS-2", "OPS-3", "OPS-12", "DEV-1", "DEV-2")
TITLES = (
    "Change",
    "Change",
    "Change",
    "hotfix: now",
    "Emergency patch",
    "Hotfixes listed",
    "OPS-1: fix",
    "ops-1: fix",
    "Ops-3 once more, fix_ops-2",
    "Fix of OPS-2",
    "DEV-1 and DEV-2: more",
    'Revert "Change" (OPS-1)',
    "Revert of OPS-2, OPS-3",
    "TOPS-1: unrelated",
    "OPS-12: fix",
    'Revert "Change"',
    "Revert for OPS-1 and OPS-2",
)
SERVICES = (*NAMES, "Shop", "SHOP", "Till", "till")
BRANCHES = (
    "work",
    "work",
    "develop",
    "main",
    "work",
    "hotfix/now",
    "fix_OPS-3",
    "OPS-1_fix",
    "ops-12_fix",
    "DEV-2-more",
    "x/hotfix",
)
PLACES = (("production",), ("production", "production", "production", "production-eu"))
ENVIRONMENTS = (*["production"] * 7, "production-eu", "production-eu", "Prod", "staging", "products")
TAGS = (None, None, "main", "v1", "v2", "v3")
WALKS = ("3", "23", "3", "4", "313", "2343", "3424", "31", "21213", "")
LOGINS = ("ada", "bob", "eve")
HOLIDAYS = ["2026-02-25", "2026-03-03", "2026-03-31"]
RULES: tuple[dict[str, Any], ...] = (
    {"source": "jira", "issue_types": ["Incident"], "labels": ["incident"], "external_labels": ["external"]},
    {"source": "jira", "issue_types": [], "labels": ["incident", "outage"], "priorities": ["Highest"]},
)
TEAMS: tuple[list[dict[str, Any]], ...] = (
    [{"name": "Payments", "services": ["^billing$", "^SHOP"]}],
    [{"name": "All", "services": ["."]}, {"name": "Web", "services": ["^web"]}],
)


def sha_of(*parts: Any) -> str:
    """A commit id of 40 hexadecimal digits, the same for the same parts."""
    return hashlib.sha1(repr(parts).encode()).hexdigest()


def one_of(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


@st.composite
def settings(draw: st.DrawFn) -> dict[str, Any]:
    """Settings that differ from the defaults here and there."""
    given: dict[str, Any] = {"minimum_sample": draw(st.integers(1, 3))}
    choices: dict[str, st.SearchStrategy[Any]] = {
        "start_event": one_of("opened", "first_commit"),
        "commit_date": one_of("committed", "authored"),
        "exclude_bots": st.booleans(),
        "direct_pushes": st.just(True),
        "incident_window_hours": one_of(1, 24, 500),
        "rollback_window_hours": one_of(1, 2, 700),
        "working_calendar": st.fixed_dictionaries(
            {
                "days": one_of(["mon", "tue", "wed", "thu", "fri"], ["sat"], ["mon", "sun"]),
                "holidays": one_of([], HOLIDAYS),
            }
        ),
        "teams": st.sampled_from(TEAMS),
        "incident_rule": st.sampled_from(RULES),
        "production_environments": one_of(["^production$"], ["^prod", "^staging$"]),
        "production_branches": one_of(["^main$", "^release/"], ["^release/"]),
        "hotfix_pattern": one_of("^fix", "patch$"),
        "bots": st.just(["robot$"]),
        "week_start": one_of("sunday", "saturday"),
    }
    for name in draw(st.sets(st.sampled_from(sorted(choices)), max_size=5)):
        given[name] = draw(choices[name])
    return given


class Draw(Protocol):
    """The draw function of hypothesis, from a composite strategy or from st.data()."""

    def __call__(self, strategy: st.SearchStrategy[Any], label: Any = None) -> Any: ...


class Clock:
    """Moments of a world's span; every kind of event has its own second of the minute."""

    def __init__(self, draw: Draw, days: int) -> None:
        self.draw = draw
        self.minutes = days * 24 * 60

    def moment(self, second: int) -> datetime:
        minutes: int = self.draw(st.integers(0, self.minutes))
        return BEGIN + minutes * MINUTE + timedelta(seconds=second)

    def near(self, moment: datetime, before: int, after: int, second: int) -> datetime:
        """A moment up to this many minutes before or after another."""
        minutes: int = self.draw(st.integers(-before, after))
        return moment.replace(second=second) + minutes * MINUTE


@st.composite
def worlds(
    draw: st.DrawFn, zones: tuple[str, ...] = ZONES, given: st.SearchStrategy[dict[str, Any]] | None = None
) -> World:
    """A world of one to three repositories with commits, pull requests, deployments and incidents, and a custom source."""
    clock = Clock(draw, draw(one_of(2, 20, 20, 60, 430)))
    orderly = draw(st.integers(0, 2)) > 0
    repositories = [Repository(IDS + n, f"acme/{NAMES[n]}") for n in range(draw(one_of(1, 1, 2, 3)))]
    commits: list[Commit] = []
    pulls: list[PullRequest] = []
    deployments: list[Deployment] = []
    offshoots: list[DeployedBranch] = []
    for repository in repositories:
        chain = draw_commits(clock, repository)
        commits += chain
        mine = draw_pull_requests(clock, repository, chain, len(pulls))
        pulls += mine
        tips = [sha_of(repository.id, "tip", n) for n in range(draw(one_of(0, 0, 1, 3)))]
        branches = [*(p.commits[-1].sha for p in mine if p.commits), *tips, *tips]
        offshoots += draw_branches(clock, repository, chain, mine, branches)
        deployments += draw_deployments(clock, repository, chain, branches, len(deployments), orderly)
    customs = [draw_custom_change(clock, n, commits) for n in range(draw(one_of(0, 0, 1, 2, 5)))]
    issues = [draw_issue(clock, n, deployments, [*pulls, *customs]) for n in range(draw(one_of(0, 1, 2, 3, 4)))]
    for issue in issues:
        draw_story(clock, issue, pulls)
    world = World(
        draw(st.sampled_from(zones)),
        BEGIN,
        draw(given or settings()),
        repositories,
        commits,
        pulls,
        deployments,
        issues,
        custom_changes=customs,
        branches=offshoots,
    )
    world.now = latest_moment(world) + draw(st.integers(0, 40 * 24 * 60)) * MINUTE
    return world


def latest_moment(world: World) -> datetime:
    """When the last event of a world happened."""
    times = [BEGIN, *(c.committed_at for c in world.commits)]
    for pull in world.pull_requests:
        times += [pull.created_at, *([pull.merged_at] if pull.merged_at else []), *pull.reopened_at]
        times += [*(r.submitted_at for r in pull.reviews), *(c.at for c in pull.comments)]
    for c in world.custom_changes:
        times += [t for t in (c.opened_at, c.merged_at, c.first_commit_at, c.first_review_at, c.approved_at) if t]
    for d in world.deployments:
        times += [t for t in (d.created_at, d.first_success_at, d.first_failure_at) if t]
    for issue in world.issues:
        times += [issue.created_at, *(m.at for m in issue.moves)]
    return max(times)


def draw_commits(clock: Clock, repository: Repository) -> list[Commit]:
    """The chain of a default branch, whose positions may have gaps, and a few commits that its merges brought in."""
    draw = clock.draw
    times = sorted(clock.moment(0) for _ in range(draw(one_of(0, 3, 6, 9, 12))))
    step = draw(st.integers(1, 3))
    chain = [
        Commit(
            repository.id,
            sha_of(repository.id, n),
            1 + n * step,
            at,
            draw(one_of(None, at - DAY, at - MINUTE)),
            draw(st.sampled_from(TITLES)),
        )
        for n, at in enumerate(times)
    ]
    merges = draw(st.lists(st.sampled_from(chain), max_size=2, unique_by=lambda c: c.sha)) if chain else []
    return chain + [
        Commit(repository.id, sha_of(c.sha), c.position, c.committed_at - draw(one_of(DAY, MINUTE)), brought_by=c.sha)
        for c in merges
    ]


def draw_pull_requests(clock: Clock, repository: Repository, chain: list[Commit], ahead: int) -> list[PullRequest]:
    """Pull requests for most commits, and a few that are open or were merged as an unknown commit."""
    draw = clock.draw
    merges: list[tuple[datetime, str | None]] = [
        (c.committed_at.replace(second=10), c.sha) for c in chain if not c.brought_by and draw(st.integers(0, 5))
    ]
    merges += [(clock.moment(10), sha_of(repository.id, "lost", n)) for n in range(draw(st.integers(0, 2)) // 2)]
    pulls: list[PullRequest] = []
    for at, sha in merges:
        pulls.append(draw_pull_request(clock, repository, IDS + ahead + len(pulls), at, sha, len(pulls)))
        pulls[-1].commits = draw_own_commits(
            draw, pulls[-1], [c for c in chain if c.committed_at <= at and not c.brought_by]
        )
        if len(pulls) > 1 and draw(st.integers(0, 3)) == 0:
            carry(draw, pulls[-1], pulls[:-1])
        if pulls[-1].title.startswith("Revert") and draw(st.integers(0, 2)):
            pulls[-1].reverts_sha = draw(st.sampled_from([sha for p in pulls for sha in p.shas] or [None]))
    return pulls


def carry(draw: Draw, pull: PullRequest, others: list[PullRequest]) -> None:
    """Others were merged into a branch before, mostly not the production branch, and this one brings them."""
    for other in draw(st.lists(st.sampled_from(others), min_size=1, max_size=3, unique_by=lambda p: p.id)):
        other.base_branch = draw(one_of("develop", "develop", "main"))
        if other.merged_at and draw(st.integers(0, 2)):
            other.merge_commit_sha = sha_of(other.id, "squashed")
        if other.merge_commit_sha and other.merge_commit_sha not in pull.shas:
            pull.commits.append(OwnCommit(other.merge_commit_sha, other.merged_at, other.title))


def draw_branches(
    clock: Clock, repository: Repository, chain: list[Commit], pulls: list[PullRequest], tips: list[str]
) -> list[DeployedBranch]:
    """What is known of deployed branches: some began at an unknown commit, some hold picked commits and merged branches."""
    draw = clock.draw
    return [
        draw_branch(draw, repository, chain, pulls, tip) for tip in dict.fromkeys(tips) if draw(st.integers(0, 3)) > 0
    ]


def draw_branch(
    draw: Draw, repository: Repository, chain: list[Commit], pulls: list[PullRequest], tip: str
) -> DeployedBranch:
    bases = [c.sha for c in chain] or [None]
    base = draw(st.sampled_from(bases)) if draw(st.integers(0, 9)) else draw(one_of(None, sha_of("unknown")))
    commits = {tip: BranchCommit(tip)}
    known = [sha for p in pulls for sha in p.shas] + [c.sha for c in chain]
    for n in range(draw(st.integers(0, 3))):
        kind = draw(one_of("picked", "same", "merged", "tip"))
        made = BranchCommit(sha_of(repository.id, "branch", n))
        if kind == "picked" and known:
            made.picked_from = draw(st.lists(st.sampled_from(known), min_size=1, max_size=2, unique=True))
        elif kind == "same" and chain:
            original = draw(st.sampled_from(chain))
            made.authored_at, made.headline = original.authored_at, original.headline
        elif kind == "merged" and pulls:
            merged = draw(st.sampled_from(pulls))
            if merged.merged_at and draw(st.booleans()):
                merged.base_branch, merged.merge_commit_sha = "release/1", sha_of(merged.id, "released")
            made.sha = merged.merge_commit_sha or made.sha
        elif kind == "tip":
            commits[tip] = made = BranchCommit(tip, picked_from=[draw(st.sampled_from(known or [tip]))])
        commits[made.sha] = made
    return DeployedBranch(repository.id, tip, base, list(commits.values()))


def draw_own_commits(draw: Draw, pull: PullRequest, history: list[Commit]) -> list[OwnCommit]:
    """A branch's commits: its own, or those that a rebase or a merge just put on the default branch."""
    rebased = history[-draw(st.integers(1, 3)) :] if draw(st.booleans()) else []
    written = [
        OwnCommit(sha_of(pull.id, n), pull.first_authored_at, pull.title) for n in range(draw(one_of(0, 0, 1, 2)))
    ]
    is_same = draw(st.integers(0, 3)) == 0
    return written + [
        OwnCommit(c.sha if is_same else sha_of(pull.id, c.sha), c.authored_at, c.headline) for c in rebased
    ]


def draw_pull_request(
    clock: Clock, repository: Repository, identity: int, at: datetime, sha: str | None, earlier: int
) -> PullRequest:
    draw = clock.draw
    created = clock.near(at, 5000, 0, 5)
    authored = None if draw(st.integers(0, 7)) == 0 else clock.near(created, 6000, 900, 0)
    is_open = draw(st.integers(0, 11)) == 0
    title = draw(st.sampled_from(TITLES))
    reverts = (
        draw(st.integers(1, earlier)) if earlier and title.startswith("Revert") and draw(st.integers(0, 3)) else None
    )
    author, is_bot = (
        (draw(st.sampled_from(LOGINS)), False)
        if draw(st.integers(0, 7))
        else draw(one_of(("dependabot[bot]", True), ("ci-updater", False), ("copilot-swe-agent", True)))
    )
    reviews = [
        Review(
            login,
            login == "checker[bot]",
            draw(one_of("APPROVED", "CHANGES_REQUESTED", "COMMENTED")),
            clock.near(at, 3000, 60, 15),
        )
        for login in draw(st.lists(one_of("ada", "bob", "checker[bot]", "merge-bot"), max_size=2))
    ]
    return PullRequest(
        id=identity,
        repository_id=repository.id,
        number=earlier + 1,
        title=title,
        created_at=created,
        merged_at=None if is_open else at,
        merge_commit_sha=None if is_open else sha,
        state="open" if is_open else "merged",
        author_login=author,
        author_is_bot=is_bot,
        base_branch=draw(one_of("main", "main", "main", "main", "release/1", "develop")),
        head_branch=draw(st.sampled_from(BRANCHES)),
        ready_at=draw(st.none() | st.just(created) | st.just(clock.near(created, 0, 100, 6))),
        first_authored_at=authored,
        first_committed_at=authored and authored + draw(st.integers(0, 300)) * MINUTE,
        additions=draw(st.integers(0, 50)),
        deletions=draw(st.integers(0, 50)),
        comment_count=draw(st.integers(0, 3)),
        reverts_number=reverts,
        reverts_repository=draw(one_of(None, None, "acme/billing", "acme/nowhere")) if reverts else None,
        reviews=reviews,
        comments=[
            Comment(login, clock.near(at, 3000, 60, 15))
            for login in draw(st.lists(one_of("ada", "bob", "ci-helper", "our-robot"), max_size=2))
        ],
        reopened_at=[clock.near(at, 100, 0, 16)] if draw(st.integers(0, 4)) == 0 else [],
    )


def draw_custom_change(clock: Clock, n: int, commits: list[Commit]) -> CustomChange:
    """A change of a service that may be a repository's, usually merged as one of its commits. Most tools report reviews."""
    draw = clock.draw
    commit = draw(st.sampled_from(commits)) if commits and draw(st.integers(0, 5)) else None
    merged = commit.committed_at.replace(second=10) if commit else clock.moment(10)
    opened = clock.near(merged, 5000, 0, 5)
    return CustomChange(
        id=f"merges:{n}",
        service=draw(st.sampled_from(SERVICES)),
        title=draw(st.sampled_from(TITLES)),
        opened_at=opened,
        merged_at=merged,
        merge_commit_sha=commit.sha if commit else draw(st.none() | st.just(sha_of("custom", n))),
        url=draw(one_of(None, f"https://review.example/c/{n}x")),
        first_commit_at=draw(st.none() | st.just(clock.near(opened, 6000, 900, 0))),
        first_review_at=draw_review_time(clock, merged),
        approved_at=draw_review_time(clock, merged),
    )


def draw_review_time(clock: Clock, merged: datetime) -> datetime | None:
    """A time before the merge, seldom after it, or none."""
    return clock.near(merged, 3000, 60, 15) if clock.draw(st.integers(0, 2)) else None


def draw_deployments(
    clock: Clock, repository: Repository, chain: list[Commit], branches: list[str], ahead: int, orderly: bool
) -> list[Deployment]:
    """Deployments of any commit, and of branches, at any time; in an orderly world, mostly newer commits at later times."""
    draw = clock.draw
    count = draw(one_of(0, 2, 4, 5, 7, 9))
    times = [clock.moment(30) for _ in range(count)]
    commits = [draw(st.integers(0, len(chain) - 1)) if chain and draw(st.integers(0, 7)) else -1 for _ in range(count)]
    if orderly:
        times, commits = sorted(times), sorted(commits)
        if count > 2 and draw(st.booleans()):
            commits[-1], commits[-2] = commits[-2], commits[-1]
    if branches and draw(st.booleans()):  # a flow in which many deployments are of branches
        commits = [draw(one_of(n, n, -1)) for n in commits]
    made: list[Deployment] = []
    environments = draw(one_of(*PLACES, ENVIRONMENTS))
    for at, n in zip(times, commits, strict=True):
        identity = IDS + ahead + len(made)
        sha = (
            chain[n].sha if n >= 0 else draw(st.sampled_from([None, sha_of("unknown", identity), *branches, *branches]))
        )
        outcome = draw(one_of("success", "success", "success", "success", "failure", "recovered", "pending"))
        made.append(
            Deployment(
                identity,
                repository.id,
                draw(st.sampled_from(environments)),
                sha,
                clock.near(at, draw(one_of(10, 3000)), 0, 20),
                at if outcome in ("success", "recovered") else None,
                clock.near(at, 30, 0, 25) if outcome == "recovered" else at if outcome == "failure" else None,
                draw(st.sampled_from(TAGS)),
                f"https://ci.example/runs/{identity}",
                draw(one_of("active", "inactive")) if outcome != "pending" else "in_progress",
            )
        )
        made[-1].created_at = min(made[-1].created_at, made[-1].first_failure_at or at)
    return made


def draw_issue(clock: Clock, n: int, deployments: list[Deployment], changes: list[PullRequest | CustomChange]) -> Issue:
    draw = clock.draw
    at = clock.moment(40)
    return Issue(
        id=IDS + n,
        key=("OPS-1", "OPS-2", "OPS-3", "OPS-12")[n],
        created_at=at,
        issue_type=draw(one_of("Incident", "Incident", "Incident", "Bug")),
        description=draw_description(draw, deployments, changes),
        priority=draw(one_of(None, "Highest", "Low")),
        labels=draw(st.lists(one_of("incident", "external", "outage", "Billing"), max_size=2, unique=True)),
        components=draw(one_of([], ["Shop"], ["shop"], ["billing", "shop"], ["nothing we know"], ["WEB-APP"])),
        fix_versions=draw(one_of([], [], ["v1"], ["v2", "v9"])),
        links=draw(one_of([], [], ["DEV-1"], ["DEV-2", "OPS-3"])),
        moves=draw_moves(clock, at, "1", draw(st.sampled_from(WALKS))),
    )


def draw_story(clock: Clock, issue: Issue, pulls: list[PullRequest]) -> None:
    """Now and then, a change undoes another one because of the incident, or names an issue that the incident is linked to."""
    story = clock.draw(one_of("revert", "link", "none"))
    if story == "none" or not pulls:
        return
    pull = pulls[clock.draw(st.integers(0, len(pulls) - 1))]
    if story == "link":
        pull.title, issue.links = "DEV-1: more", ["DEV-1"]
        return
    others = [p for p in pulls if p.repository_id == pull.repository_id and p is not pull]
    if others:
        fix = others[clock.draw(st.integers(0, len(others) - 1))]
        fix.reverts_repository = None
        fix.title, fix.reverts_number, fix.reverts_sha = f'Revert "Change" ({issue.key})', pull.number, None
        if pull.shas and clock.draw(st.booleans()):
            fix.reverts_number, fix.reverts_sha = None, clock.draw(st.sampled_from(pull.shas))


def draw_moves(clock: Clock, after: datetime, status: str, walk: str) -> list[Move]:
    """An issue's way through its statuses."""
    moves: list[Move] = []
    for target in walk:
        after = clock.near(after, 0, 4000, 50) + MINUTE
        moves.append(Move(after, status, target))
        status = target
    return moves


def draw_description(draw: Draw, deployments: list[Deployment], changes: list[PullRequest | CustomChange]) -> str:
    """Text that names nothing, or up to two deployments, commits and changes."""
    names: list[str] = [named.url or "" for named in (*deployments, *changes)] + [str(d.id) for d in deployments]
    names += [f"{c.url}/files#r1" for c in changes if isinstance(c, PullRequest)]
    shas = [d.sha for d in deployments]
    for change in changes:
        shas += change.shas if isinstance(change, PullRequest) else [change.merge_commit_sha]
    for sha in shas:
        names += [sha, sha[:7], sha[:12], sha[:6]] if sha else []
    if not names or draw(st.integers(0, 2)):
        return ""
    return "Since " + " and ".join(draw(st.lists(st.sampled_from(names), min_size=1, max_size=2))) + "."
