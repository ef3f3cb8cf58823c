"""What is asked of GitHub, in which order, until when.

Per repository: the default branch's history, deployments, pull requests. Watermarks are the server's clock at the start of
a finished walk, less an overlap: never the newest row seen, which could hide a row that changed while the page was read.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from pulse.errors import AccessLost, ConfigError
from pulse.sources.base import Credential, Scope, Source, page_of, selected
from pulse.sources.github import queries, records
from pulse.sources.github.client import GitHubClient, Node
from pulse.sources.github.history import History
from pulse.sources.github.walk import Stream, Walk, drain
from pulse.sources.http import HeavyPage
from pulse.warehouse.connect import client_transaction
from pulse.warehouse.loader import Page
from pulse.warehouse.runs import RunStats

PULL_REQUESTS = Stream(
    "pull_requests", "pullRequests", queries.PULL_REQUEST_PAGES, queries.PULL_REQUESTS, queries.PULL_REQUESTS_THIN,
    queries.PULL_REQUESTS_BARE, "updatedAt",
)  # fmt: skip
# A deployment is asked for by its creation; its statuses may come later.
DEPLOYMENTS = Stream(
    "deployments", "deployments", queries.DEPLOYMENT_PAGES, queries.DEPLOYMENTS, None, queries.DEPLOYMENTS_BARE,
    "createdAt", timedelta(days=3),
)  # fmt: skip
# Deployments whose stored state is out of date: those that had not ended, and, in environments that were deployed to
# lately, those that were active before. (Limited, for where nothing ever ends a deployment.)
_OUTDATED = """
    select payload ->> 'id', record_id
    from (
        select d.payload, d.record_id, max(payload ->> 'createdAt') filter (
                   where payload ->> 'state' in ('ACTIVE', 'INACTIVE')) over (partition by payload ->> 'environment') as newest
        from raw.github_deployments d
        where client_id = %(client)s and integration_id = %(integration)s and scope_key = %(scope)s
          and deleted_at is null
    ) d
    where payload ->> 'state' in ('PENDING', 'QUEUED', 'IN_PROGRESS', 'WAITING')
       or payload ->> 'state' = 'ACTIVE' and payload ->> 'createdAt' < newest
          and newest::timestamptz >= %(since)s::timestamptz
    order by payload ->> 'createdAt' desc
    limit 300
"""
_OPEN_REJECTS = """
    select payload from raw.rejects
    where client_id = %(client)s and integration_id = %(integration)s and scope_key = %(scope)s
      and entity = 'github_pull_requests' and replayed_at is null
    order by id desc limit 10
"""


class GitHubSource(Source):
    """Repositories of an organisation or user; per repository its history, deployments and pull requests."""

    def connect(self, credential: Credential) -> None:
        self.github = GitHubClient(self.integration, credential, self.stats)

    def discover(self) -> list[Scope]:
        include = self.integration.config.get("repositories") or ["*"]
        owner = self.integration.config["organization"]
        chosen = {node["id"]: node for node in self._chosen(owner, include)}
        if not chosen:
            raise ConfigError(
                client=self.integration.client_slug, source=self.integration.name,
                message=f"no repository of {owner} matches {include}",
                way_out="check the organisation's name, the patterns and what the token may see",
            )  # fmt: skip
        page = page_of("github_repositories", chosen.values(), records.repository, "", records.record_id)
        self.store([page])
        return [
            Scope(row.record_id, row.payload["nameWithOwner"], {"node_id": row.payload["id"]})
            for row in sorted(page.rows, key=lambda row: str(row.payload["nameWithOwner"]).lower())
        ]

    def extract(self, scope: Scope) -> RunStats:
        """Each stream goes on from its checkpoint; an interrupted one from where it stopped."""
        History(self, self.github, scope).run()
        self._deployments(scope)
        Walk(self, self.github, scope, PULL_REQUESTS, lambda nodes: self._pull_request_page(nodes, scope)).run()
        self._retry_rejects(scope)
        return self.finish()

    def _chosen(self, owner: str, include: list[str]) -> Iterator[Node]:
        """Repositories by name, pattern, or owner/name (also of another owner), without the excluded ones."""
        named = [pattern for pattern in include if "/" in pattern and not set(pattern) & set("*?[")]
        patterns = [pattern for pattern in include if pattern not in named]
        exclude = self.integration.config.get("exclude_repositories") or []
        for full_name in named:
            yield self._repository(full_name)
        if patterns:
            for node in self._repositories(owner):
                full_name = str(node["nameWithOwner"])
                name = full_name.partition("/")[2]
                wanted = selected(name, patterns) or selected(full_name, patterns)
                if wanted and not selected(name, exclude) and not selected(full_name, exclude):
                    yield node

    def _repository(self, full_name: str) -> Node:
        owner, _, name = full_name.partition("/")
        data, _ = self.github.ask(queries.REPOSITORY, f"the repository {full_name}", owner=owner, name=name)
        node: Node = data["repository"]
        return node

    def _repositories(self, owner: str) -> Iterator[Node]:
        after = None
        while True:
            data, _ = self.github.ask_sized(
                queries.REPOSITORIES, f"the owner {owner}", queries.PAGES, login=owner, after=after
            )
            if data["repositoryOwner"] is None:
                raise AccessLost(
                    client=self.integration.client_slug, source=self.integration.name,
                    message=f"GitHub knows no organisation or user {owner}, or the token may not see it",
                    way_out="correct 'organization' in the Variable, or the token's access",
                )  # fmt: skip
            connection = data["repositoryOwner"]["repositories"]
            if any(node is None for node in connection["nodes"]):
                raise self.github.http.failure(f"GitHub leaves out repositories of {owner}")
            yield from connection["nodes"]
            if not connection["pageInfo"]["hasNextPage"]:
                return
            after = connection["pageInfo"]["endCursor"]

    def _pull_request_page(self, nodes: list[Node], scope: Scope) -> Page:
        drain(self.github, nodes, "PullRequest", queries.PULL_REQUEST_CONNECTIONS)
        return page_of(
            "github_pull_requests", nodes, lambda node: records.pull_request(node, scope.key), scope.key,
            records.record_id,
        )  # fmt: skip

    def _deployment_page(self, nodes: list[Node], scope: Scope) -> Page:
        drain(self.github, nodes, "Deployment", queries.DEPLOYMENT_CONNECTIONS)
        return page_of(
            "github_deployments", nodes, lambda node: records.deployment(node, scope.key), scope.key, records.record_id
        )

    def _deployments(self, scope: Scope) -> None:
        """The new ones, then by id those whose state has moved on since they were stored."""
        read: set[str] = set()

        def build(nodes: list[Node]) -> Page:
            read.update(str(node["id"]) for node in nodes)
            return self._deployment_page(nodes, scope)

        watermark = Walk(self, self.github, scope, DEPLOYMENTS, build).run()
        since = watermark - DEPLOYMENTS.lookback if watermark else None
        known: dict[str, str] = dict(self._rows(_OUTDATED, scope, since=since))
        outdated = [node_id for node_id in known if node_id not in read]
        for start in range(0, len(outdated), queries.NODES):
            found = self._by_id(queries.DEPLOYMENTS_BY_ID, scope, outdated[start : start + queries.NODES])
            page = self._deployment_page([node for node in found.values() if node], scope)
            page.gone.extend(known[node_id] for node_id, node in found.items() if node is None)
            self.store([page])

    def _by_id(self, query: str, scope: Scope, ids: list[str]) -> dict[str, Node | None]:
        """Nodes by id, in smaller parts where GitHub cannot answer for all at once."""
        try:
            return self.github.nodes(query, scope.label, ids)
        except HeavyPage:
            if len(ids) == 1:
                raise self.github.http.failure(f"GitHub cannot answer for the node {ids[0]} of {scope.label}") from None
        half = len(ids) // 2
        return {**self._by_id(query, scope, ids[:half]), **self._by_id(query, scope, ids[half:])}

    def _retry_rejects(self, scope: Scope) -> None:
        """Ask once more for pull requests that could not be read: they change too seldom to wait for."""
        for (payload,) in self._rows(_OPEN_REJECTS, scope):
            node_id = (json.loads(payload) or {}).get("id")
            with contextlib.suppress(HeavyPage):
                found = self.github.nodes(queries.PULL_REQUESTS_BY_ID, scope.label, [node_id]) if node_id else {}
                self.store([self._pull_request_page([node for node in found.values() if node], scope)])

    def _rows(self, query: Any, scope: Scope, since: datetime | None = None) -> list[tuple[Any, ...]]:
        params = {
            "client": self.integration.client_id, "integration": self.integration.id, "scope": scope.key, "since": since,
        }  # fmt: skip
        with client_transaction(self.conn, self.integration.client_id):
            return self.conn.execute(query, params).fetchall()


SOURCE = GitHubSource
