"""Which repositories exist (listed by owner or requested by name, each with its fingerprint), and which are gone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pulse.errors import AccessLost, ConfigError
from pulse.sources.base import Source, page_of, selected
from pulse.sources.github import queries, records
from pulse.sources.github.client import GitHubClient, Node
from pulse.sources.http import JsonResponse
from pulse.warehouse.loader import Page

# So many repositories do not vanish at once unless the token lost its access.
LOST_AT_ONCE = 2
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

    def read(self) -> list[Node]:
        """Store the selected repositories, and what became of those selected before; return the selected ones.

        Raises ConfigError if the patterns select nothing, and AccessLost if the owner is not visible or most of the
        stored repositories vanished at once.
        """
        include = self.config.get("repositories") or ["*"]
        chosen = {node["id"]: node for node in self._chosen(self.config["organization"], include)}
        if not chosen:
            raise ConfigError(
                client=self.source.integration.client_slug,
                source=self.source.integration.name,
                message=f"no repository of {self.config['organization']} matches {include}",
                remedy="check the organisation's name, the patterns and the token's access",
            )
        page = page_of("github_repositories", chosen.values(), records.repository, "", records.record_id)
        page.gone.extend(self._vanished({row.record_id: row.payload["nameWithOwner"] for row in page.rows}, page))
        self.source.store([page])
        readable = {row.payload["id"] for row in page.rows}
        return [node for node in chosen.values() if node["id"] in readable]

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
            for node_id, node in self.github.nodes(queries.REPOSITORIES_BY_ID, "repositories", part).items():
                record_id, name = missing[node_id]
                if node is None:
                    gone.append(record_id)
                elif node["nameWithOwner"] != name:
                    self.source.stats.warn(f"{name} is now {node['nameWithOwner']}, which is not selected")
                    page.rows.append(records.repository(node))
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
                if self._matches(str(node["nameWithOwner"]), patterns):
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
        data, response = self.github.ask(queries.repositories_named(names), f"the repositories {', '.join(names)}")
        self._note(response)
        for place in range(len(names)):
            yield data[f"r{place}"]

    def _of_owner(self, owner: str) -> Iterator[Node]:
        after = None
        while True:
            data, response = self.github.ask_sized(
                queries.REPOSITORIES, f"the owner {owner}", queries.PROBE_PAGES, login=owner, after=after
            )
            self._note(response)
            if data["repositoryOwner"] is None:
                raise AccessLost(
                    client=self.source.integration.client_slug,
                    source=self.source.integration.name,
                    message=f"GitHub knows no organisation or user {owner}, or the token may not see it",
                    remedy="correct 'organization' in the Variable, or the token's access",
                )
            connection = data["repositoryOwner"]["repositories"]
            if any(node is None for node in connection["nodes"]):
                raise self.github.http.failure(f"GitHub leaves out repositories of {owner}")
            yield from connection["nodes"]
            if not connection["pageInfo"]["hasNextPage"]:
                return
            after = connection["pageInfo"]["endCursor"]

    def _note(self, response: JsonResponse) -> None:
        """Remember the upstream's clock at the first answer, and warn if the token expires soon."""
        self.now = self.now or response.server_time
        expiry = response.headers.get(EXPIRY_HEADER) or self.config.get("token_expires")
        self.source.warn_before_token_ends(expiry, response.server_time.date())


def _split(include: list[str]) -> tuple[list[str], list[str]]:
    """The declared names (owner/name), and the patterns."""
    named = [pattern for pattern in include if "/" in pattern and not set(pattern) & set("*?[")]
    return named, [pattern for pattern in include if pattern not in named]
