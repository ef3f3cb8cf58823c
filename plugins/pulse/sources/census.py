"""Counting what upstream holds against what is stored: finds what was deleted there, and what is missing here.

Once a week a scope's source lists all its ids (ids alone are cheap) and hands them over whole: an incomplete list must
never come here, since what is not in it may be marked as deleted. Before anything is marked, the source asks upstream for
exactly those ids once more.
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

log = logging.getLogger(__name__)
EVERY = timedelta(days=7)
STREAM = "census"


@dataclass(frozen=True)
class Difference:
    """Record ids that upstream lists and no stored row has, and ids of stored rows that upstream does not list."""

    missing: set[str]
    surplus: set[str]


def is_due(source: Source, scope_key: str, now: datetime) -> bool:
    """Whether the scope was not counted for a week. `now`: the upstream's clock. A scope that was never counted is due."""
    counted_at = source.checkpoint(STREAM, scope_key).watermark_at
    return counted_at is None or now - counted_at >= EVERY


def done(scope_key: str, now: datetime) -> Checkpoint:
    """The checkpoint that says that all of a scope's entities were counted."""
    return Checkpoint(STREAM, scope_key, now)


def compare(source: Source, entity: str, scope_key: str, upstream: set[str]) -> Difference:
    """What differs between upstream's complete list of record ids and the stored rows of a scope."""
    query = sql.SQL(
        "select record_id from raw.{} where client_id = %(client)s and integration_id = %(integration)s"
        " and scope_key = %(scope)s and deleted_at is null"
    ).format(sql.Identifier(entity))
    stored = {record_id for (record_id,) in source.query(query, scope=scope_key)}
    return Difference(upstream - stored, stored - upstream)


def count(
    source: Source, entity: str, scope: Scope, upstream: set[str], reconcile: Callable[[Difference], int]
) -> None:
    """Compare, let `reconcile` mend the difference (fetch the missing, mark those that upstream confirms as gone; it returns
    how many it marked) and record the outcome in core.etl_census."""
    difference = compare(source, entity, scope.key, upstream)
    removed = reconcile(difference) if difference.missing or difference.surplus else 0
    if difference.missing or removed:
        log.warning(
            "client %s: census of %s in %s: %d were missing and have been asked for, %d are gone upstream",
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
    """Write the outcome of a count: how many upstream has, how many of them are stored, are missing, were marked."""
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
