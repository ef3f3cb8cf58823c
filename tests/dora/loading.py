"""Worlds in the database: the rows that staging would have stored, in pieces and in any order, and the stage's results."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from pulse.warehouse.connect import client_transaction
from pulse.warehouse.transforms import StepResult, run_stage
from tests.dora.model import DeployedBranch, Issue, PullRequest, World
from tests.support.database import Connection, TestDatabase

PROJECT = 1
REMOVED_AT = datetime(2026, 1, 1, tzinfo=UTC)
# In the order that the foreign keys require, with the columns of each table's key.
KEYS = {
    "github_repositories": ("id",),
    "github_commits": ("repository_id", "sha"),
    "deployed_branches": ("repository_id", "sha"),
    "deployed_branch_commits": ("repository_id", "sha", "commit_sha"),
    "github_pull_requests": ("id",),
    "github_pull_request_commits": ("pull_request_id", "sha"),
    "github_pull_request_reviews": ("pull_request_id", "id"),
    "github_pull_request_events": ("pull_request_id", "id"),
    "github_deployments": ("id",),
    "custom_changes": ("id",),
    "jira_projects": ("id",),
    "jira_statuses": ("id",),
    "jira_issues": ("id",),
    "jira_issue_changes": ("issue_id", "history_id", "item_index"),
    "jira_issue_links": ("issue_id", "id"),
}
PARENTS = {
    "deployed_branches": ("github_repositories", "repository_id"),
    "deployed_branch_commits": ("deployed_branches", "repository_id", "sha"),
    "github_commits": ("github_repositories", "repository_id"),
    "github_pull_requests": ("github_repositories", "repository_id"),
    "github_deployments": ("github_repositories", "repository_id"),
    "github_pull_request_commits": ("github_pull_requests", "pull_request_id"),
    "github_pull_request_reviews": ("github_pull_requests", "pull_request_id"),
    "github_pull_request_events": ("github_pull_requests", "pull_request_id"),
    "jira_issue_changes": ("jira_issues", "issue_id"),
    "jira_issue_links": ("jira_issues", "issue_id"),
}
RowKey = tuple[str, tuple[Any, ...]]
Rows = dict[RowKey, dict[str, Any]]
slugs = itertools.count(1)


def rows_of(world: World) -> Rows:
    """Every source row of a world, by table and key."""
    rows: Rows = {}

    def add(table: str, **columns: Any) -> None:
        rows[table, tuple(columns[c] for c in KEYS[table])] = {"integration_id": _integration(world, table), **columns}

    add("jira_projects", id=PROJECT, key="OPS", name="Ops", url="https://jira.example/OPS")
    for status, (name, category) in world.statuses.items():
        add("jira_statuses", id=status, name=name, category=category)
    for r in world.repositories:
        add(
            "github_repositories",
            id=r.id,
            node_id=f"R_{r.id}",
            full_name=r.full_name,
            default_branch=r.default_branch,
            url=f"https://github.example/{r.full_name}",
        )
    for c in world.commits:
        add(
            "github_commits",
            repository_id=c.repository_id,
            sha=c.sha,
            position=c.position,
            is_first_parent=c.position is not None and c.brought_by is None,
            committed_at=c.committed_at,
            authored_at=c.authored_at,
            headline=c.headline,
            assisted_by=c.assisted_by,
        )
    for branch in world.branches:
        _add_branch(add, branch)
    for pull in world.pull_requests:
        _add_pull_request(add, pull)
    for d in world.deployments:
        add(
            "github_deployments",
            id=d.id,
            repository_id=d.repository_id,
            environment=d.environment,
            sha=d.sha,
            ref_name=d.ref_name,
            state=d.state,
            url=d.url,
            created_at=d.created_at,
            first_success_at=d.first_success_at,
            first_failure_at=d.first_failure_at,
            deleted_at=REMOVED_AT if d.deleted else None,
        )
    for x in world.custom_changes:
        add(
            "custom_changes",
            id=x.id,
            service=x.service,
            title=x.title,
            url=x.url,
            first_commit_at=x.first_commit_at,
            opened_at=x.opened_at,
            first_review_at=x.first_review_at,
            approved_at=x.approved_at,
            merged_at=x.merged_at,
            merge_sha=x.merge_commit_sha,
            deleted_at=REMOVED_AT if x.deleted else None,
        )
    for issue in world.issues:
        _add_issue(add, world, issue)
    return rows


def _add_branch(add: Any, branch: DeployedBranch) -> None:
    where = {"repository_id": branch.repository_id, "sha": branch.sha}
    add("deployed_branches", **where, base_sha=branch.base_sha, commit_count=len(branch.commits))
    for commit in branch.commits:
        add(
            "deployed_branch_commits",
            **where,
            commit_sha=commit.sha,
            authored_at=commit.authored_at,
            headline=commit.headline,
            picked_from=commit.picked_from,
        )


def _add_pull_request(add: Any, p: PullRequest) -> None:
    add(
        "github_pull_requests",
        id=p.id,
        repository_id=p.repository_id,
        number=p.number,
        title=p.title,
        url=p.url,
        state=p.state,
        author_login=p.author_login,
        author_is_bot=p.author_is_bot,
        assisted_by=p.assisted_by,
        base_branch=p.base_branch,
        head_branch=p.head_branch,
        created_at=p.created_at,
        updated_at=p.merged_at or p.created_at,
        ready_at=p.ready_at,
        first_authored_at=p.first_authored_at,
        first_committed_at=p.first_committed_at,
        first_review_at=p.first_review_at,
        approved_at=p.approved_at,
        merged_at=p.merged_at,
        closed_at=p.merged_at,
        merge_commit_sha=p.merge_commit_sha,
        additions=p.additions,
        deletions=p.deletions,
        changed_files=1,
        commit_count=max(len(p.commits), 1),
        review_count=len(p.reviews),
        comment_count=p.comment_count,
        reverts_number=p.reverts_number,
        reverts_sha=p.reverts_sha,
        reverts_repository=p.reverts_repository,
        commenters=[c.author_login for c in p.comments if c.author_login != p.author_login],
        commented_at=[c.at for c in p.comments if c.author_login != p.author_login],
        deleted_at=REMOVED_AT if p.deleted else None,
    )
    for n, commit in enumerate(p.commits):
        add(
            "github_pull_request_commits",
            pull_request_id=p.id,
            sha=commit.sha,
            position=n,
            authored_at=commit.authored_at,
            headline=commit.headline,
        )
    for n, review in enumerate(p.reviews):
        add(
            "github_pull_request_reviews",
            pull_request_id=p.id,
            id=p.id * 10 + n,
            author_login=review.author_login,
            author_is_bot=review.author_is_bot,
            state=review.state,
            submitted_at=review.submitted_at,
        )
    for n, at in enumerate(p.reopened_at):
        add("github_pull_request_events", pull_request_id=p.id, id=f"E{n}", event_type="Reopened", created_at=at)


def _add_issue(add: Any, world: World, issue: Issue) -> None:
    name, category = world.statuses[issue.moves[-1].target if issue.moves else "1"]
    add(
        "jira_issues",
        id=issue.id,
        project_id=PROJECT,
        key=issue.key,
        url=f"https://jira.example/browse/{issue.key}",
        issue_type=issue.issue_type,
        summary=issue.summary,
        description=issue.description,
        status=name,
        status_category=category,
        priority=issue.priority,
        labels=sorted(issue.labels),
        components=sorted(issue.components),
        fix_versions=sorted(issue.fix_versions),
        created_at=issue.created_at,
        updated_at=issue.created_at,
        deleted_at=REMOVED_AT if issue.deleted else None,
    )
    for n, move in enumerate(issue.moves):
        add(
            "jira_issue_changes",
            issue_id=issue.id,
            history_id=n + 1,
            item_index=0,
            field="status",
            field_id="status",
            from_id=move.source,
            from_text=world.statuses[move.source][0],
            to_id=move.target,
            to_text=world.statuses[move.target][0],
            created_at=move.at,
        )
    for n, key in enumerate(issue.links):
        add("jira_issue_links", issue_id=issue.id, id=n, link_type="Relates", direction="outward", other_key=key)


def in_batches(rows: Rows, batches: int, seed: int) -> list[list[RowKey]]:
    """The rows' keys, dealt at random into batches and shuffled, each row after the one it refers to."""
    chance = random.Random(seed)
    batch: dict[RowKey, float] = {}
    order = list(KEYS)
    for table, key in sorted(rows, key=lambda k: order.index(k[0])):
        place = chance.random() * batches
        if table in PARENTS:
            parent, *columns = PARENTS[table]
            place = max(place, batch[parent, tuple(rows[table, key][c] for c in columns)] + 1e-9)
        elif table in ("jira_projects", "jira_statuses"):
            place = -1.0 if table == "jira_projects" else -0.5
        batch[table, key] = place
    arriving = sorted(batch, key=lambda k: batch[k])
    return [
        [k for k in arriving if max(int(batch[k]), 0) == n or (n == batches - 1 and batch[k] >= batches)]
        for n in range(batches)
    ]


@dataclass
class Loaded:
    """One client with a world, or with the part of it that has arrived."""

    db: TestDatabase
    conn: Connection
    client_id: int
    world: World
    rows: Rows = field(default_factory=dict)

    @classmethod
    def new(cls, db: TestDatabase, conn: Connection, world: World) -> Loaded:
        """A new client with the world's settings and time zone, and nothing in it yet."""
        client_id = db.add_client(f"w{next(slugs)}", time_zone=world.time_zone)
        for name, value in world.given.items():
            db.set_setting(client_id, f"dora.{name}", value)
        # This check compares a run with the one before, and would block what these worlds do all the time.
        db.set_setting(client_id, "quality.facts_lost", "off")
        github, jira, custom = (db.add_integration(client_id, kind) for kind in ("github", "jira", "http_json"))
        return cls(db, conn, client_id, replace(world, github=github, jira=jira, custom=custom))

    def load(self, seed: int = 0, batches: int = 1, nows: list[datetime] | None = None) -> Loaded:
        """Let the world arrive in batches. The stage runs after each, at the given times or else at the world's now."""
        rows = rows_of(self.world)
        for n, keys in enumerate(in_batches(rows, batches, seed)):
            self._write({key: rows[key] for key in keys})
            last = n == batches - 1
            self.run(now=self.world.now if last or not nows else nows[n % len(nows)])
        return self

    def change_to(self, world: World) -> None:
        """Change the sources into another world: write only rows that differ, and delete what is gone."""
        world = replace(world, github=self.world.github, jira=self.world.jira, custom=self.world.custom)
        wanted, held = rows_of(world), self.rows
        for table, key in reversed([k for k in held if k not in wanted]):
            self._execute(f"delete from core.{table} where {_where(table)}", [*key, _integration(world, table)])
            del self.rows[table, key]
        self._write({k: columns for k, columns in wanted.items() if held.get(k) != columns})
        if world.time_zone != self.world.time_zone:
            with self.db._admin() as admin:
                admin.execute("update core.clients set time_zone = %s where id = %s", [world.time_zone, self.client_id])
        for name, value in world.given.items():
            if self.world.given.get(name) != value:
                self.db.set_setting(self.client_id, f"dora.{name}", value)
        self.world = world

    def run(self, full: bool = False, now: datetime | None = None) -> int:
        """Run the stage; returns the number of rows it wrote."""
        steps: list[StepResult] = run_stage(self.conn, self.client_id, "dora", now=now or self.world.now, full=full)
        return sum(step.rows for step in steps)

    def read(self, query: str) -> list[tuple[Any, ...]]:
        with client_transaction(self.conn, self.client_id):
            return list(self.conn.execute(query).fetchall())

    def _write(self, rows: Rows) -> None:
        """All rows in one transaction and without waiting for each answer: worlds are written thousands of times."""
        with client_transaction(self.conn, self.client_id), self.conn.pipeline():
            for (table, key), columns in rows.items():
                names = list(columns)
                updates = ", ".join(f"{c} = excluded.{c}" for c in names if c not in KEYS[table])
                self.conn.execute(
                    f"insert into core.{table} (client_id, {', '.join(names)})"
                    f" values ({', '.join(['%s'] * (len(names) + 1))})"
                    f" on conflict (client_id, integration_id, {', '.join(KEYS[table])}) do update set {updates}",
                    [self.client_id, *columns.values()],
                )
                self.rows[table, key] = columns

    def _execute(self, query: str, values: list[Any]) -> None:
        with client_transaction(self.conn, self.client_id):
            self.conn.execute(query, values)


def _where(table: str) -> str:
    return " and ".join(f"{c} = %s" for c in (*KEYS[table], "integration_id"))


def _integration(world: World, table: str) -> int:
    return {"jira": world.jira, "custom": world.custom}.get(table.partition("_")[0], world.github)


# --------------------------------------------------------------------------------------------------- what can be compared

FACTS = (
    "services",
    "held_commits",
    "carried_pull_requests",
    "changes",
    "change_references",
    "deployments",
    "deployment_changes",
    "incidents",
    "incident_references",
    "incident_deployments",
    "rework_evidence",
    "dora_scopes",
    "dora_metrics",
    "metric_signals",
    "metric_comparisons",
    "metric_drivers",
    "metric_replays",
    "lead_time_stages",
    "quality_results",
)
VOLATILE = {"dora_metrics": ("id", "published_at"), "quality_results": ("measured_at",)}


def dump(loaded: Loaded, *, anonymous: bool = False) -> dict[str, list[str]]:
    """Every row of the model's tables as sorted text. `anonymous`: integration ids are replaced, so that two clients with the
    same world can be compared."""
    found = {}
    for table in FACTS:
        drop = "".join(f" - '{column}'" for column in ("client_id", *VOLATILE.get(table, ())))
        drop += " - 'integration_id'" if anonymous else ""
        texts = [str(text) for (text,) in loaded.read(f"select (to_jsonb(t){drop})::text from core.{table} t")]
        if anonymous:
            texts = [_anonymous(text, loaded.world) for text in texts]
        found[table] = sorted(texts)
    return found


def _anonymous(text: str, world: World) -> str:
    sources = (
        (world.github, ("gh-pr", "gh-commit", "gh-repo", "gh-deployment")),
        (world.jira, ("jira",)),
        (world.custom, ("custom",)),
    )
    for name, kinds in sources:
        for kind in kinds:
            text = text.replace(f"{kind}:{name}:", f"{kind}:*:")
    return text


def differences(left: dict[str, list[str]], right: dict[str, list[str]]) -> list[str]:
    """Rows that only one of two dumps has, as readable text."""
    found = []
    for table in left:
        for sign, one, other in (("-", left, right), ("+", right, left)):
            found += [f"{sign} {table}: {row}" for row in one[table] if row not in set(other[table])][:5]
    return found
