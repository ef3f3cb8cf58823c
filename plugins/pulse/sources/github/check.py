"""What a GitHub token can read, what there is to count, and which settings fit."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from pulse.errors import AccessLost, AuthError, ConfigError, PulseError
from pulse.sources import check
from pulse.sources.base import Credential, Integration, selected
from pulse.sources.check import Report
from pulse.sources.github.client import GitHubClient, Node
from pulse.sources.refusals import REFUSED_TOKEN
from pulse.warehouse.runs import RunStats

REPOSITORIES = 1000  # that are listed; no more are needed to see what is there
SAMPLED = 5  # the most recently pushed repositories, of which the contents are looked at
RECENT = timedelta(days=30)
SHOWN = 6

_OWNER = """
query CheckOwner($login: String!, $after: String) {
  repositoryOwner(login: $login) {
    __typename
    repositories(first: 100, after: $after, ownerAffiliations: [OWNER], orderBy: {field: PUSHED_AT, direction: DESC}) {
      totalCount pageInfo { hasNextPage endCursor } nodes { id nameWithOwner isArchived pushedAt }
    }
  }
}"""
_NAMED = """
query CheckNamed($owner: String!, $name: String!) {
  repository(owner: $owner, name: $name) { id nameWithOwner isArchived pushedAt }
}"""
_LATEST = "orderBy: {field: CREATED_AT, direction: DESC}"
# What is asked of a repository: the permission, what is selected, and what the numbers lack without it.
_PARTS = {
    "contents": (
        "defaultBranchRef { name target { oid ... on Commit { history(first: 1) { nodes { committedDate } } } } }",
        "no commits, so no lead time",
    ),
    "pull requests": (
        "pullRequests(first: 1, orderBy: {field: UPDATED_AT, direction: DESC}) { totalCount nodes { updatedAt } }",
        "no pull requests, so no changes and no lead time",
    ),
    "deployments": (
        f"deployments(first: 50, {_LATEST}) {{ totalCount nodes {{ environment createdAt }} }}",
        "no deployments; choose workflow runs, releases or merges as their source (dora.deployment_source)",
    ),
    "releases": (f"releases(first: 20, {_LATEST}) {{ totalCount nodes {{ publishedAt isPrerelease }} }}", ""),
    "issues": (f"issues(first: 1, {_LATEST}) {{ totalCount nodes {{ updatedAt }} }}", ""),
}
# The defaults of dora.production_environments and dora.workflow_pattern, and names that often mean the same.
_PRODUCTION = re.compile(r"^prod(uction)?\b", re.IGNORECASE)
_WORKFLOW = re.compile(r"deploy|release", re.IGNORECASE)
_LIKELY = re.compile(r"prod|prd|live|main", re.IGNORECASE)
_DEPLOYS = re.compile(r"deploy|release|publish|ship|rollout|promote", re.IGNORECASE)
_TRIAL = re.compile(r"stag|preview|\bdev|test|nightly|draft|non-?prod|pre-?prod", re.IGNORECASE)


class _Asking:
    """One round of questions."""

    def __init__(self, integration: Integration, credential: Credential) -> None:
        self.config = integration.config
        self.github = GitHubClient(integration, credential, RunStats())
        self.github.http.tries = check.TRIES
        self.report = Report(integration.name)
        self.now = datetime.now(UTC)  # GitHub's clock, once it has answered

    def run(self) -> Report:
        """Raises the errors of pulse.errors if nothing can be asked."""
        chosen = self._repositories()
        sampled = [node for node in chosen if not node.get("isArchived")][:SAMPLED] or chosen[:1]
        seen = [self._contents(node) for node in sampled]
        runs = self._workflows(sampled) if self.config.get("workflow_runs", True) else Counter()
        self._deployments(seen, runs)
        return self.report

    def _repositories(self) -> list[Node]:
        """The selected repositories, the most recently pushed first."""
        owner, include = str(self.config["organization"]), self.config.get("repositories") or ["*"]
        named = [one for one in include if "/" in one and not set(one) & set("*?[")]
        patterns = [one for one in include if one not in named]
        found = [node for name in named if (node := self._named(name)) is not None]
        listed = list(self._of_owner(owner)) if patterns else []
        for node in listed:
            name = str(node.get("nameWithOwner")).partition("/")[2]
            if selected(name, patterns) and not selected(name, self.config.get("exclude_repositories") or []):
                found.append(node)
        if not found:
            raise ConfigError(
                **self.github.where,
                message=f"no repository of {owner} that the token sees matches {include}",
                remedy="check the patterns, and which repositories the token was given",
            )
        self.report.found.append(f"{owner}: {len(found)} of {len(named) + len(listed)} repositories are selected.")
        return sorted(found, key=lambda node: str(node.get("pushedAt") or ""), reverse=True)

    def _ask(self, query: str, what: str, **variables: Any) -> dict[str, Any]:
        answer = self.github.ask(query, what, **variables)
        self.now = answer.response.server_time
        return answer.data

    def _named(self, full_name: str) -> Node | None:
        owner, _, name = full_name.partition("/")
        found = self._ask(_NAMED, full_name, owner=owner, name=name).get("repository")
        return found if isinstance(found, dict) else None

    def _of_owner(self, owner: str) -> Iterator[Node]:
        after, count = None, 0
        while count < REPOSITORIES:
            data = self._ask(_OWNER, f"the owner {owner}", login=owner, after=after)
            if data.get("repositoryOwner") is None:
                raise AccessLost(
                    **self.github.where,
                    message=f"GitHub knows no organisation or user {owner}, or the token may not see it",
                    remedy="correct organization, or give the token access to it",
                )
            with self.github.http.understood(f"the repositories of {owner}"):
                page = data["repositoryOwner"]["repositories"]
                nodes = [node for node in page["nodes"] if isinstance(node, dict)]
                more, after = page["pageInfo"]["hasNextPage"], page["pageInfo"]["endCursor"]
            yield from nodes
            count += len(nodes)
            if not more:
                return

    def _contents(self, node: Node) -> Node:
        """What there is in a repository. Each part is asked for alone, because one that may not be read can null the others."""
        seen: Node = {}
        for permission, (selection, consequence) in _PARTS.items():
            query = f"query Check($id: ID!) {{ node(id: $id) {{ ... on Repository {{ {selection} }} }} }}"
            try:
                found = self._ask(query, f"{permission} of {node.get('nameWithOwner')}", id=node.get("id")).get("node")
                seen |= found if isinstance(found, dict) else {}
            except (AuthError, AccessLost) as error:
                self._miss(error, f"{permission}: read is missing: {consequence}." if consequence else "")
        return seen

    def _workflows(self, sampled: Iterable[Node]) -> Counter[str]:
        """How often each workflow ran lately, but for pull requests."""
        counts: Counter[str] = Counter()
        for node in sampled:
            try:
                body = self.github.rest(f"repos/{node.get('nameWithOwner')}/actions/runs", per_page=100).body
            except (AuthError, AccessLost) as error:
                self._miss(error, "actions: read is missing: no workflow runs; without it, set workflow_runs to false.")
                continue
            for run in (body.get("workflow_runs") or []) if isinstance(body, dict) else []:
                if isinstance(run, dict) and not str(run.get("event")).startswith("pull_request"):
                    counts[str(run.get("name") or "")] += 1
        return counts

    def _miss(self, error: PulseError, line: str) -> None:
        """Note what a refusal means. A refused token is no missing right."""
        if error.status == REFUSED_TOKEN:
            raise error
        if line and line not in self.report.missing:
            self.report.missing.append(line)

    def _deployments(self, seen: list[Node], runs: Counter[str]) -> None:
        """What may count as a deployment, and the settings for it."""
        since, report = (self.now - RECENT).strftime("%Y-%m-%dT%H:%M:%SZ"), self.report
        recent = [one for one in _nodes(seen, "deployments") if str(one.get("createdAt")) >= since]
        environments = [name for name, _ in Counter(str(one.get("environment") or "") for one in recent).most_common()]
        workflows = [name for name, _ in runs.most_common() if _DEPLOYS.search(name) and not _TRIAL.search(name)]
        releases = [one for one in _nodes(seen, "releases") if str(one.get("publishedAt")) >= since]
        releases = [one for one in releases if not one.get("isPrerelease")]
        report.found.append(f"Deployments in {RECENT.days} days: {len(recent)}, to {_names(environments)}.")
        if workflows:
            report.found.append(f"Workflows that look like deployments: {_names(workflows)}.")
        if recent:
            self._environments(environments)
            return
        choice = "workflow_runs" if workflows else "releases" if releases else "merges"
        if workflows and not all(_WORKFLOW.search(name) for name in workflows):
            report.proposals["dora.workflow_pattern"] = "|".join(f"^{re.escape(name)}$" for name in workflows)
        report.proposals["dora.deployment_source"] = choice
        report.needed.append(
            f"No deployments were found in {RECENT.days} days: choose workflow_runs, releases or merges as"
            f" dora.deployment_source. {choice} fits what was seen: {len(workflows)} workflows that look like deployments,"
            f" {len(releases)} releases."
        )

    def _environments(self, names: list[str]) -> None:
        """Which environments are production."""
        if any(_PRODUCTION.search(name) for name in names):
            return
        likely = [name for name in names if _LIKELY.search(name) and not _TRIAL.search(name)]
        if likely:
            self.report.proposals["dora.production_environments"] = [f"^{re.escape(name)}$" for name in likely]
        self.report.needed.append(
            f"No environment is called production: name those that are in dora.production_environments"
            f" (seen: {_names(names)})."
        )


def _nodes(seen: Iterable[Node], connection: str) -> Iterator[dict[str, Any]]:
    for one in seen:
        for node in (one.get(connection) or {}).get("nodes") or []:
            if isinstance(node, dict):
                yield node


def _names(names: list[str]) -> str:
    if not names:
        return "none"
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def ask(integration: Integration, credential: Credential) -> Report:
    """The answer of GitHub. Raises the errors of pulse.errors if nothing can be asked."""
    return _Asking(integration, credential).run()


CHECK = ask
