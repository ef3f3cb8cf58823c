"""Whatever one stored record holds, the others are typed, computed and shown, and it is not lost."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import pytest
from psycopg import sql

from pulse import environ
from pulse.tenancy import client_role
from pulse.warehouse.connect import client_transaction
from tests.conftest import SandboxServer
from tests.support.database import TestDatabase
from tests.support.extraction import Pipeline

MISSING = object()
ODD: list[Any] = [
    *(MISSING, None, "", "x", "3.0", -1, 0, 3.5, 2**31 - 1, 2**31, 10**30, True),
    *([], {}, [None], {"nodes": None}, [{"id": 1}], "***"),
    *(
        "2026-13-45",
        "2026-W05",
        "infinity",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        1767225600,
        "1767225600000",
    ),
    *("长" * 3000, "OPS-" + "9" * 3000, "https://x.example/" + "长" * 1000, "Reverts #4211934690", "{}", "a\tb\u2028c"),
]
Path = tuple[str | int, ...]


def paths(value: Any, here: Path = ()) -> list[Path]:
    """Where a payload has something to change: every field and item, at every depth."""
    found = [here] if here else []
    if isinstance(value, dict):
        return found + [path for key, item in value.items() for path in paths(item, (*here, key))]
    if isinstance(value, list):
        return found + [path for index, item in enumerate(value) for path in paths(item, (*here, index))]
    return found


def changed(payload: Any, path: Path, value: Any) -> Any:
    """A copy of a payload with another value at the path."""
    result = copy.deepcopy(payload)
    place = result
    for step in path[:-1]:
        place = place[step]
    if value is MISSING:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return result


class Stored:
    """The raw records of a client."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.conn = pipeline.db.connect("pulse_etl")
        names = "select relname from pg_class where relnamespace = 'raw'::regnamespace and relkind = 'r' order by 1"
        with pipeline.db.connect("pulse_owner") as owner:
            self.tables = [name for (name,) in owner.execute(names) if name != "rejects"]

    def counts(self) -> dict[str, int]:
        """Records by table, those that were set aside included."""
        with client_transaction(self.conn, self.pipeline.client_id):
            return {table: self._count(table) for table in self.tables}

    def _count(self, table: str) -> int:
        query = sql.SQL(
            "select (select count(*) from raw.{}) + (select count(*) from raw.rejects where entity = %s and is_stored_form)"
        ).format(sql.Identifier(table))
        row = self.conn.execute(query, [table]).fetchone()
        assert row is not None
        return int(row[0])

    def mutate(self, chance: random.Random, share: float) -> int:
        """Change one field of about this share of the records; returns how many."""
        done = 0
        with client_transaction(self.conn, self.pipeline.client_id):
            for table in self.tables:
                name = sql.Identifier(table)
                records = self.conn.execute(
                    sql.SQL("select integration_id, record_id, payload from raw.{} order by 1, 2").format(name)
                ).fetchall()
                for integration, record, payload in records:
                    if chance.random() < share:
                        odd = changed(payload, chance.choice(paths(payload)), chance.choice(ODD))
                        self.conn.execute(
                            sql.SQL(
                                "update raw.{} set payload = %s, loaded_xid = pg_current_xact_id()"
                                " where (integration_id, record_id) = (%s, %s)"
                            ).format(name),
                            [json.dumps(odd), integration, record],
                        )
                        done += 1
        return done

    def reasons(self) -> list[str]:
        """Why records were set aside."""
        with client_transaction(self.conn, self.pipeline.client_id):
            return [why for (why,) in self.conn.execute("select reason from raw.rejects where is_stored_form")]


@pytest.mark.parametrize("seed", range(max(1, environ.EXAMPLES.get() // 10)))
def test_no_field_of_a_stored_record_stops_anything(db: TestDatabase, sandbox: SandboxServer, seed: int) -> None:
    """Nothing was typed before in even seeds; everything was in odd ones."""
    pipeline = Pipeline.of(db, sandbox.url, "acme")
    pipeline.extract()
    stored = Stored(pipeline)
    before = stored.counts()
    if seed % 2:
        pipeline.transform()
    assert stored.mutate(random.Random(seed), 0.15) > 200
    pipeline.transform()
    assert stored.counts() == before
    assert all(reason.startswith("staging/") and ".sql: " in reason for reason in stored.reasons())
    assert pipeline.rows("select count(*) > 0 from core.changes") == [(True,)]
    db.wait_replica()
    reader = db.connect(client_role(pipeline.client_id), replica=True, autocommit=True)
    views = "select relname from pg_class where relnamespace = 'report'::regnamespace and relkind = 'v'"
    views += " and has_table_privilege(oid, 'select')"
    for (view,) in reader.execute(views).fetchall():
        reader.execute(sql.SQL("select * from report.{}").format(sql.Identifier(view))).fetchall()
