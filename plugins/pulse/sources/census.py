"""Comparing what the upstream has with what is stored: finds what was deleted there, and what is missing here.

Once a week a source lists all ids of a scope (ids alone are cheap) and passes on the complete list. An incomplete list must
never get here, because what is not in it may be marked as deleted. Before anything is marked, the source asks the upstream
for exactly those ids once more.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg import sql

from pulse.sources.base import Scope, Source
from pulse.warehouse.checkpoints import Checkpoint
from pulse.warehouse.connect import client_transaction
from pulse.warehouse.erased import Erased

log = logging.getLogger(__name__)
EVERY = timedelta(days=7)
STREAM = "census"


@dataclass(frozen=True)
class Difference:
    """`missing`: record ids that the upstream lists and no stored row has. `surplus`: the other way round."""

    missing: set[str]
    surplus: set[str]


def is_due(source: Source, scope_key: str, now: datetime) -> bool:
    """Whether the scope's last census is a week old, or there was none. `now`: the upstream's clock."""
    counted_at = source.checkpoint(STREAM, scope_key).watermark_at
    return counted_at is None or now - counted_at >= EVERY


def done(scope_key: str, now: datetime) -> Checkpoint:
    """The checkpoint that records that all entities of a scope were counted."""
    return Checkpoint(STREAM, scope_key, now)


def compare(source: Source, entity: str, scope_key: str, upstream: set[str]) -> Difference:
    """The difference between the upstream's complete list of record ids and the stored rows of a scope."""
    query = sql.SQL(
        "select record_id from raw.{} where client_id = %(client)s and integration_id = %(integration)s"
        " and scope_key = %(scope)s and deleted_at is null"
    ).format(sql.Identifier(entity))
    erased = Erased.of_client(source.conn, source.integration.client_id)
    upstream = {erased.text(record_id) for record_id in upstream}
    stored = {record_id for (record_id,) in source.each(query, scope=scope_key)}
    return Difference(upstream - stored, stored - upstream)


def count(
    source: Source, entity: str, scope: Scope, upstream: set[str], reconcile: Callable[[Difference], int]
) -> None:
    """Compare, let `reconcile` remove the difference, and record the outcome in core.etl_census.

    `reconcile` fetches what is missing, marks what the upstream confirms to be gone, and returns how many it marked.
    """
    difference = compare(source, entity, scope.key, upstream)
    removed = reconcile(difference) if difference.missing or difference.surplus else 0
    if difference.missing or removed:
        log.warning(
            "client %s: census of %s in %s: %d were missing and have been requested, %d are gone upstream",
            source.integration.client_slug,
            entity,
            scope.label,
            len(difference.missing),
            removed,
        )
    left = compare(source, entity, scope.key, upstream)
    record(source, entity, scope.key, len(upstream), len(upstream) - len(left.missing), len(left.missing), removed)


def record(
    source: Source, entity: str, scope_key: str, upstream: int, stored: int, missing: int = 0, removed: int = 0
) -> None:
    """Write the outcome of a count: how many records the upstream has, and how many of them are stored, are missing, or
    were marked as deleted."""
    with client_transaction(source.conn, source.integration.client_id):
        source.conn.execute(
            "insert into core.etl_census (client_id, integration_id, entity, scope_key, upstream_count, stored_count,"
            " missing_count, removed_count) values (%s, %s, %s, %s, %s, %s, %s, %s)"
            " on conflict (client_id, integration_id, entity, scope_key) do update set"
            " upstream_count = excluded.upstream_count, stored_count = excluded.stored_count,"
            " missing_count = excluded.missing_count, removed_count = excluded.removed_count, counted_at = now()",
            [
                source.integration.client_id,
                source.integration.id,
                entity,
                scope_key,
                upstream,
                stored,
                missing,
                removed,
            ],
        )
