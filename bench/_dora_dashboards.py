"""The queries of the dashboards, run as a client's login on the replica, for `./pulse bench dora`."""

from __future__ import annotations

import json
import math
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from pulse.superset.assets import ViewColumn, build_bundle, load
from pulse.superset.provision import FOR_STAFF
from pulse.tenancy import client_role
from tests.support.database import Connection, TestDatabase

ASSETS = Path(__file__).resolve().parents[1] / "superset" / "assets"
REPEATS, SLOW_MS, TIMED_OUT_MS = 20, 100.0, 30_000.0
# The form in which Superset writes the bounds of a time range.
DAYS = (
    "{0} >= to_timestamp((current_date + {1})::text, 'YYYY-MM-DD')"
    " and {0} < to_timestamp((current_date + {2})::text, 'YYYY-MM-DD')"
)
OPERATORS = {"==": "=", "!=": "<>", "<": "<", ">": ">", "<=": "<=", ">=": ">=", "LIKE": "like", "ILIKE": "ilike"}


@dataclass
class Query:
    """One query of a dashboard, or for the rows of a view."""

    name: str
    view: str
    statement: sql.Composed
    milliseconds: list[float] = field(default_factory=list)
    problem: str = ""

    @property
    def median(self) -> float:
        return round(statistics.median(self.milliseconds), 2)

    @property
    def p95(self) -> float:
        """Nearest rank."""
        ordered = sorted(self.milliseconds)
        return round(ordered[math.ceil(len(ordered) * 0.95) - 1], 1)


def raw(text: str) -> sql.SQL:
    """An expression from an asset."""
    return sql.SQL(text)


class Dataset:
    """A dataset of Superset: a view, computed columns, metrics."""

    def __init__(self, found: dict[str, Any]) -> None:
        self.view: str = found["table_name"]
        self.source = raw(f"({found['sql']}) q") if found.get("sql") else sql.SQL("report.") + sql.Identifier(self.view)
        self.columns = {c["column_name"]: c["expression"] for c in found["columns"] if c.get("expression")}
        self.metrics = {m["metric_name"]: m["expression"] for m in found.get("metrics") or []}

    def column(self, given: Any) -> sql.Composable:
        if isinstance(given, dict):
            expression = given["sqlExpression"]
            return self.column(expression) if expression.isidentifier() else sql.SQL("({})").format(raw(expression))
        return sql.SQL("({})").format(raw(self.columns[given])) if given in self.columns else sql.Identifier(given)

    def metric(self, given: Any) -> sql.Composable:
        if isinstance(given, str):
            return raw(self.metrics[given])
        if given.get("expressionType") == "SQL":
            return raw(given["sqlExpression"])
        call = {"COUNT_DISTINCT": "count(distinct {})"}.get(given["aggregate"], given["aggregate"].lower() + "({})")
        return raw(call).format(self.column(given["column"]["column_name"]))

    def condition(self, given: dict[str, Any]) -> sql.Composable | None:
        column, operator, value = self.column(given["col"]), given["op"].upper(), given.get("val")
        if operator == "TEMPORAL_RANGE":
            return None
        if operator in ("IS NULL", "IS NOT NULL"):
            return column + sql.SQL(" is null" if operator == "IS NULL" else " is not null")
        if operator in ("IN", "NOT IN"):
            values = sql.SQL(", ").join([sql.Literal(v) for v in value or ()])
            return sql.SQL("{} in ({})" if operator == "IN" else "{} not in ({})").format(column, values)
        return sql.SQL("{} {} {}").format(column, raw(OPERATORS[operator]), sql.Literal(value))

    def select(self, query: dict[str, Any]) -> sql.Composed:
        """The SQL that Superset makes of a chart's query, for the last 90 days if it has a time column."""
        columns = [self.column(c) for c in query.get("columns") or []]
        metrics = [self.metric(m) for m in query.get("metrics") or []]
        where = [c for c in map(self.condition, query.get("filters") or []) if c is not None]
        if query.get("granularity"):
            time_column = self.column(query["granularity"])
            where.append(sql.SQL(DAYS).format(time_column, sql.Literal(-90), sql.Literal(1)))
        text = sql.SQL("select {} from {}").format(sql.SQL(", ").join(columns + metrics), self.source)
        if where:
            text += sql.SQL(" where ") + sql.SQL(" and ").join(where)
        if metrics and columns:
            text += sql.SQL(" group by ") + sql.SQL(", ").join(columns)
        order = [self._order(column, ascending) for column, ascending in query.get("orderby") or []]
        if order or metrics:
            text += sql.SQL(" order by ") + sql.SQL(", ").join(order or [metrics[0] + sql.SQL(" desc")])
        return text + raw(f" limit {int(query.get('row_limit') or 10000)}")

    def _order(self, given: Any, ascending: bool) -> sql.Composable:
        known = "aggregate" in given if isinstance(given, dict) else given in self.metrics
        return (self.metric(given) if known else self.column(given)) + sql.SQL(" asc" if ascending else " desc")


def bundle_of(conn: Connection) -> dict[str, Any]:
    """The assets in Superset's form, by path, as they are imported; those for staff, whose views a client may not read, too."""
    views: dict[str, list[ViewColumn]] = {}
    for view, column, kind in conn.execute(
        "select c.relname, a.attname, format_type(a.atttypid, null) from pg_class c join pg_attribute a on a.attrelid = c.oid"
        " where c.relnamespace = 'report'::regnamespace and a.attnum > 0 and not a.attisdropped order by c.relname, a.attnum"
    ).fetchall():
        views.setdefault(view, []).append(ViewColumn(column, kind.upper(), None))
    return build_bundle(load(ASSETS), views).configs


def dashboard_queries(configs: dict[str, Any]) -> list[Query]:
    """One query per query of a chart, and one per filter that offers values."""
    kinds = {
        kind: {Path(path).stem: config for path, config in sorted(configs.items()) if path.startswith(f"{kind}/")}
        for kind in ("datasets", "charts", "dashboards")
    }
    datasets = {found["uuid"]: Dataset(found) for found in kinds["datasets"].values()}
    queries = []
    for name, chart in kinds["charts"].items():
        dataset = datasets[chart["dataset_uuid"]]
        context = chart.get("query_context") or {}
        for query in (json.loads(context) if isinstance(context, str) else context).get("queries") or []:
            queries.append(Query(f"chart {name}", dataset.view, dataset.select(query)))
    for name, board in kinds["dashboards"].items():
        for wanted in (board.get("metadata") or {}).get("native_filter_configuration") or []:
            if wanted.get("filterType") == "filter_select":
                queries.append(_filter_query(f"filter {name}/{wanted['name']}", wanted, datasets))
    return queries


def _filter_query(name: str, wanted: dict[str, Any], datasets: dict[str, Dataset]) -> Query:
    target = wanted["targets"][0]
    dataset = datasets[target["datasetUuid"]]
    column = target["column"]["name"]
    filters = [
        {"col": f["subject"], "op": f["operator"], "val": f.get("comparator")}
        for f in wanted.get("adhoc_filters") or []
    ]
    inner = dataset.select({"columns": [column], "filters": filters, "row_limit": 1_000_000_000})
    grouped = sql.SQL("select v from ({}) f (v) group by v order by v limit 1000").format(inner)
    return Query(name, dataset.view, grouped)


def row_queries(conn: Connection, configs: dict[str, Any]) -> list[Query]:
    """The newest 1,000 rows of every view of schema report, by the time column of its dataset."""
    found = [config for path, config in configs.items() if path.startswith("datasets/")]
    times = {config["table_name"]: config.get("main_dttm_col") for config in found}
    queries = []
    for (view,) in conn.execute(
        "select relname from pg_class where relnamespace = 'report'::regnamespace and relkind in ('v', 'm') order by 1"
    ).fetchall():
        text = sql.SQL("select * from report.{}").format(sql.Identifier(view))
        if times.get(view):
            text += sql.SQL(" where {0} is not null order by {0} desc").format(sql.Identifier(times[view]))
        queries.append(Query(f"rows of {view}", view, text + sql.SQL(" limit 1000")))
    return queries


def measure(db: TestDatabase, clients: list[int]) -> list[Query]:
    """Run every query 20 times, as each of these clients in turn, and fetch all rows."""
    connections = [db.connect(client_role(c), replica=True, autocommit=True) for c in clients]
    configs = bundle_of(connections[0])
    found = dashboard_queries(configs) + row_queries(connections[0], configs)
    queries = [query for query in found if not query.view.startswith(FOR_STAFF)]
    for query in queries:
        for n in range(REPEATS):
            if query.problem:
                break
            _run(connections[n % len(connections)], query)
    return queries


def _run(conn: Connection, query: Query) -> None:
    started = time.monotonic()
    try:
        conn.execute(query.statement)  # all rows have arrived, only not yet turned into Python objects
        query.milliseconds.append((time.monotonic() - started) * 1000)
    except psycopg.errors.QueryCanceled:
        query.milliseconds.append(TIMED_OUT_MS)
        query.problem = "cancelled after 30 s"
    except psycopg.Error as error:
        query.problem = str(error).splitlines()[0]


def by_view(queries: list[Query]) -> dict[str, Query]:
    """The slowest query of each view, among those that ran."""
    worst: dict[str, Query] = {}
    for query in queries:
        if query.milliseconds and (query.view not in worst or query.p95 > worst[query.view].p95):
            worst[query.view] = query
    return worst


def plan(db: TestDatabase, client_id: int, query: Query) -> str:
    """PostgreSQL's plan of the query, run as the client's login."""
    conn = db.connect(client_role(client_id), replica=True, autocommit=True)
    try:
        explained = conn.execute(sql.SQL("explain (analyze, buffers, costs off) ") + query.statement).fetchall()
    except psycopg.Error as error:
        return str(error)
    return "\n".join(line for (line,) in explained)
