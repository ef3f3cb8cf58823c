"""What is asked of GitHub, in which order, until when.

Watermarks are the server's clock at the start of a finished walk, less an overlap: never the newest row seen, which could
hide a row that changed while the page was read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from pulse.errors import AccessLost, ConfigError, UpstreamError
from pulse.sources.base import Credential, Scope, Source, selected
from pulse.sources.github import queries, records
from pulse.sources.github.client import GitHubClient
from pulse.sources.http import HeavyPage
from pulse.warehouse.checkpoints import Checkpoint
from pulse.warehouse.connect import client_transaction
from pulse.warehouse.loader import Page
from pulse.warehouse.runs import RunStats

OVERLAP = timedelta(minutes=5)
# A deployment is asked for by its creation; its statuses may come later. Unfinished ones are read again by id as well.
DEPLOYMENT_LOOKBACK = timedelta(days=3)
UNFINISHED_STATES = ("PENDING", "QUEUED", "IN_PROGRESS", "WAITING")
DRAIN_BATCH = 20

Node = dict[str, Any]


class GitHubSource(Source):
    """Repositories of an organisation or user; per repository its history, deployments and pull requests."""

    def connect(self, credential: Credential) -> None:
        self.github = GitHubClient(self.integration, credential, self.stats)

    def discover(self) -> list[Scope]:
        owner = self.integration.config["organization"]
        include = self.integration.config.get("repositories") or ["*"]
        exclude = self.integration.config.get("exclude_repositories") or []
        chosen = [
            node
            for node in self._repositories(owner)
            if selected(node["nameWithOwner"].partition("/")[2], include, exclude)
        ]
        if not chosen:
            raise ConfigError(
                client=self.integration.client_slug, source=self.integration.name,
                message=f"no repository of {owner} matches {include}",
                way_out="check the organisation's name, the patterns and what the token may see",
            )  # fmt: skip
        self.store([records.page_of("github_repositories", chosen, "", records.repository)])
        return [Scope(str(node["databaseId"]), node["nameWithOwner"], {"node_id": node["id"]}) for node in chosen]

    def extract(self, scope: Scope) -> RunStats:
        self._history(scope)
        self._unfinished_deployments(scope)
        self._walk(scope, "deployments", queries.DEPLOYMENTS, queries.DEPLOYMENT_PAGE, self._deployment_page,
                   "createdAt", DEPLOYMENT_LOOKBACK)  # fmt: skip
        self._walk(scope, "pull_requests", queries.PULL_REQUESTS, queries.PULL_REQUEST_PAGE, self._pull_request_page,
                   "updatedAt", timedelta(0))  # fmt: skip
        return self.finish()

    def _repositories(self, owner: str) -> Iterator[Node]:
        after = None
        while True:
            data, _ = self.github.ask(queries.REPOSITORIES, f"the owner {owner}", login=owner, after=after)
            if data["repositoryOwner"] is None:
                raise AccessLost(
                    client=self.integration.client_slug, source=self.integration.name,
                    message=f"GitHub knows no organisation or user {owner}, or the token may not see it",
                    way_out="correct 'organization' in the Variable, or the token's access",
                )  # fmt: skip
            connection = data["repositoryOwner"]["repositories"]
            yield from (node for node in connection["nodes"] if node)
            if not connection["pageInfo"]["hasNextPage"]:
                return
            after = connection["pageInfo"]["endCursor"]

    def _walk(
        self, scope: Scope, field: str, query: str, size: int, build: Callable[[list[Node], Scope], Page],
        ordered_by: str, lookback: timedelta,
    ) -> None:  # fmt: skip
        """Newest first down to the watermark, one transaction a page; an interrupted walk goes on at its cursor.

        Rows that change meanwhile move to the top: the next walk reads them, as its watermark lies before this one's
        start. A resumed walk is therefore followed by another.
        """
        connection_name = "pullRequests" if field == "pull_requests" else field
        checkpoint = self.checkpoint(field, scope.key)
        cursor = dict(checkpoint.cursor)
        resumed = bool(cursor)
        until = checkpoint.watermark_at - lookback if checkpoint.watermark_at else None
        page_size = size
        while True:
            try:
                data, answer = self.github.ask(
                    query,
                    scope.label,
                    divisible=True,
                    id=scope.data["node_id"],
                    first=page_size,
                    after=cursor.get("after"),
                )
                connection = self._subject(data, scope)[connection_name]
                if any(node is None for node in connection["nodes"]):
                    raise HeavyPage
            except HeavyPage:
                page_size = self._halved(page_size, scope, field)
                continue
            cursor.setdefault("started_at", answer.server_time.isoformat())
            nodes = connection["nodes"]
            fresh = [node for node in nodes if until is None or datetime.fromisoformat(node[ordered_by]) >= until]
            ends = len(fresh) < len(nodes) or not connection["pageInfo"]["hasNextPage"]
            if ends:
                watermark = datetime.fromisoformat(cursor["started_at"]) - OVERLAP
                saved = Checkpoint(field, scope.key, watermark)
            else:
                cursor["after"] = connection["pageInfo"]["endCursor"]
                saved = Checkpoint(field, scope.key, checkpoint.watermark_at, cursor)
            self.store([build(fresh, scope)], [saved])
            if ends:
                break
            page_size = min(size, page_size * 2)
        if resumed:
            self._walk(scope, field, query, size, build, ordered_by, lookback)

    def _halved(self, page_size: int, scope: Scope, field: str) -> int:
        if page_size == 1:
            raise UpstreamError(
                client=self.integration.client_slug, source=self.integration.name,
                message=f"GitHub cannot answer for a single one of {scope.label}'s {field}",
                way_out="the task is retried later from the same place",
            )  # fmt: skip
        return page_size // 2

    def _subject(self, data: dict[str, Any], scope: Scope) -> Node:
        if data.get("node") is None:
            raise AccessLost(
                client=self.integration.client_slug, source=self.integration.name,
                message=f"{scope.label} is not visible any more", way_out="check the token's access; stored rows are kept",
            )  # fmt: skip
        node: Node = data["node"]
        return node

    def _pull_request_page(self, nodes: list[Node], scope: Scope) -> Page:
        self._drain(nodes, "PullRequest", queries.PULL_REQUEST_CONNECTIONS)
        return records.page_of("github_pull_requests", nodes, scope.key, records.pull_request)

    def _deployment_page(self, nodes: list[Node], scope: Scope) -> Page:
        self._drain(nodes, "Deployment", queries.DEPLOYMENT_CONNECTIONS)
        return records.page_of("github_deployments", nodes, scope.key, records.deployment)

    def _drain(self, nodes: list[Node], typename: str, connections: dict[str, tuple[str, str, int]]) -> None:
        """Complete the inner connections that have more pages, several nodes a call."""
        for connection in connections.items():
            name = connection[0]
            open_nodes = {
                node["id"]: node[name]
                for node in nodes
                if (node.get(name) or {}).get("pageInfo", {}).get("hasNextPage")
            }
            while open_nodes:
                batch = dict(list(open_nodes.items())[:DRAIN_BATCH])
                after = {node_id: value["pageInfo"]["endCursor"] for node_id, value in batch.items()}
                data, _ = self.github.ask(queries.drain(typename, connection, after), f"{typename}.{name}")
                for index, node_id in enumerate(batch):
                    more = data[f"n{index}"][name]
                    batch[node_id]["nodes"].extend(more["nodes"])
                    batch[node_id]["pageInfo"] = more["pageInfo"]
                    if not more["pageInfo"]["hasNextPage"]:
                        del open_nodes[node_id]

    def _unfinished_deployments(self, scope: Scope) -> None:
        """Read again by id what had not ended when it was stored."""
        with client_transaction(self.conn, self.integration.client_id):
            ids = [
                row[0]
                for row in self.conn.execute(
                    "select payload ->> 'id' from raw.github_deployments where client_id = %s and integration_id = %s"
                    " and scope_key = %s and payload ->> 'state' = any (%s) and deleted_at is null order by 1",
                    [self.integration.client_id, self.integration.id, scope.key, list(UNFINISHED_STATES)],
                )
            ]
        for start in range(0, len(ids), 100):
            data, _ = self.github.ask(queries.DEPLOYMENTS_BY_ID, scope.label, ids=ids[start : start + 100])
            self.store([self._deployment_page([node for node in data["nodes"] if node], scope)])

    def _history(self, scope: Scope) -> None:
        """The default branch's commits, newest first, until every parent of a stored commit is stored too."""
        checkpoint = self.checkpoint("history", scope.key)
        after = checkpoint.cursor.get("after")
        missing = self._missing_parents(scope) if after else None
        while True:
            data, answer = self.github.ask(
                queries.HISTORY, scope.label, id=scope.data["node_id"], first=queries.HISTORY_PAGE, after=after
            )
            branch = self._subject(data, scope)["defaultBranchRef"]
            if branch is None:
                return
            history = branch["target"]["history"]
            page = records.page_of("github_commits", history["nodes"], scope.key, records.commit)
            missing = self._still_missing(scope, page, missing or set())
            ends = not missing or not history["pageInfo"]["hasNextPage"]
            saved = (
                Checkpoint("history", scope.key, answer.server_time.astimezone(UTC))
                if ends
                else Checkpoint(
                    "history", scope.key, checkpoint.watermark_at, {"after": history["pageInfo"]["endCursor"]}
                )
            )
            self.store([page], [saved])
            if ends:
                break
            after = history["pageInfo"]["endCursor"]
        if checkpoint.cursor:
            self._history(scope)

    def _still_missing(self, scope: Scope, page: Page, missing: set[str]) -> set[str]:
        """Parents that neither this page nor the table holds, after this page."""
        here = {row.payload["oid"] for row in page.rows}
        wanted = (missing | {parent for row in page.rows for parent in row.payload["parents"]}) - here
        if not wanted:
            return set()
        with client_transaction(self.conn, self.integration.client_id):
            known = self.conn.execute(
                "select split_part(record_id, ':', 2) from raw.github_commits"
                " where client_id = %s and integration_id = %s and record_id = any (%s)",
                [self.integration.client_id, self.integration.id, [f"{scope.key}:{oid}" for oid in wanted]],
            ).fetchall()
        return wanted - {row[0] for row in known}

    def _missing_parents(self, scope: Scope) -> set[str]:
        with client_transaction(self.conn, self.integration.client_id):
            rows = self.conn.execute(
                "select distinct parent from raw.github_commits c, jsonb_array_elements_text(c.payload -> 'parents') parent"
                " where c.client_id = %(client)s and c.integration_id = %(integration)s and c.scope_key = %(scope)s"
                " and not exists (select from raw.github_commits p where p.client_id = %(client)s"
                " and p.integration_id = %(integration)s and p.record_id = %(scope)s || ':' || parent)",
                {"client": self.integration.client_id, "integration": self.integration.id, "scope": scope.key},
            ).fetchall()
        return {row[0] for row in rows}
