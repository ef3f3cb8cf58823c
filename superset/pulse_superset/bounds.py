"""What a client's user may ask of a chart: columns and saved metrics, never SQL, and no more than our charts need.

Superset's chart API takes any number of queries with pandas operations of any size behind them. The bounds are on that
request, before anything is computed: what is not named here is refused. A new kind of chart may need a new line here;
tests/superset/test_bounds.py asks for every query of our own charts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

MAX_BODY_BYTES = 128 * 1024
MAX_QUERIES = 2
MAX_ROWS = 10_000
MAX_CELLS = 50_000
DEFAULT_ROWS = 1000
MAX_ROWS_TO_PIVOT = 2000
MAX_OFFSET = 100_000
MAX_SERIES = 100
MAX_VALUES = 500
MAX_TEXT = 500
MOST = {"columns": 80, "metrics": 20, "filter": 30, "orderby": 10, "series_columns": 5, "annotation_layers": 4}
RESULT_TYPES = frozenset({"full", "results", "columns", "timegrains"})
EXTRAS = frozenset({"where", "having", "time_grain_sqla"})
# The operations that the time series charts send, and their options.
OPERATIONS = {
    "pivot": frozenset({"index", "columns", "aggregates", "drop_missing_columns"}),
    "rename": frozenset({"columns", "level", "inplace"}),
    "flatten": frozenset({"reset_index"}),
}
AGGREGATES = frozenset({"mean", "sum"})


class TooMuch(ValueError):
    """A request that is more than our charts need, or of another kind. The text may be shown."""


def check(context: Any) -> None:
    """Check a client's query context, and give queries without a limit of rows one. Raises TooMuch."""
    if _plain(context.result_type) not in RESULT_TYPES:
        raise TooMuch("This kind of result is not available.")
    if len(context.queries) > MAX_QUERIES:
        raise TooMuch(f"At most {MAX_QUERIES} queries may be in one request.")
    names = {column.column_name for column in getattr(context.datasource, "columns", ())}
    for query in context.queries:
        if query.result_type is not None and _plain(query.result_type) not in RESULT_TYPES:
            raise TooMuch("This kind of result is not available.")
        if any(text not in names for text in _sql_in(vars(query))):
            raise TooMuch("Only the columns and metrics of a dataset may be asked for, not SQL.")
        _check_size(query)
        _check_operations(query)


def _check_size(query: Any) -> None:
    for part, most in MOST.items():
        if len(getattr(query, part, None) or ()) > most:
            raise TooMuch(f"At most {most} entries may be in {part}.")
    if not set(query.extras or {}) <= EXTRAS:
        raise TooMuch("One of the extras is not available.")
    if query.time_offsets or query.time_shift:
        raise TooMuch("Comparisons with another time are not available.")
    if any(_kind(layer) != "FORMULA" for layer in query.annotation_layers or ()):
        raise TooMuch("Only formulas may be drawn over a chart.")
    # Changed here, because Superset takes no limit for its own maximum.
    query.row_limit = query.row_limit or DEFAULT_ROWS
    if not 0 < query.row_limit <= MAX_ROWS:
        raise TooMuch(f"At most {MAX_ROWS} rows may be asked for at once.")
    wide = max(1, len(query.columns or ()) + len(query.metrics or ()))
    if query.row_limit * wide > MAX_CELLS:
        raise TooMuch(f"At most {MAX_CELLS // wide} rows of {wide} columns may be asked for at once.")
    if not 0 <= (query.row_offset or 0) <= MAX_OFFSET:
        raise TooMuch(f"row_offset may be at most {MAX_OFFSET}.")
    if not 0 <= (query.series_limit or 0) <= MAX_SERIES:
        raise TooMuch(f"At most {MAX_SERIES} series may be asked for.")
    for text in _texts(query.filter):
        if len(text) > MAX_TEXT:
            raise TooMuch(f"A value of a filter may have at most {MAX_TEXT} characters.")


def _check_operations(query: Any) -> None:
    operations = [operation for operation in query.post_processing or () if operation]
    if len(operations) > len(OPERATIONS):
        raise TooMuch(f"At most {len(OPERATIONS)} operations may follow a query.")
    for operation in operations:
        name, options = str(operation.get("operation")), operation.get("options") or {}
        if name not in OPERATIONS or not set(options) <= OPERATIONS[name]:
            raise TooMuch("This operation, or one of its options, is not available.")
        if name == "pivot":
            _check_pivot(query, options)


def _check_pivot(query: Any, options: dict[str, Any]) -> None:
    if query.row_limit > MAX_ROWS_TO_PIVOT:
        raise TooMuch(f"At most {MAX_ROWS_TO_PIVOT} rows may be turned into series.")
    aggregates = options.get("aggregates") or {}
    if len(options.get("index") or ()) != 1 or not isinstance(aggregates, dict) or len(aggregates) > MOST["metrics"]:
        raise TooMuch("This pivot is not available.")
    if len(options.get("columns") or ()) > MOST["series_columns"]:
        raise TooMuch("This pivot is not available.")
    for aggregate in aggregates.values():
        if not isinstance(aggregate, dict) or set(aggregate) != {"operator"} or aggregate["operator"] not in AGGREGATES:
            raise TooMuch("This pivot is not available.")


def _texts(filters: Any) -> Iterator[str]:
    """The values of all filters. Raises TooMuch when one has too many."""
    for entry in filters or ():
        value = entry.get("val")
        values = value if isinstance(value, list | tuple) else [value]
        if len(values) > MAX_VALUES:
            raise TooMuch(f"A filter may have at most {MAX_VALUES} values.")
        yield from (str(each) for each in values)


def _kind(layer: Any) -> str:
    return str(layer.get("annotationType")) if isinstance(layer, dict) else ""


def _plain(value: Any) -> str:
    """An enumeration's value, as text."""
    return str(getattr(value, "value", value))


def _sql_in(value: Any, key: str = "") -> Iterator[str]:
    """SQL text anywhere in a query: ad-hoc expressions, and free `where` and `having` clauses.

    The axis of a time series arrives as an expression that is only a column's name; the caller lets those pass.
    """
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _sql_in(inner, str(name))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _sql_in(inner, key)
    elif key in ("sqlExpression", "where", "having") and value:
        yield str(value)
