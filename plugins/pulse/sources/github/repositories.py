"""Which repositories exist (listed by owner or requested by name, each with its fingerprint), and which are gone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from pulse.errors import AccessLost, AuthError, ConfigError, UpstreamError
from pulse.sources.base import Source, page_of, selected
from pulse.sources.github import queries, records
from pulse.sources.github.answers import Answer, BadShape, connection_in
from pulse.sources.github.client import GitHubClient, Node
from pulse.sources.github.versions import without
from pulse.sources.http import JsonResponse
from pulse.sources.refusals import HeavyPage
from pulse.warehouse.loader import Page

# So many repositories do not vanish at once unless the token lost its access.
LOST_AT_ONCE = 2
# The connections that a listing can do without, and the length of the path to a repository in it.
_PARTS = frozenset({"pullRequests", "issues", "deployments", "releases", "refs", "defaultBranchRef"})
_NODE = 4
EXPIRY_HEADER = "github-authentication-token-expiration"

_STORED = """
    select record_id, payload ->> 'id', payload ->> 'nameWithOwner' from raw.github_repositories
    where client_id = %(client)s and integration_id = %(integration)s and deleted_at is null
"""


class RepositoryListing:
    """The repositories of one integration."""

    def __init__(self, source: Source, github: GitHubClient) -> None:
        self.source = source
        self.github = github
        self.config = source.integration.config
        self.now: datetime | None = None
        self.closed: set[str] = set()  # connections that the token may not read
        self.withheld: list[str] = []
        self.all_gone = True

    def read(self) -> list[Node]:
        """Store the selected repositories, and what became of those selected before; return the selected ones.

        Raises ConfigError if the patterns select nothing, and AccessLost if the owner is not visible or most of the
        stored repositories vanished at once.
        """
        include = self.config.get("repositories") or ["*"]
        chosen = {str(node.get("id") or id(node)): node for node in self._chosen(self.config["organization"], include)}
        if not chosen and self.withheld:
            raise (AccessLost if self.all_gone else AuthError)(
                client=self.source.integration.client_slug,
                source=self.source.integration.name,
                message=f"GitHub gives no repository of {self.config['organization']}; {self.withheld[0]}",
                remedy="give the token what the message is about; stored rows are kept",
            )
        if not chosen:
            raise ConfigError(
                client=self.source.integration.client_slug,
                source=self.source.integration.name,
                message=f"no repository of {self.config['organization']} matches {include}",
                remedy="check the organisation's name, the patterns and the token's access",
            )
        page = page_of("github_repositories", chosen.values(), records.repository, "", records.record_id)
        here = {row.record_id: str(row.payload["nameWithOwner"]) for row in page.rows}
        try:
            page.gone.extend(self._vanished(here, page))
        except (UpstreamError, HeavyPage, ValueError) as error:
            self.github.http.forget(0)
            self.source.stats.warn(f"what became of repositories that are no longer listed could not be read: {error}")
        self.source.store([page])
        readable = {row.payload["id"] for row in page.rows}
        return [node for node in chosen.values() if node.get("id") in readable]

    def _vanished(self, here: dict[str, str], page: Page) -> list[str]:
        """Record ids of stored repositories that GitHub no longer knows.

        A repository that was renamed out of the patterns, or moved to another owner, stays as it is under its new name.
        One that is no longer selected is not asked for.
        """
        stored = self.source.query(_STORED)
        missing = {
            node_id: (record_id, name)
            for record_id, node_id, name in stored
            if record_id not in here and self._would_be_listed(name)
        }
        gone = []
        ids = list(missing)
        for start in range(0, len(ids), queries.PROBED_TOGETHER):
            part = ids[start : start + queries.PROBED_TOGETHER]
            found, forbidden = self.github.nodes(queries.REPOSITORIES_BY_ID, "repositories", part)
            for node_id in forbidden:
                self._withhold(missing[node_id][1], forbidden[node_id].reason)
            for node_id, node in found.items():
                record_id, name = missing[node_id]
                if node is None:
                    gone.append(record_id)
                elif node.get("nameWithOwner") != name:
                    self.source.stats.warn(f"{name} is now {node.get('nameWithOwner')}, which is not selected")
                    moved = page_of(page.entity, [node], records.repository, "", records.record_id)
                    page.rows.extend(moved.rows)
                    page.rejects.extend(moved.rejects)
        reused = {name.lower() for name in here.values()}
        for record_id in gone:
            name = next(name for key, name in missing.values() if key == record_id)
            again = " (another repository now has its name)" if name.lower() in reused else ""
            self.source.stats.warn(f"{name} was deleted or is hidden from the token; its rows are kept{again}")
        if len(gone) > LOST_AT_ONCE and len(gone) * 2 > len(stored):
            raise AccessLost(
                client=self.source.integration.client_slug,
                source=self.source.integration.name,
                message=f"{len(gone)} of {len(stored)} repositories are no longer visible",
                remedy="check the token's access; nothing was marked as deleted",
            )
        return gone

    def _chosen(self, owner: str, include: list[str]) -> Iterator[Node]:
        """Repositories by name, pattern, or owner/name (also of another owner), without the excluded ones."""
        named, patterns = _split(include)
        for start in range(0, len(named), queries.PROBED_TOGETHER):
            yield from self._named(named[start : start + queries.PROBED_TOGETHER])
        if patterns:
            for node in self._of_owner(owner):
                # Without its name, nobody knows whether it is selected: it becomes a reject.
                if not node.get("nameWithOwner") or self._matches(str(node["nameWithOwner"]), patterns):
                    yield node

    def _would_be_listed(self, full_name: str) -> bool:
        """Whether the current declaration selects a repository of this name."""
        named, patterns = _split(self.config.get("repositories") or ["*"])
        if full_name.lower() in (name.lower() for name in named):
            return True
        ours = full_name.partition("/")[0].lower() == str(self.config["organization"]).lower()
        return ours and self._matches(full_name, patterns)

    def _matches(self, full_name: str, patterns: list[str]) -> bool:
        exclude = self.config.get("exclude_repositories") or []
        name = full_name.partition("/")[2]
        wanted = selected(name, patterns) or selected(full_name, patterns)
        return wanted and not selected(name, exclude) and not selected(full_name, exclude)

    def _named(self, names: list[str]) -> Iterator[Node]:
        what = f"the repositories {', '.join(names)}"
        try:
            answer = self._asked(queries.repositories_named(names), what, divisible=True)
        except (HeavyPage, BadShape) as error:
            self.github.http.forget(0)
            if len(names) == 1:
                self._withhold(
                    names[0], "GitHub's answer about it cannot be read" if str(error) else "GitHub cannot answer"
                )
                return
            yield from self._named(names[: len(names) // 2])
            yield from self._named(names[len(names) // 2 :])
            return
        reasons = {refusal.place[0]: refusal.reason for refusal in answer.refused}
        self.all_gone = self.all_gone and all(refusal.is_gone for refusal in answer.refused)
        for place, name in enumerate(names):
            node = answer.data.get(f"r{place}")
            if isinstance(node, dict):
                yield node
            else:
                self._withhold(name, reasons.get(f"r{place}", "GitHub gives no reason"))

    def _of_owner(self, owner: str) -> Iterator[Node]:
        after = None
        while True:
            answer = self._asked(
                queries.REPOSITORIES,
                f"the owner {owner}",
                queries.PROBE_PAGES,
                bare=queries.REPOSITORIES_BARE,
                check=_check_owner,
                login=owner,
                after=after,
            )
            if answer.data.get("repositoryOwner") is None:
                raise AccessLost(
                    client=self.source.integration.client_slug,
                    source=self.source.integration.name,
                    message=f"GitHub knows no organisation or user {owner}, or the token may not see it",
                    remedy="correct 'organization' in the Variable, or the token's access",
                )
            connection = connection_in(answer.data["repositoryOwner"], "repositories")
            reasons = {refusal.place[-1]: refusal.reason for refusal in answer.refused if len(refusal.place) == _NODE}
            self.all_gone = self.all_gone and not reasons
            for place, node in enumerate(connection["nodes"]):
                if not isinstance(node, dict):
                    self._withhold(f"a repository of {owner}", reasons.get(place, "GitHub gives no reason"))
                elif answer.instead is None:
                    yield node
                elif self._matches(str(node.get("nameWithOwner")), self.config.get("repositories") or ["*"]):
                    self._withhold(str(node.get("nameWithOwner")), "GitHub's answer about it cannot be read")
            if not connection["pageInfo"]["hasNextPage"]:
                return
            after = connection["pageInfo"]["endCursor"]

    def _asked(self, query: str, what: str, sizes: Sequence[int] = (), **variables: Any) -> Answer:
        """The answer to a query; without the connections of repositories that the token may not read."""
        while True:
            asked = without(query, self.closed)
            answer = (
                self.github.ask_sized(asked, what, sizes, **variables)
                if sizes
                else self.github.ask(asked, what, **variables)
            )
            self._note(answer.response)
            closed = {step: refusal.reason for refusal in answer.refused for step in refusal.below if step in _PARTS}
            if not closed.keys() - self.closed:
                return answer
            for part, reason in closed.items():
                self.source.stats.warn(
                    f"GitHub does not give {part} of some repositories, so nothing of them is read: {reason}"
                )
            self.closed |= {str(part) for part in closed}

    def _withhold(self, name: str, reason: str) -> None:
        self.withheld.append(f"{name}: {reason}")
        self.source.stats.warn(
            f"{name} is not read, because GitHub does not give it: {reason}. Its stored rows are kept, everything else is"
            " read, and the next run asks for it again"
        )

    def _note(self, response: JsonResponse) -> None:
        """Remember the upstream's clock at the first answer, and warn if the token expires soon."""
        self.now = self.now or response.server_time
        expiry = response.headers.get(EXPIRY_HEADER) or self.config.get("token_expires")
        self.source.warn_before_token_ends(expiry, response.server_time.date())


def _check_owner(data: dict[str, Any]) -> None:
    """Raises BadShape if an answer does not have an owner (or null) with repositories."""
    if "repositoryOwner" not in data:
        raise BadShape("GitHub's answer does not say whether the owner exists")
    if data["repositoryOwner"] is not None:
        connection_in(data["repositoryOwner"], "repositories")


def _split(include: list[str]) -> tuple[list[str], list[str]]:
    """The declared names (owner/name), and the patterns."""
    named = [pattern for pattern in include if "/" in pattern and not set(pattern) & set("*?[")]
    return named, [pattern for pattern in include if pattern not in named]
