"""The world as GraphQL nodes: plain dicts for graphql-core's default resolver, connections as functions."""

from __future__ import annotations

from datetime import datetime

from sandbox.github import items
from sandbox.github.paging import Node, actor, iso, keyed_page, node_id, offset_page, page_info, page_size
from sandbox.world.model import Actor, Commit, Deployment, Organisation, PullRequest, Repository


class View:
    """What one token sees at one moment."""

    def __init__(self, organisation: Organisation, now: datetime) -> None:
        self.organisation = organisation
        self.now = now

    def owner(self, login: str) -> Node | None:
        if login.lower() != self.organisation.login.lower():
            return None
        return {
            "__typename": "Organization",
            "id": f"O_{login}",
            "login": self.organisation.login,
            "repositories": lambda info, **args: self._repositories(args),
        }

    def repository(self, owner: str, name: str) -> Node | None:
        for repository in self.organisation.repositories:
            if repository.is_called(owner, name):
                return self._repository(repository)
        return None

    def node(self, identity: str) -> Node | None:
        for repository in self.organisation.repositories:
            if repository.node_id == identity:
                return self._repository(repository)
            if identity.startswith("DE_"):
                for deployment in repository.deployments:
                    if node_id("DE", deployment.id) == identity and deployment.created_at <= self.now:
                        return self._deployment(deployment)
            if identity.startswith("PR_"):
                for pr in repository.pull_requests:
                    if node_id("PR", pr.id) == identity and pr.created_at <= self.now:
                        return self._pull_request(repository, pr)
            found = items.node(repository, identity, self.now)
            if found is not None:
                return found
        return None

    def _repositories(self, args: Node) -> Node:
        found = [r for r in self.organisation.repositories if r.created_at <= self.now]
        found.sort(key=lambda r: r.name.lower())
        return keyed_page(found, args, lambda r: (r.name.lower(), str(r.id)), self._repository)

    def _repository(self, repository: Repository) -> Node:
        return {
            "__typename": "Repository",
            "id": repository.node_id,
            "databaseId": repository.id,
            "name": repository.name,
            "nameWithOwner": repository.full_name,
            "url": repository.url,
            "isArchived": repository.archived,
            "createdAt": iso(repository.created_at),
            "pushedAt": lambda info: iso(
                max((c.visible_at or c.committed_at for c in self._history(repository)), default=repository.created_at)
            ),
            "defaultBranchRef": lambda info: self._branch(repository),
            "pullRequests": lambda info, **args: self._pull_requests(repository, args),
            "deployments": lambda info, **args: self._deployments(repository, args),
            "issues": lambda info, **args: items.issues(repository, args, self.now),
            "releases": lambda info, **args: items.releases(repository, args, self.now),
            "refs": lambda info, **args: items.tags(repository, args, self.now),
        }

    def _history(self, repository: Repository) -> list[Commit]:
        return [commit for commit in repository.history if commit.seen(self.now)]

    def _branch(self, repository: Repository) -> Node | None:
        commits = self._history(repository)
        if not commits:
            return None
        target = self._commit(commits[-1])
        target["history"] = lambda info, **args: self._history_page(commits, args)
        return {
            "id": f"REF_{repository.id}",
            "name": repository.default_branch,
            "prefix": "refs/heads/",
            "target": target,
        }

    def _history_page(self, commits: list[Commit], args: Node) -> Node:
        """Newest first. As at GitHub, a cursor names the head it started at, so it stays valid after a push."""
        first = page_size(args)
        head, start = commits[-1].oid, 0
        if args.get("after"):
            head, _, offset = args["after"].partition(" ")
            start = int(offset) + 1
        end = next((i for i, commit in enumerate(commits) if commit.oid == head), len(commits) - 1)
        ordered = commits[end::-1]
        part = ordered[start : start + first]
        last = start + len(part) - 1
        return {
            "totalCount": len(ordered),
            "nodes": [self._commit(commit) for commit in part],
            "pageInfo": page_info(f"{head} {last}" if part else None, last + 1 < len(ordered)),
        }

    def _commit(self, commit: Commit) -> Node:
        user = None
        if commit.author is not None and commit.author.kind == "User":
            user = {"__typename": "User", "id": f"U_{commit.author.login}", "login": commit.author.login}
        return {
            "__typename": "Commit",
            "id": f"C_{commit.oid}",
            "oid": commit.oid,
            "authoredDate": iso(commit.authored_at),
            "committedDate": iso(commit.committed_at),
            "messageHeadline": commit.headline,
            "message": commit.message,
            "author": {
                "name": commit.author.login if commit.author else "ghost",
                "email": commit.email,
                "user": user,
            },
            "parents": lambda info, **args: offset_page(
                commit.parents, args, lambda oid: {"__typename": "Commit", "id": f"C_{oid}", "oid": oid}
            ),
        }

    def _pull_requests(self, repository: Repository, args: Node) -> Node:
        order = args.get("orderBy") or {"field": "CREATED_AT", "direction": "ASC"}
        keyed = self._ordered(repository, order["field"] == "UPDATED_AT", order["direction"] == "DESC")
        if args.get("states"):
            keyed = [item for item in keyed if self._state(item[2]) in args["states"]]
        return keyed_page(
            keyed,
            args,
            lambda item: (str(item[0]), str(item[1])),
            lambda item: self._pull_request(repository, item[2]),
            descending=order["direction"] == "DESC",
        )

    def _ordered(
        self, repository: Repository, by_update: bool, descending: bool
    ) -> list[tuple[str | None, int, PullRequest]]:
        """The pull requests that exist by now, in an order. The last answer is cached, for a world whose clock is stopped."""
        wanted = (self.now, by_update, descending, len(repository.pull_requests))
        if repository.ordered[:1] != [wanted]:
            keyed = [
                (iso(pr.updated_at(self.now) if by_update else pr.created_at), pr.id, pr)
                for pr in repository.pull_requests
                if pr.created_at <= self.now
            ]
            keyed.sort(key=lambda item: item[:2], reverse=descending)
            repository.ordered = [wanted, keyed]
        found: list[tuple[str | None, int, PullRequest]] = repository.ordered[1]
        return found

    def _state(self, pr: PullRequest) -> str:
        if pr.merged_at is not None and pr.merged_at <= self.now:
            return "MERGED"
        return "CLOSED" if pr.closed_at is not None and pr.closed_at <= self.now else "OPEN"

    def _pull_request(self, repository: Repository, pr: PullRequest) -> Node:
        now, state = self.now, self._state(pr)
        left_draft = any(event.kind == "ReadyForReviewEvent" and event.at <= now for event in pr.events)
        merge = {
            "__typename": "Commit",
            "id": f"C_{pr.merge_oid}",
            "oid": pr.merge_oid,
            "parents": lambda info, **args: {"totalCount": pr.merge_parents, "nodes": []},
        }
        return {
            "__typename": "PullRequest",
            "id": node_id("PR", pr.id),
            "fullDatabaseId": str(pr.id),
            "number": pr.number,
            "title": pr.title,
            "body": pr.body,
            "url": f"{repository.url}/pull/{pr.number}",
            "state": state,
            "isDraft": pr.draft and not left_draft,
            "createdAt": iso(pr.created_at),
            "updatedAt": iso(pr.updated_at(now)),
            "publishedAt": iso(pr.created_at),
            "mergedAt": iso(pr.merged_at) if state == "MERGED" else None,
            "closedAt": iso(pr.closed_at) if state != "OPEN" else None,
            "additions": pr.additions,
            "deletions": pr.deletions,
            "changedFiles": pr.changed_files,
            "baseRefName": pr.base,
            "headRefName": pr.head,
            "author": actor(pr.author),
            "mergeCommit": merge if state == "MERGED" and pr.merge_oid else None,
            "comments": lambda info, **args: self._comments(pr, args),
            "labels": lambda info, **args: offset_page(
                pr.labels, args, lambda name: {"id": f"LA_{name}", "name": name}
            ),
            "commits": lambda info, **args: offset_page(
                [c for c in pr.commits if c.seen(now)],
                args,
                lambda c: {"id": f"PURC_{c.oid}", "commit": self._commit(c)},
            ),
            "reviews": lambda info, **args: offset_page(
                [r for r in pr.reviews if r.submitted_at <= now],
                args,
                lambda r: {
                    "id": node_id("PRR", r.id),
                    "fullDatabaseId": str(r.id),
                    "state": r.state,
                    "submittedAt": iso(r.submitted_at),
                    "author": actor(r.author),
                    "comments": lambda info, **a: {"totalCount": r.comments},
                },
            ),
            "files": lambda info, **args: offset_page(
                pr.files, args, lambda f: {"path": f[0], "additions": f[1], "deletions": f[2]}
            ),
            "timelineItems": lambda info, **args: self._timeline(pr, args),
            "closingIssuesReferences": lambda info, **args: offset_page(
                pr.closes,
                args,
                lambda n: {"id": f"I_closed_{n}", "number": n, "repository": self._repository(repository)},
            ),
        }

    def _comments(self, pr: PullRequest, args: Node) -> Node:
        """As at GitHub, the count alone may be requested without `first`."""
        said = pr.said(self.now)
        if args.get("first") is None:
            return {"totalCount": len(said)}
        return offset_page(
            said,
            args,
            lambda c: {
                "id": node_id("IC", c.id),
                "fullDatabaseId": str(c.id),
                "createdAt": iso(c.at),
                "author": actor(c.author),
            },
        )

    def _timeline(self, pr: PullRequest, args: Node) -> Node:
        wanted = {kind.replace("_", "") for kind in args.get("itemTypes") or []}
        events = sorted(
            (e for e in pr.events if e.at <= self.now and (not wanted or e.kind.upper() in wanted)), key=lambda e: e.at
        )
        return offset_page(
            events,
            args,
            lambda e: {
                "__typename": e.kind,
                "id": f"{e.kind}_{pr.id:x}_{int(e.at.timestamp()):x}",
                "createdAt": iso(e.at),
                "actor": actor(e.actor),
            },
        )

    def _deployments(self, repository: Repository, args: Node) -> Node:
        descending = (args.get("orderBy") or {}).get("direction", "ASC") == "DESC"
        seen = [d for d in repository.deployments if d.created_at <= self.now]
        if args.get("environments"):
            seen = [d for d in seen if d.environment in args["environments"]]
        seen.sort(key=lambda d: (d.created_at, d.id), reverse=descending)
        return keyed_page(seen, args, lambda d: (str(iso(d.created_at)), str(d.id)), self._deployment, descending)

    def _deployment(self, deployment: Deployment) -> Node:
        statuses = [status for status in deployment.statuses if status.at <= self.now]
        state = statuses[-1].state if statuses else "PENDING"
        return {
            "__typename": "Deployment",
            "id": node_id("DE", deployment.id),
            "databaseId": deployment.id,
            "environment": deployment.environment,
            "task": deployment.task,
            "state": "ACTIVE" if state == "SUCCESS" else state,
            "createdAt": iso(deployment.created_at),
            "updatedAt": iso(statuses[-1].at if statuses else deployment.created_at),
            "description": deployment.description,
            "commitOid": deployment.oid,
            "ref": {"id": "REF", "name": deployment.ref, "prefix": "refs/heads/"} if deployment.ref else None,
            "creator": actor(deployment.creator or Actor("ghost")),
            "statuses": lambda info, **args: offset_page(
                statuses[::-1],
                args,
                lambda s: {
                    "id": node_id("DES", s.id),
                    "state": s.state,
                    "createdAt": iso(s.at),
                    "updatedAt": iso(s.at),
                    "logUrl": deployment.log_url,
                    "environmentUrl": None,
                },
            ),
        }
