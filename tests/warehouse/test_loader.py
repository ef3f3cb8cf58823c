"""Loading a page: what is written, what stays untouched, and that it is all or nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from unittest.mock import ANY

import psycopg
import pytest

from pulse.warehouse.checkpoints import Checkpoint, read_checkpoint
from pulse.warehouse.connect import client_transaction
from pulse.warehouse.loader import LoadResult, Page, RawRow, Reject, load_pages
from tests.support.database import Connection, TestDatabase

WHEN = datetime(2026, 6, 1, tzinfo=UTC)


class Loading:
    """One client's integration and its stored rows."""

    def __init__(self, db: TestDatabase) -> None:
        self.conn: Connection = db.connect("pulse_etl")
        self.client_id = db.add_client("acme")
        self.integration_id = db.add_integration(self.client_id, "jira")

    def load(self, *rows: RawRow, rejects: list[Reject] | None = None, gone: list[str] | None = None) -> LoadResult:
        page = Page("jira_issues", list(rows), rejects or [], gone or [])
        return load_pages(self.conn, self.client_id, self.integration_id, [page])

    def rows(self, columns: str, table: str = "jira_issues") -> list[tuple[Any, ...]]:
        with client_transaction(self.conn, self.client_id):
            return self.conn.execute(f"select {columns} from raw.{table} order by 1").fetchall()  # type: ignore[arg-type]


@pytest.fixture
def loading(db: TestDatabase) -> Loading:
    return Loading(db)


def issue(record_id: str, **payload: Any) -> RawRow:
    return RawRow(record_id, "10", {"id": record_id, **payload}, WHEN)


def test_an_unchanged_page_writes_nothing(loading: Loading) -> None:
    assert loading.load(issue("1", a=1), issue("2")) == LoadResult(2, 2, 0)
    before = loading.rows("record_id, xmin, loaded_xid, extracted_at")
    assert loading.load(issue("1", a=1), issue("2")) == LoadResult(2, 0, 0)
    assert loading.rows("record_id, xmin, loaded_xid, extracted_at") == before


def test_the_order_of_keys_does_not_count_as_a_change(loading: Loading) -> None:
    loading.load(RawRow("1", "10", {"a": 1, "b": 2}))
    assert loading.load(RawRow("1", "10", {"b": 2, "a": 1})).written == 0


def test_only_changes_are_written_and_visible_to_the_transforms(loading: Loading) -> None:
    loading.load(issue("1", a=1), issue("2"))
    before = dict(loading.rows("record_id, loaded_xid"))
    assert loading.load(issue("1", a=2), issue("2")) == LoadResult(2, 1, 0)
    after = dict(loading.rows("record_id, loaded_xid"))
    assert after["2"] == before["2"]
    assert int(after["1"]) > int(before["1"])
    assert loading.rows("payload ->> 'a'")[0] == ("2",)


def test_a_new_scope_counts_as_a_change(loading: Loading) -> None:
    loading.load(issue("1"))
    assert loading.load(RawRow("1", "20", {"id": "1"}, WHEN)).written == 1
    assert loading.rows("scope_key") == [("20",)]


def test_the_last_of_several_rows_with_one_id_counts(loading: Loading) -> None:
    assert loading.load(issue("1", n=1), issue("1", n=2), issue("1", n=3)) == LoadResult(3, 1, 0)
    assert loading.rows("payload ->> 'n'") == [("3",)]


def test_a_deleted_row_keeps_its_payload_and_may_come_back(loading: Loading) -> None:
    loading.load(issue("1", a=1), issue("2"))
    assert loading.load(gone=["1", "unknown"]).written == 1
    assert loading.rows("record_id, payload ->> 'a', deleted_at is null") == [("1", "1", False), ("2", None, True)]
    assert loading.load(gone=["1"]).written == 0
    assert loading.load(issue("1", a=1)).written == 1
    assert loading.rows("record_id, deleted_at is null") == [("1", True), ("2", True)]


def test_characters_that_postgresql_cannot_store_are_removed_and_named(loading: Loading) -> None:
    loading.load(issue("1", fields={"summary": "a\x00b", "lines": ["fine", "\ud800漢字😀"], "literal": "\\u0000"}))
    assert loading.rows("payload -> 'fields', payload -> '_sanitised'") == [
        (
            {"summary": "ab", "lines": ["fine", "漢字😀"], "literal": "\\u0000"},
            ["fields.summary", "fields.lines[1]"],
        )
    ]


def test_a_payload_that_is_not_json_is_rejected_and_the_others_are_stored(loading: Loading) -> None:
    assert loading.load(issue("1", n=object()), issue("2")) == LoadResult(2, 1, 1)
    assert loading.rows("record_id") == [("2",)]
    assert loading.rows("record_id, scope_key, payload, replayed_at", "rejects") == [("1", "10", ANY, None)]


def test_a_reject_is_kept_once_and_closed_when_its_record_can_be_read(loading: Loading) -> None:
    bad = Reject("7", "10", '{"id": "7\x00"}', "missing field 'key'")
    assert loading.load(rejects=[bad]) == LoadResult(1, 0, 1)
    assert loading.load(rejects=[bad]) == LoadResult(1, 0, 1)
    assert loading.rows("record_id, payload, reason, replayed_at", "rejects") == [
        ("7", '{"id": "7\N{REPLACEMENT CHARACTER}"}', "missing field 'key'", None)
    ]
    loading.load(issue("7"))
    assert loading.rows("replayed_at is not null", "rejects") == [(True,)]


def test_rows_rejects_and_checkpoint_are_stored_together_or_not_at_all(loading: Loading) -> None:
    pages = [Page("jira_issues", [issue("1")], [Reject(None, "", "{}", "why")]), Page("no_such_table", [issue("2")])]
    with pytest.raises(psycopg.errors.UndefinedTable):
        load_pages(
            loading.conn, loading.client_id, loading.integration_id, pages, [Checkpoint("issues", "10", WHEN, {"a": 1})]
        )
    assert loading.rows("record_id") == []
    assert loading.rows("id", "rejects") == []
    empty = read_checkpoint(loading.conn, loading.client_id, loading.integration_id, "issues", "10")
    assert empty == Checkpoint("issues", "10")

    saved = Checkpoint("issues", "10", WHEN, {"after": "x"})
    load_pages(loading.conn, loading.client_id, loading.integration_id, pages[:1], [saved])
    assert loading.rows("record_id") == [("1",)]
    assert read_checkpoint(loading.conn, loading.client_id, loading.integration_id, "issues", "10") == saved


def test_another_clients_integration_cannot_be_written(loading: Loading, db: TestDatabase) -> None:
    other = db.add_client("techcorp")
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        load_pages(loading.conn, other, loading.integration_id, [Page("jira_issues", [issue("1")])])
    loading.load(issue("1"))
    with client_transaction(loading.conn, other):
        assert loading.conn.execute("select count(*) from raw.jira_issues").fetchone() == (0,)
