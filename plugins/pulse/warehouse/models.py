"""The engine behind include/sql/models: a file says which rows a table should have, the engine writes what differs.

include/sql/README.md describes the form of a model. The engine takes a table's key from the catalogue and its columns from
the query, and orders the files by layer and by what they read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, Literal, LiteralString

import psycopg
from psycopg import sql

Kind = Literal["table", "columns", "temporary", "statements"]

MANY = 200  # rows of a temporary table from which on an index pays
CLIENT = ("client",)  # the unit of a model that is computed whole in every run

_FIRST_LINE = re.compile(r"-- (?:(Table|Columns of) core\.(\w+)|(Temporary table) (\w+)|(Statements))\b")
_HEADER = re.compile(r"-- (Per|Index|Stamps|Keeps): (.+?)\.?$")
_KINDS: dict[str, Kind] = {"Table": "table", "Columns of": "columns", "Temporary table": "temporary"}
_READS = re.compile(r"(?:\b(?:from|join)\s+|,\s*)\(?(?:core\.)?([a-z]\w*)\b(?!\.)")


class ModelError(Exception):
    """A model file does not have the form that include/sql/README.md asks for."""


@dataclass(frozen=True)
class Model:
    """One file of include/sql/models.

    `layer` is its folder there. `target` is the table of core that it writes, `wanted` the query of the rows that should be
    there. `per` names the columns of a unit of computation, `touched` is the query of the units that an increment computes,
    `all_units` that of a full run. `stamps` are set to now() when a row is updated. `keeps_replaced`: replaced rows are
    remembered in every run.
    """

    name: str
    layer: str
    kind: Kind
    target: str
    wanted: str
    touched: str = ""
    per: tuple[str, ...] = ()
    all_units: str = ""
    indexes: tuple[str, ...] = ()
    stamps: tuple[str, ...] = ()
    keeps_replaced: bool = False

    @property
    def file(self) -> str:
        """Layer and file name, as reports and errors name the model."""
        return f"{self.layer}/{self.name}.sql"

    @property
    def changed(self) -> str:
        """The temporary table (before, after) of the rows that were written; each is a row of the target, or null."""
        return f"{self.name}_changed"

    @property
    def makes(self) -> tuple[str, ...]:
        """The names by which other models read this one."""
        if self.kind in ("temporary", "statements"):
            return (self.name,)
        return (self.target, self.changed) if self.kind == "table" else (self.name, self.changed)

    def reads(self) -> set[str]:
        """Every name that the file reads rows from, those of its own CTEs included."""
        return set(_READS.findall(re.sub(r"--[^\n]*", "", f"{self.touched}\n{self.wanted}")))


def read_model(path: Path, layer: str) -> Model:
    """The model in a file of a layer. Raises ModelError that says what is wrong with its form."""
    text = path.read_text(encoding="utf-8")
    first = _FIRST_LINE.match(text)
    if first is None:
        raise ModelError(f"{path}: the first line has to say what the file makes; see include/sql/README.md")
    what, name = first[1] or first[3] or first[5], first[2] or first[4]
    kind = _KINDS.get(what, "statements")
    if kind in ("table", "temporary") and name != path.stem:
        raise ModelError(f"{path}: the file makes {name}, so it has to be named {name}.sql")
    if kind == "statements":
        return Model(path.stem, layer, kind, path.stem, text)
    header: dict[str, str] = {m[1]: m[2] for line in text.splitlines() if (m := _HEADER.match(line))}
    per, _, all_units = header.get("Per", "").partition(" of ")
    *touched, wanted = re.split(r"^;$", text, flags=re.MULTILINE)
    if len(touched) != int(per not in ("", *CLIENT)):
        raise ModelError(f"{path}: a header 'Per' and a query of the touched units, closed by a line ';', go together")
    return Model(
        name=path.stem,
        layer=layer,
        kind=kind,
        target=name,
        wanted=wanted.strip(),
        touched=touched[0].strip() if touched else "",
        per=_split(per),
        all_units=all_units,
        indexes=tuple(re.findall(r"\([^)]*\)", header.get("Index", ""))),
        stamps=_split(header.get("Stamps", "")),
        keeps_replaced="Keeps" in header,
    )


def in_order(root: Path, layers: Sequence[str], more: Sequence[Path] = ()) -> list[Model]:
    """The models of these folders of `root` (and of `more`): layer by layer, within a layer each behind those that it reads.

    What a model reads of a later layer is as the last run left it. Raises graphlib.CycleError.
    """
    ordered: list[Model] = []
    for layer in layers:
        models = [read_model(path, layer) for path in _files((root, *more), layer)]
        makers = {name: model for model in models for name in model.makes}
        graph = {model: {makers[name] for name in sorted(model.reads() & makers.keys())} - {model} for model in models}
        ordered += TopologicalSorter(graph).static_order()
    return ordered


def _files(roots: Iterable[Path], layer: str) -> list[Path]:
    return [path for root in roots for path in sorted((root / layer).glob("*.sql"))]


@dataclass
class Writer:
    """Writes models one after the other, in the transaction of a client.

    `full`: every unit is computed, whatever was touched. `remember`: the rows that are written are kept, before and after,
    for the models that read them. Both may be set while the stage runs.
    """

    conn: psycopg.Connection[Any]
    models: Sequence[Model]
    full: bool = False
    remember: bool = True
    _keys: dict[str, list[str]] = field(default_factory=dict)
    _read: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._keys = dict(self.conn.execute(_KEYS).fetchall())
        self._read = {name for model in self.models for name in model.reads()}
        self._run("create temporary table written (model text, rows bigint) on commit drop")

    def write(self, model: Model) -> int:
        """Make a model true; how many rows of its table were inserted, updated or deleted. Raises psycopg.Error."""
        if model.kind == "statements":
            self.conn.execute(model.wanted.encode())
            return 0
        if model.kind == "temporary":
            self._create(model.name, model.wanted, model.indexes)
            return 0
        if model.changed in self._read:
            self._run(
                "create temporary table if not exists {changed} (before {table}, after {table}) on commit drop;"
                " analyze {changed}",
                changed=sql.Identifier(model.changed),
                table=_table(model),
            )
        rows = self._write_table(model)
        if rows:
            self.conn.execute("insert into written values (%s, %s)", [model.name, rows])
        if rows and model.changed in self._read:
            self._run("analyze {}", sql.Identifier(model.changed))
        return rows

    def _write_table(self, model: Model) -> int:
        units = model.all_units if self.full else model.touched
        if units:
            touched = self._create("touched", units, [f"({', '.join(model.per)})"])
            if not self.full and not touched:
                self._run("drop table touched")
                return 0
        wanted = self._create("wanted", model.wanted, [], analyzed=False)
        rows = self._write_wanted(model, wanted) if wanted or model.per else 0
        self._run("drop table {}wanted", sql.SQL("touched, " if units else ""))
        return rows

    def _create(self, name: str, query: str, indexes: Iterable[str], *, analyzed: bool = True) -> int:
        """A temporary table of the query's rows, with statistics, and indexes where they pay; how many rows it has."""
        rows = self.conn.execute(f"create temporary table {name} on commit drop as\n{query}".encode()).rowcount
        statements = [f"create index on {name} {columns}" for columns in indexes if rows >= MANY]
        statements += [f"analyze {name}"] if analyzed else []
        if statements:
            self.conn.execute("; ".join(statements).encode())
        return rows

    def _columns(self, table: str) -> list[str]:
        # Not prepared: the table of this name has other columns the next time.
        cursor = self._run("select * from {} limit 0", sql.Identifier(table), prepare=False)
        return [column.name for column in cursor.description or ()]

    def _write_wanted(self, model: Model, wanted: int) -> int:
        key, columns = self._keys[model.target], self._columns("wanted")
        if not set(key) <= set(columns):
            return self._append(model, columns)
        if wanted:
            self._run("analyze wanted ({})", _list(key))
        if wanted >= MANY:
            self._run("create unique index on wanted ({})", _list(key))
        return (self._delete(model, key) if model.per else 0) + (self._merge(model, key, columns) if wanted else 0)

    def _append(self, model: Model, columns: list[str]) -> int:
        return self._run(
            "insert into {} (client_id, {names}) select (select core.etl_client_id()), {names} from wanted",
            _table(model),
            names=_list(columns),
        ).rowcount

    def _delete(self, model: Model, key: list[str]) -> int:
        """Delete the rows of the computed units that are not wanted."""
        touched = sql.SQL(" and ({}) in (select {} from touched)").format(_list(model.per, "t"), _list(model.per))
        return self._remembered(
            model,
            sql.SQL(
                "delete from {} t where t.client_id = (select core.etl_client_id()){}"
                " and not exists (select from wanted w where ({}) = ({}))"
            ).format(
                _table(model),
                sql.SQL("") if self.full or model.per == CLIENT else touched,
                _list(key, "w"),
                _list(key, "t"),
            ),
        )

    def _merge(self, model: Model, key: list[str], columns: list[str]) -> int:
        """Insert the wanted rows that are missing, update those in which a column differs."""
        names = [name for name in columns if name != "client_id"]
        rest = [name for name in names if name not in key]
        sets = [sql.SQL("{0} = s.{0}").format(sql.Identifier(name)) for name in rest]
        sets += [sql.SQL("{} = now()").format(sql.Identifier(name)) for name in model.stamps]
        update = sql.SQL(" when matched and row({}) is distinct from row({}) then update set {}").format(
            _list(rest, "t"), _list(rest, "s"), sql.SQL(", ").join(sets)
        )
        insert = sql.SQL(
            " when not matched then insert (client_id, {}) values ((select core.etl_client_id()), {})"
        ).format(_list(names), _list(names, "s"))
        return self._remembered(
            model,
            sql.SQL(
                "merge into {} t using wanted s on t.client_id = (select core.etl_client_id()) and ({}) = ({}){}{}"
            ).format(
                _table(model),
                _list(key, "t"),
                _list(key, "s"),
                update if rest else sql.SQL(""),
                insert if model.kind == "table" else sql.SQL(""),
            ),
        )

    def _remembered(self, model: Model, statement: sql.Composed) -> int:
        """Write the table; keep the rows before and after where a model reads them. How many rows were written."""
        if model.changed not in self._read or not (self.remember or model.keeps_replaced):
            return self.conn.execute(statement).rowcount
        row = self._run(
            "with done as ({} returning old as before, new as after), kept as (insert into {} select * from done{})"
            " select count(*) from done",
            statement,
            sql.Identifier(model.changed),
            sql.SQL("" if self.remember else " where not (before is null)"),
        ).fetchone()
        return int(row[0]) if row else 0

    def _run(
        self, text: LiteralString, *parts: sql.Composable, prepare: bool | None = None, **named: sql.Composable
    ) -> psycopg.Cursor[Any]:
        return self.conn.execute(sql.SQL(text).format(*parts, **named), prepare=prepare)


_KEYS = """
    select t.relname::text, array_agg(a.attname::text order by k.place)
    from pg_index x
    join pg_class t on t.oid = x.indrelid and t.relnamespace = 'core'::regnamespace
    cross join unnest(x.indkey::int2[]) with ordinality k (attnum, place)
    join pg_attribute a on (a.attrelid, a.attnum) = (x.indrelid, k.attnum)
    where x.indisprimary and a.attname <> 'client_id'
    group by t.relname
"""


def _split(names: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in names.split(",")) if names else ()


def _table(model: Model) -> sql.Identifier:
    return sql.Identifier("core", model.target)


def _list(names: Iterable[str], alias: str = "") -> sql.Composed:
    """Column names behind an alias, joined by commas."""
    return sql.SQL(", ").join(sql.Identifier(alias, name) if alias else sql.Identifier(name) for name in names)
