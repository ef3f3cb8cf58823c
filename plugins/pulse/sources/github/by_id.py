"""Nodes of a repository's streams by their ids: what is asked for alone, and what becomes of those that GitHub withholds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pulse.errors import TooMuch, UpstreamError
from pulse.sources.base import Scope, Source, page_of
from pulse.sources.github import queries, records
from pulse.sources.github.client import GitHubClient, Node
from pulse.sources.github.streams import Stream
from pulse.sources.github.walk import complete_connections
from pulse.sources.refusals import HeavyPage
from pulse.warehouse.loader import Page, Reject

NO_FILES = "the files of this pull request could not be read; the rest of it is stored"
_OPEN_REJECTS = """
    select record_id, payload from raw.rejects
    where client_id = %(client)s and integration_id = %(integration)s and scope_key = %(scope)s
      and entity = %(entity)s and not is_stored_form and replayed_at is null and rejected_at > now() - interval '7 days'
    order by id desc limit 10
"""
_KNOWN = """
    select record_id from raw.rejects
    where client_id = %(client)s and integration_id = %(integration)s and entity = %(entity)s and replayed_at is null
      and record_id = any(%(ids)s)
"""


class ById:
    """Reads nodes of one repository."""

    def __init__(self, source: Source, github: GitHubClient, scope: Scope) -> None:
        self.source = source
        self.github = github
        self.scope = scope

    def page(self, stream: Stream, nodes: list[Any]) -> Page:
        """Nodes with all pages of their inner connections, as a page."""
        whole = [node for node in nodes if isinstance(node, dict)]
        lost = complete_connections(self.github, whole, stream.typename, stream.inner)
        left = {id(node): lost[node["id"]] for node in whole if isinstance(node.get("id"), str) and node["id"] in lost}
        page = rows_page(stream, [node for node in nodes if id(node) not in left], self.scope.key)
        for node in whole:
            if reason := left.get(id(node)):
                page.rejects.append(self._reject(records.record_id(node), node["id"], f"GitHub: {reason}"))
        if "files" in stream.inner:
            page.rejects.extend(
                self._reject(row.record_id, row.payload["id"], NO_FILES)
                for row in page.rows
                if "files" not in row.payload
            )
        return page

    def fetch(self, stream: Stream, names: Mapping[str, str]) -> tuple[Page, list[str]]:
        """The nodes with these ids (`names`: their record ids) as a page, and the ids of those that GitHub no longer knows.

        One that GitHub does not deliver becomes a reject.
        """
        found: dict[str, Node | None] = {}
        withheld: dict[str, tuple[str, str]] = {}
        ids, size = list(names), max(stream.page_sizes)
        for start in range(0, len(ids), size):
            found |= self._nodes(stream, ids[start : start + size], withheld)
        page = self.page(stream, [node for node in found.values() if node])
        known = {
            key for (key,) in self.source.query(_KNOWN, entity=stream.entity, ids=[names[one] for one in withheld])
        }
        page.rejects.extend(
            self._reject(names[one], one, *why)
            for one, why in withheld.items()
            if one not in found and names[one] not in known
        )
        return page, [one for one, node in found.items() if node is None]

    def refresh(self, stream: Stream, known: Mapping[str, str]) -> None:
        """Read stored rows again, given their node and record ids; mark those that GitHub no longer knows."""
        ids = list(known)
        for start in range(0, len(ids), queries.NODES):
            page, gone = self.fetch(stream, {one: known[one] for one in ids[start : start + queries.NODES]})
            page.gone.extend(known[one] for one in gone)
            self.source.store([page])

    def retry_rejects(self, stream: Stream) -> None:
        """Ask again for what could not be read, because it may not change again soon."""
        rejects = self.source.query(_OPEN_REJECTS, scope=self.scope.key, entity=stream.entity)
        asked: dict[str, str] = {}
        for record_id, payload in rejects:
            node = json.loads(payload)
            if isinstance(node, dict) and isinstance(node.get("id"), str):
                asked.setdefault(node["id"], record_id)
        for node_id, record_id in asked.items():
            try:
                found, forbidden = self.github.nodes(stream.by_id_query, self.scope.label, [node_id])
                if node_id in forbidden and node_id not in found:
                    continue
                page = self.page(stream, [node for node in found.values() if node])
            except TooMuch:
                raise
            except (HeavyPage, UpstreamError, ValueError):
                self.github.http.forget(0)
                continue  # still not to be had; the reject stays open
            if found.get(node_id) is None and record_id:
                page.gone.append(record_id)
            if not (page.rows and page.rejects):  # else the part that was missing still is
                self.source.store([page])

    def _nodes(self, stream: Stream, ids: list[str], withheld: dict[str, tuple[str, str]]) -> dict[str, Node | None]:
        """Nodes by id, in smaller parts if GitHub cannot answer for all at once. Adds those that it does not deliver, with the
        reason and what came instead."""
        try:
            found, forbidden = self.github.nodes(stream.by_id_query, self.scope.label, ids)
            withheld.update({one: (f"GitHub: {refusal.reason}", "") for one, refusal in forbidden.items()})
            return found
        except HeavyPage as error:
            self.github.http.forget(0)
            if len(ids) == 1:
                self.source.stats.warn(f"GitHub cannot answer for {stream.typename} {ids[0]} of {self.scope.label}")
                withheld[ids[0]] = ("GitHub could not answer for this record, even alone", error.text)
                return {}
        half = len(ids) // 2
        return {**self._nodes(stream, ids[:half], withheld), **self._nodes(stream, ids[half:], withheld)}

    def _reject(self, record_id: str | None, node_id: str, reason: str, text: str = "") -> Reject:
        payload = {"id": node_id, "answer": text} if text else {"id": node_id}
        return Reject(record_id, self.scope.key, json.dumps(payload), reason)


def rows_page(stream: Stream, nodes: list[Any], scope_key: str) -> Page:
    """Complete nodes as a page."""
    return page_of(stream.entity, nodes, lambda node: stream.build(node, scope_key), scope_key, records.record_id)
