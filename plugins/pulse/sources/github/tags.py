"""The tags of a repository: all are read whenever their number changes, because no order shows which are new."""

from __future__ import annotations

from pulse.sources import census
from pulse.sources.base import Scope, Source, page_of
from pulse.sources.github import queries, records
from pulse.sources.github.client import GitHubClient
from pulse.sources.github.walk import repository_of
from pulse.warehouse.loader import Page

ENTITY = "github_tags"


def read_tags(source: Source, github: GitHubClient, scope: Scope) -> None:
    """Store every tag and mark those that are no longer listed. (The list is complete, or this fails.)"""
    after, listed = None, set()
    while True:
        data, _ = github.ask_sized(queries.TAGS, scope.label, queries.PAGES, id=scope.data["node_id"], after=after)
        connection = repository_of(source, scope, data)["refs"]
        page = page_of(
            ENTITY,
            connection["nodes"],
            lambda node: records.tag(node, scope.key),
            scope.key,
            lambda node: f"{scope.key}:{node['name']}",
        )
        listed |= {row.record_id for row in page.rows} | {reject.record_id for reject in page.rejects}
        source.store([page])
        if not connection["pageInfo"]["hasNextPage"]:
            break
        after = connection["pageInfo"]["endCursor"]
    surplus = census.compare(source, ENTITY, scope.key, {key for key in listed if key}).surplus
    source.store([Page(ENTITY, gone=sorted(surplus))])
