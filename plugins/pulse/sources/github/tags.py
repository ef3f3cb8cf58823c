"""The tags of a repository: all are read whenever their number changes, because no order shows which are new."""

from __future__ import annotations

import json

from pulse.sources import census
from pulse.sources.base import Scope, Source, page_of
from pulse.sources.github import queries, records
from pulse.sources.github.answers import connection_in
from pulse.sources.github.client import GitHubClient
from pulse.sources.github.walk import repository_of
from pulse.warehouse.loader import Page, Reject

ENTITY = "github_tags"
_READ = """
    update raw.rejects set replayed_at = now()
    where client_id = %(client)s and integration_id = %(integration)s and entity = %(entity)s and scope_key = %(scope)s
      and record_id is null and replayed_at is null
    returning id
"""


def read_tags(source: Source, github: GitHubClient, scope: Scope) -> None:
    """Store every tag and mark those that are no longer listed. (If one cannot be identified, none is marked.)"""
    after, listed, complete = None, set(), True
    while True:
        answer = github.ask_sized(
            queries.TAGS,
            scope.label,
            queries.PAGES,
            bare=queries.TAGS_BARE,
            check=lambda data: connection_in(repository_of(source, scope, data), "refs"),
            id=scope.data["node_id"],
            after=after,
        )
        connection = connection_in(repository_of(source, scope, answer.data), "refs")
        page = page_of(
            ENTITY,
            connection["nodes"],
            lambda node: records.tag(node, scope.key),
            scope.key,
            lambda node: f"{scope.key}:{node['name']}",
        )
        if answer.instead is not None:
            kept = [json.dumps({**(node or {}), "answer": answer.instead}) for node in connection["nodes"]]
            page.rows.clear()
            page.rejects[:] = [
                Reject(None, scope.key, one, "GitHub's answer about this tag cannot be read") for one in kept
            ]
        listed |= {row.record_id for row in page.rows} | {str(reject.record_id) for reject in page.rejects}
        complete = complete and all(reject.record_id for reject in page.rejects)
        source.store([page])
        if not connection["pageInfo"]["hasNextPage"]:
            break
        after = connection["pageInfo"]["endCursor"]
    if complete:
        source.query(_READ, entity=ENTITY, scope=scope.key)
        surplus = census.compare(source, ENTITY, scope.key, listed).surplus
        source.store([Page(ENTITY, gone=sorted(surplus))])
