"""A small world for the DORA model: rows in the core tables, as staging would write them, then computed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from pulse.tenancy import client_role
from pulse.warehouse.connect import client_transaction
from pulse.warehouse.transforms import run_stage
from tests.support.database import TestDatabase


class World:
    """One client with repositories, changes, deployments and incidents. Times are aware; `now` is the real time."""

    def __init__(
        self,
        db: TestDatabase,
        slug: str = "acme",
        time_zone: str = "UTC",
        client_id: int | None = None,
        **settings: Any,
    ) -> None:
        self.db = db
        self.client_id = client_id or db.add_client(slug, slug.title(), time_zone=time_zone)
        self.github = db.add_integration(self.client_id, "github")
        self.jira = db.add_integration(self.client_id, "jira")
        for key, value in settings.items():
            db.set_setting(self.client_id, f"dora.{key}", value)
        self._custom: int | None = None
        self.conn = db.connect("pulse_etl")
        self.next_id = 3_000_000_000
        self.positions: dict[int, int] = {}
        self.insert(
            "core.jira_projects", integration_id=self.jira, id=1, key="OPS", name="Ops", url="https://jira.example/OPS"
        )
        for status, name, category in (("1", "Open", "new"), ("2", "Done", "done")):
            self.insert("core.jira_statuses", integration_id=self.jira, id=status, name=name, category=category)

    def custom(self) -> int:
        """The client's custom source; declared at its first use."""
        if self._custom is None:
            self._custom = self.db.add_integration(self.client_id, "http_json")
        return self._custom

    def new_id(self) -> int:
        self.next_id += 1
        return self.next_id

    def repository(self, name: str = "shop") -> int:
        identity = self.new_id()
        self.insert(
            "core.github_repositories",
            integration_id=self.github,
            id=identity,
            node_id=f"R_{identity}",
            full_name=f"acme/{name}",
            default_branch="main",
            url=f"https://github.com/acme/{name}",
        )
        return identity

    def commit(self, repository: int, sha: str, at: datetime) -> str:
        """The next commit of the default branch's first-parent chain."""
        position = self.positions[repository] = self.positions.get(repository, 0) + 1
        self.insert(
            "core.github_commits",
            integration_id=self.github,
            repository_id=repository,
            sha=sha,
            position=position,
            is_first_parent=True,
            committed_at=at,
        )
        return sha

    def change(self, repository: int, sha: str, merged_at: datetime, lead_hours: float = 10, **columns: Any) -> int:
        """A pull request merged as `sha`, its first commit `lead_hours` before the merge; returns its id."""
        self.commit(repository, sha, merged_at)
        return self.pull_request(repository, sha, merged_at, lead_hours, **columns)

    def pull_request(
        self,
        repository: int,
        sha: str,
        merged_at: datetime,
        lead_hours: float = 10,
        own: tuple[str, ...] = (),
        **columns: Any,
    ) -> int:
        """A pull request merged as `sha` into any branch, with its own commits; returns its id."""
        identity = self.new_id()
        started = merged_at - timedelta(hours=lead_hours)
        self.insert(
            "core.github_pull_requests",
            **{
                "integration_id": self.github,
                "id": identity,
                "repository_id": repository,
                "number": identity % 100_000,
                "title": f"Change {sha}",
                "url": f"https://github.com/acme/x/pull/{identity}",
                "state": "merged",
                "author_login": "ada",
                "base_branch": "main",
                "head_branch": "work",
                "created_at": started,
                "updated_at": merged_at,
                "ready_at": started,
                "first_authored_at": started,
                "first_committed_at": started,
                "merged_at": merged_at,
                "closed_at": merged_at,
                "merge_commit_sha": sha,
                **columns,
            },
        )
        for position, one in enumerate(own):
            self.insert(
                "core.github_pull_request_commits",
                integration_id=self.github,
                pull_request_id=identity,
                sha=one,
                position=position,
            )
        return identity

    def branch(self, repository: int, sha: str, base: str | None, **picked: str | None) -> None:
        """What GitHub says of a deployed commit off the default branch: where its branch began, and the branch's commits, each
        with the one that it was picked from."""
        where = {"integration_id": self.github, "repository_id": repository, "sha": sha}
        self.insert("core.deployed_branches", **where, base_sha=base, commit_count=len(picked))
        for one, original in picked.items():
            self.insert(
                "core.deployed_branch_commits", **where, commit_sha=one, picked_from=[original] if original else []
            )

    def deploy(
        self,
        repository: int,
        sha: str,
        at: datetime,
        environment: str = "production",
        *,
        failed: bool = False,
        state: str = "active",
        url: str | None = None,
    ) -> str:
        """A deployment that ended at `at`; returns its id in core.deployments."""
        identity = self.new_id()
        self.insert(
            "core.github_deployments",
            integration_id=self.github,
            id=identity,
            repository_id=repository,
            environment=environment,
            sha=sha,
            state=state,
            url=url,
            created_at=at - timedelta(minutes=5),
            first_success_at=None if failed else at,
            first_failure_at=at if failed else None,
        )
        return f"gh-deployment:{self.github}:{identity}"

    def incident(
        self,
        at: datetime,
        resolved_at: datetime | None = None,
        component: str = "shop",
        description: str = "",
        moves: list[tuple[datetime, str, str]] | None = None,
    ) -> str:
        """An incident; `moves` are its status changes (time, from, to), by default one to Done at `resolved_at`."""
        identity = self.new_id()
        if moves is None:
            moves = [(resolved_at, "1", "2")] if resolved_at else []
        done = bool(moves) and moves[-1][2] == "2"
        self.insert(
            "core.jira_issues",
            integration_id=self.jira,
            id=identity,
            project_id=1,
            key=f"OPS-{identity}",
            url=f"https://jira.example/OPS-{identity}",
            issue_type="Incident",
            summary="Something broke",
            description=description,
            status="Done" if done else "Open",
            status_category="done" if done else "new",
            components=[component],
            created_at=at,
            updated_at=at,
        )
        for index, (moved_at, source, target) in enumerate(moves):
            self.insert(
                "core.jira_issue_changes",
                integration_id=self.jira,
                issue_id=identity,
                history_id=index + 1,
                item_index=0,
                field="status",
                from_id=source,
                to_id=target,
                created_at=moved_at,
            )
        return f"jira:{self.jira}:{identity}"

    def compute(self, now: datetime | None = None, *, full: bool = False) -> int:
        """Run the DORA stage; returns the rows it wrote."""
        return sum(step.rows for step in run_stage(self.conn, self.client_id, "dora", now=now, full=full))

    def rows(self, query: str, *params: Any) -> list[tuple[Any, ...]]:
        """What the client's own login reads on the replica."""
        self.db.wait_replica()
        conn = self.db.connect(client_role(self.client_id), replica=True)
        found = conn.execute(query, params).fetchall()  # type: ignore[call-overload]
        conn.close()
        return list(found)

    def rows_of_etl(self, query: str) -> list[tuple[Any, ...]]:
        """What the ETL reads on the primary, over a connection of its own."""
        with self.db.connect("pulse_etl") as conn, client_transaction(conn, self.client_id):
            return list(conn.execute(query.encode()).fetchall())

    def metric(self, name: str, grain: str, day: datetime, scope: str = "client") -> dict[str, Any]:
        """The published row of a metric whose period holds the day."""
        columns = (
            "metric_value",
            "numerator",
            "denominator",
            "sample_size",
            "null_reason",
            "is_partial",
            "p50",
            "p75",
            "p90",
            "tier",
            "tier_spread",
            "calendar_value",
            "guessed",
        )
        found = self.rows(
            f"select {', '.join(columns)} from core.dora_metrics where metric_type = %s and grain = %s"
            " and scope_type = %s and period_start <= %s and period_end > %s order by period_start desc limit 1",
            name,
            grain,
            scope,
            day.date(),
            day.date(),
        )
        assert found, f"no row of {name} by {grain} for {day}"
        return dict(zip(columns, found[0], strict=True))

    def insert(self, table: str, **columns: Any) -> None:
        names = ", ".join(["client_id", *columns])
        marks = ", ".join(["%s"] * (len(columns) + 1))
        with client_transaction(self.conn, self.client_id):
            self.conn.execute(
                f"insert into {table} ({names}) values ({marks})",  # type: ignore[arg-type]
                [self.client_id, *columns.values()],
            )


def at(text: str) -> datetime:
    """'2026-03-02 14:00' in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def run(world: World, statement: str, *params: Any) -> None:
    with client_transaction(world.conn, world.client_id):
        world.conn.execute(statement, params)  # type: ignore[call-overload]


def steady(world: World, name: str = "shop", days: int = 10) -> int:
    """A repository with a baseline, and one deployed change per day from 2 February 2026 on."""
    repository = world.repository(name)
    world.change(repository, f"{name}-base", at("2026-02-01 09:00"))
    world.deploy(repository, f"{name}-base", at("2026-02-01 10:00"))
    for day in range(days):
        when = at("2026-02-02 09:00") + timedelta(days=day)
        world.change(repository, f"{name}-{day}", when)
        world.deploy(repository, f"{name}-{day}", when + timedelta(hours=1))
    return repository
