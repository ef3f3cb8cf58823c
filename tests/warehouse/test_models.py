"""The engine of include/sql/models: what a file may look like, and what the engine writes for it."""

from __future__ import annotations

from graphlib import CycleError
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pulse.warehouse.connect import client_transaction
from pulse.warehouse.models import ModelError, Writer, in_order, read_model
from pulse.warehouse.transforms import run_stage, sql_root, stage_models
from tests.support.database import TestDatabase

TABLES = """
    create table core.orders (client_id integer, id integer, customer text, primary key (client_id, id));
    create table core.order_lines (
        client_id integer, order_id integer, id integer, amount integer, place integer, written_at timestamptz,
        primary key (client_id, order_id, id));
    create table core.order_totals (client_id integer, order_id integer, total bigint, primary key (client_id, order_id));
    create table core.order_log (
        client_id integer, id bigint generated always as identity, note text, primary key (client_id, id));
    select core.protect_table(t::regclass, true, true, true)
    from unnest(array['core.orders', 'core.order_lines', 'core.order_totals', 'core.order_log']) t;
"""
LINES = """-- Table core.order_lines: what the records say.
-- Grain: one row per line.
select record.order_id, record.id, record.amount from records record
"""
LINES_PER_ORDER = """-- Table core.order_lines: what the records of the touched orders say.
-- Per: order_id of select distinct order_id from records
select distinct order_id from records where is_new
;
select record.order_id, record.id, record.amount
from touched
join records record using (order_id)
where record.id is not null
"""
TOTALS = """-- Table core.order_totals: the sum of an order's lines.
-- Per: order_id of select distinct order_id from core.order_lines
select distinct line.order_id
from order_lines_changed c
cross join unnest(array[c.before, c.after]) as line
where line.order_id is not null
;
select l.order_id, sum(l.amount) as total from touched join core.order_lines l using (order_id) group by l.order_id
"""


class Shop:
    """A client with tables of its own, models that the test writes, and the records that they read."""

    def __init__(self, db: TestDatabase, root: Path) -> None:
        with db.connect("pulse_owner") as owner:
            owner.execute(TABLES)
        self.client_id, self.other_id = db.add_client("acme"), db.add_client("techcorp")
        self.conn = db.connect("pulse_etl")
        self.root = root
        self.model("begin/records.sql", "-- Temporary table records: nothing yet.\nselect 1 as order_id limit 0")

    def model(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def records(self, *rows: tuple[int, int | None, int, bool]) -> None:
        """What upstream says: order, line, amount, and whether that is new."""
        values = ", ".join(
            f"({order}, {line or 'null::integer'}, {amount}, {new})" for order, line, amount, new in rows
        )
        self.model(
            "begin/records.sql",
            "-- Temporary table records: what upstream says.\n-- Index: (order_id)\n"
            f"select * from (values {values}) v (order_id, id, amount, is_new)",
        )

    def run(self, *, full: bool = False, remember: bool = True, client_id: int | None = None) -> dict[str, int]:
        """Write all models; rows written by each that wrote any."""
        with client_transaction(self.conn, client_id or self.client_id):
            models = in_order(self.root, ["begin", "facts"])
            writer = Writer(self.conn, models, full=full, remember=remember)
            for model in models:
                writer.write(model)
            return dict(self.conn.execute("select model, rows from written").fetchall())

    def rows(self, query: str, client_id: int | None = None) -> list[tuple[Any, ...]]:
        with client_transaction(self.conn, client_id or self.client_id):
            return self.conn.execute(query).fetchall()

    def lines(self, client_id: int | None = None) -> list[tuple[Any, ...]]:
        return self.rows("select order_id, id, amount from core.order_lines order by 1, 2", client_id)


@pytest.fixture
def shop(db: TestDatabase, tmp_path: Path) -> Shop:
    return Shop(db, tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("select 1", "the first line has to say what the file makes"),
        ("-- Table report.orders\nselect 1", "the first line has to say what the file makes"),
        ("-- Table core.lines\nselect 1", r"the file makes lines, so it has to be named lines\.sql"),
        ("-- Table core.orders\n-- Per: id\nselect 1", "a header 'Per' and a query of the touched units"),
        ("-- Table core.orders\nselect 1\n;\nselect 2", "a header 'Per' and a query of the touched units"),
        (
            "-- Table core.orders\n-- Per: client\nselect 1\n;\nselect 2",
            "a header 'Per' and a query of the touched units",
        ),
    ],
    ids=["no first line", "not of core", "another name", "no units", "units without Per", "units of a whole client"],
)
def test_a_file_of_another_form_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "orders.sql").write_text(text)
    with pytest.raises(ModelError, match=message) as refused:
        read_model(tmp_path / "orders.sql", "facts")
    assert str(tmp_path / "orders.sql") in str(refused.value)


def test_models_run_by_layer_and_behind_what_they_read(tmp_path: Path) -> None:
    for name, text in {
        "facts/a": "-- Table core.a\nselect 1 from core.b join c_changed using (id)",
        "facts/b": "-- Table core.b\nselect 1 from core.d, core.c",
        "facts/c": "-- Table core.c\n-- Text that says from core.a is no reading.\nselect 1 from core.c",
        "begin/z": "-- Temporary table z\nselect 1 from core.a",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.sql").write_text(text)
    assert [model.file for model in in_order(tmp_path, ["begin", "facts"])] == [
        "begin/z.sql",
        "facts/c.sql",
        "facts/b.sql",
        "facts/a.sql",
    ]
    (tmp_path / "facts" / "c.sql").write_text("-- Table core.c\nselect 1 from core.a")
    with pytest.raises(CycleError):
        in_order(tmp_path, ["begin", "facts"])


@pytest.mark.parametrize("stage", ["normalise", "dora"])
def test_files_of_a_stage_are_named_by_their_place(stage: Any) -> None:
    models = stage_models(stage)
    assert models
    for model in models:
        assert (sql_root() / "models" / model.file).is_file()


def test_a_table_gets_what_is_wanted_and_keeps_the_rest(shop: Shop) -> None:
    shop.model("facts/order_lines.sql", LINES)
    shop.records((1, 1, 10, True), (1, 2, 20, True))
    assert shop.run() == {"order_lines": 2}
    shop.records((1, 2, 25, True), (2, 1, 5, True))
    assert shop.run() == {"order_lines": 2}
    assert shop.lines() == [(1, 1, 10), (1, 2, 25), (2, 1, 5)]


def test_nothing_is_written_where_nothing_differs(shop: Shop) -> None:
    shop.model("facts/order_lines.sql", LINES_PER_ORDER.replace("-- Per", "-- Stamps: written_at\n-- Per"))
    shop.records((1, 1, 10, True), (1, 2, 20, True))
    shop.run()
    before = shop.rows("select xmin, ctid, written_at from core.order_lines order by 2")
    assert shop.run() == {}
    assert shop.run(full=True) == {}
    assert shop.rows("select xmin, ctid, written_at from core.order_lines order by 2") == before


def test_null_differs_from_a_value(shop: Shop) -> None:
    shop.model("facts/orders.sql", "-- Table core.orders\nselect 1 as id, nullif('ada', 'ada') as customer")
    assert shop.run() == {"orders": 1}
    assert shop.run() == {}
    shop.model("facts/orders.sql", "-- Table core.orders\nselect 1 as id, 'ada' as customer")
    assert shop.run() == {"orders": 1}
    assert shop.rows("select customer from core.orders") == [("ada",)]


def test_a_key_that_is_wanted_twice_is_an_error(shop: Shop) -> None:
    shop.model("facts/order_lines.sql", LINES)
    shop.records((1, 1, 10, True), (1, 1, 20, True))
    with pytest.raises(psycopg.errors.UniqueViolation):
        shop.run()


def test_a_query_without_the_key_appends(shop: Shop) -> None:
    shop.model("facts/order_log.sql", "-- Table core.order_log\nselect 'read ' || id as note from records")
    shop.records((1, 1, 10, True), (1, 2, 20, True))
    assert shop.run() == {"order_log": 2}
    shop.records((1, 2, 20, True))
    assert shop.run() == {"order_log": 1}
    assert shop.rows("select note from core.order_log order by id") == [("read 1",), ("read 2",), ("read 2",)]


def test_rows_are_deleted_in_touched_units_only(shop: Shop) -> None:
    shop.model("facts/order_lines.sql", LINES_PER_ORDER)
    shop.records((1, 1, 10, True), (1, 2, 20, True), (2, 1, 5, True), (3, 1, 7, True))
    shop.run()
    shop.records((1, 2, 20, True), (2, 2, 6, False), (3, None, 0, True))
    assert shop.run() == {"order_lines": 2}
    assert shop.lines() == [(1, 2, 20), (2, 1, 5)]


def test_without_touched_units_a_model_is_skipped(shop: Shop) -> None:
    shop.model("facts/order_lines.sql", LINES_PER_ORDER.replace("record.amount\n", "record.amount / 0\n"))
    shop.records((1, 1, 10, False))
    assert shop.run() == {}


def test_a_full_run_compares_all_rows(shop: Shop) -> None:
    shop.model("facts/order_lines.sql", LINES_PER_ORDER)
    shop.records((1, 1, 10, True), (2, 1, 5, True))
    shop.run()
    shop.records((2, 1, 6, False), (3, 1, 7, False))
    assert shop.run() == {}
    assert shop.run(full=True) == {"order_lines": 3}
    assert shop.lines() == [(2, 1, 6), (3, 1, 7)]


def test_the_unit_client_is_computed_whole(shop: Shop) -> None:
    shop.model("facts/order_lines.sql", LINES.replace("select", "-- Per: client\nselect", 1))
    shop.records((1, 1, 10, False), (2, 1, 5, False))
    shop.run()
    shop.records((2, 1, 5, False))
    assert shop.run() == {"order_lines": 1}
    assert shop.lines() == [(2, 1, 5)]


def test_columns_of_another_files_rows(shop: Shop) -> None:
    """Only existing rows are updated, and only the columns that the query gives."""
    shop.model("facts/order_lines.sql", LINES)
    shop.model(
        "facts/line_places.sql",
        "-- Columns of core.order_lines: place.\nselect order_id, id, amount * 2 as place from records"
        " union all select 9, 9, 9 where exists (select from order_lines_changed)",
    )
    shop.records((1, 1, 10, True), (1, 2, 20, True))
    assert shop.run() == {"order_lines": 2, "line_places": 2}
    assert shop.run() == {}
    assert shop.rows("select id, amount, place from core.order_lines order by id") == [(1, 10, 20), (2, 20, 40)]


def test_stamps_are_set_when_a_row_is_updated(shop: Shop) -> None:
    shop.model("facts/order_lines.sql", LINES.replace("-- Grain", "-- Stamps: written_at\n-- Grain"))
    shop.records((1, 1, 10, True), (1, 2, 20, True))
    shop.run()
    shop.records((1, 1, 11, True), (1, 2, 20, True))
    shop.run()
    assert shop.rows("select id, written_at is not null from core.order_lines order by id") == [(1, True), (2, False)]


def changed_lines(shop: Shop) -> list[tuple[Any, ...]]:
    """What a model that reads order_lines_changed saw in the last run: line and amount before, line and amount after."""
    return shop.rows("select customer from core.orders where customer <> '' order by 1")


WATCHER = """-- Table core.orders: what the last run changed in order_lines.
-- Per: client
select row_number() over () as id,
       concat_ws(' ', (c.before).id, (c.before).amount, '>', (c.after).id, (c.after).amount) as customer
from order_lines_changed c
"""


def test_changed_rows_are_kept_before_and_after(shop: Shop) -> None:
    shop.model("facts/order_lines.sql", LINES_PER_ORDER)
    shop.model("facts/orders.sql", WATCHER)
    shop.records((1, 1, 10, True), (1, 2, 20, True), (1, 3, 30, True))
    shop.run()
    assert changed_lines(shop) == [("> 1 10",), ("> 2 20",), ("> 3 30",)]
    shop.records((1, 2, 21, True), (1, 3, 30, True))
    shop.run()
    assert changed_lines(shop) == [("1 10 >",), ("2 20 > 2 21",)]
    shop.run()
    assert changed_lines(shop) == []


def test_a_run_that_does_not_remember_keeps_replaced_rows_where_the_model_asks(shop: Shop) -> None:
    shop.model("facts/order_lines.sql", LINES_PER_ORDER)
    shop.model("facts/orders.sql", WATCHER)
    shop.records((1, 1, 10, True))
    shop.run(remember=False)
    assert changed_lines(shop) == []
    shop.model("facts/order_lines.sql", LINES_PER_ORDER.replace("-- Per", "-- Keeps: replaced rows\n-- Per"))
    shop.records((1, 1, 11, True), (1, 2, 20, True))
    shop.run(remember=False)
    assert changed_lines(shop) == [("1 10 > 1 11",)]


def test_units_follow_what_another_model_wrote(shop: Shop) -> None:
    shop.model("facts/order_lines.sql", LINES_PER_ORDER)
    shop.model("facts/order_totals.sql", TOTALS)
    shop.records((1, 1, 10, True), (1, 2, 20, True), (2, 1, 5, True))
    assert shop.run()["order_totals"] == 2
    shop.records((1, 1, 10, True), (2, None, 0, True))
    assert shop.run()["order_totals"] == 2
    assert shop.rows("select order_id, total from core.order_totals") == [(1, 10)]
    assert "order_totals" not in shop.run()
    assert "order_totals" not in shop.run(full=True)


def test_a_model_sees_and_writes_one_client(shop: Shop) -> None:
    shop.model("facts/order_lines.sql", LINES.replace("select", "-- Per: client\nselect", 1))
    shop.records((1, 1, 10, True))
    shop.run()
    shop.records((1, 1, 11, True), (2, 1, 5, True))
    assert shop.run(client_id=shop.other_id) == {"order_lines": 2}
    assert shop.lines() == [(1, 1, 10)]
    assert shop.lines(shop.other_id) == [(1, 1, 11), (2, 1, 5)]
    assert shop.run(full=True) == {"order_lines": 2}
    assert shop.lines(shop.other_id) == [(1, 1, 11), (2, 1, 5)]


def test_many_runs_of_one_connection(shop: Shop) -> None:
    """psycopg prepares what it has sent five times; tables of the run go and come with other columns."""
    shop.model("facts/order_lines.sql", LINES)
    shop.model(
        "facts/orders.sql", "-- Table core.orders\nselect order_id as id, 'ada' as customer from records limit 1"
    )
    for amount in range(8):
        shop.records((1, 1, amount, True))
        shop.run()
    assert shop.lines() == [(1, 1, 7)]


def test_a_role_that_sees_every_client_is_refused(db: TestDatabase) -> None:
    client_id = db.add_client("acme")
    with (
        db.cluster.primary.connect(database=db.name) as superuser,
        pytest.raises(PermissionError, match="row-level security does not apply to this connection's role"),
    ):
        run_stage(superuser, client_id, "normalise")
