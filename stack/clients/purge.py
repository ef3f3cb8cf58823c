"""Removes a client from the clients' database, from Airflow's and Superset's own, and from the files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from pulse.clients.spec import VARIABLE_PREFIX
from pulse.orchestration.dag import dag_id, published_uri
from pulse.tenancy import client_role, superset_role
from stack.clients.traces import Found, Marks, files, holds

Connection = psycopg.Connection[Any]
PASSES = 12  # a table that another one refers to goes after it

WITH_COLUMN = """
    select case n.nspname when 'public' then '' else n.nspname || '.' end || quote_ident(c.relname) from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    join pg_attribute a on a.attrelid = c.oid and a.attname = %s and not a.attisdropped
    where c.relkind in ('r', 'p') and not c.relispartition and n.nspname !~ '^pg_'
    order by 1
"""
# Columns of Airflow's tables that name a DAG.
_DAG_COLUMNS = ("dag_id", "source_dag_id", "target_dag_id", "last_updated_by_dag_id")
# Rows of Airflow's that are about a client without being of its DAG: table and the text to look in.
ABOUT = {
    "xcom": "value::text",
    "rendered_task_instance_fields": "rendered_fields::text",
    "log": "concat_ws(' ', extra, dag_id)",
    "dag_run_note": "content",
    "task_instance_note": "content",
    "import_error": "concat_ws(' ', filename, stacktrace)",
    "callback": "data::text",
    "connection_test_request": "connection_id",
}
# Superset's tables of what a person did or keeps. In all others the person's name is taken off.
_PERSONAL = (
    *("key_value", "favstar", "user_attribute", "query", "saved_query", "tab_state", "table_schema", "ab_user_role"),
    *("ab_user_group", "ab_api_key", "user_favorite_tag", "tasks", "task_subscribers", "dashboard_user", "slice_user"),
    *("sqlatable_user", "database_user_oauth2_tokens", "report_schedule_user"),
)
_USERS_OF = """
    select c.conrelid::regclass::text, a.attname from pg_constraint c
    join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1]
    where c.contype = 'f' and c.confrelid = 'ab_user'::regclass
"""


def purge_tables(clients: Connection, slug: str, client_id: int, found: Found) -> None:
    """Delete every row of the client, and its login. `clients`: the clients' database as superuser."""
    role = client_role(client_id)
    with clients.transaction():
        # Triggers would queue the deleted rows for another computation, and the order of the tables would matter.
        clients.execute("set local session_replication_role = replica")
        for (table,) in clients.execute(WITH_COLUMN, ["client_id"]).fetchall():
            _delete(clients, "pulse", table, sql.SQL("client_id = %s"), [client_id], found)
        _delete(clients, "pulse", "core.clients", sql.SQL("id = %s"), [client_id], found)
        clients.execute("delete from core.declaration_faults where slug = %s", [slug])
        clients.execute("delete from core.sync_state where slug = %s", [slug])
        if clients.execute("select 1 from pg_roles where rolname = %s", [role]).fetchone():
            clients.execute(sql.SQL("drop role {}").format(sql.Identifier(role)))
            found.add("pulse: database login", 1)
    # The audit keeps that it happened, and nothing of whom.
    clients.execute("select audit.add('client purged', null, %s)", [f"client {client_id}"])
    # So that the deleted rows are not only invisible.
    for (table,) in clients.execute(WITH_COLUMN, ["client_id"]).fetchall():
        clients.execute(sql.SQL("vacuum {}").format(sql.SQL(table)))


def purge_airflow(airflow: Connection, slugs: list[str], marks: Marks, connections: list[str], found: Found) -> None:
    """Delete the client's Variable, Connections, DAG with its runs, and what other DAGs' runs say of it.

    `slugs`: its slug, and those that it had before.
    """
    with airflow.transaction():
        keys = [f"{VARIABLE_PREFIX}{slug}" for slug in slugs]
        _delete(airflow, "airflow", "variable", sql.SQL("key = any (%s)"), [keys], found)
        _delete(airflow, "airflow", "connection", sql.SQL("conn_id = any (%s)"), [connections], found)
        for slug in slugs:
            purge_dag(airflow, dag_id(slug), found)
        published = [published_uri(slug) for slug in slugs]
        _delete(airflow, "airflow", "asset", sql.SQL("uri = any (%s)"), [published], found)
        whole = Marks((*marks.words, *slugs)).pattern
        for table, text in ABOUT.items():
            _delete(airflow, "airflow", table, sql.SQL(f"{text} ~ %s"), [whole], found)
        for table in ("task_instance", "task_instance_history"):
            changed = airflow.execute(
                sql.SQL("update {} set rendered_map_index = null where rendered_map_index ~ %s").format(sql.SQL(table)),
                [whole],
            ).rowcount
            found.add(f"airflow: {table} (label)", changed)
        _delete_runs(airflow, whole, found)


def purge_dag(airflow: Connection, name: str, found: Found) -> None:
    """Delete a DAG and everything that refers to it."""
    todo = [
        (table, column) for column in _DAG_COLUMNS for (table,) in airflow.execute(WITH_COLUMN, [column]).fetchall()
    ]
    _until_done(airflow, "airflow", [(table, column, [name]) for table, column in todo], found)


def _delete_runs(airflow: Connection, pattern: str, found: Found) -> None:
    """Runs of other DAGs that were started for the client."""
    rows = airflow.execute("select dag_id, run_id from dag_run where conf::text ~ %s", [pattern]).fetchall()
    for dag, run in rows:
        found.add("airflow: dag_run", 1)
        airflow.execute("delete from task_instance where dag_id = %s and run_id = %s", [dag, run])
        airflow.execute("delete from dag_run where dag_id = %s and run_id = %s", [dag, run])


def remove_people(superset: Connection, people: list[int], found: Found) -> None:
    """Delete accounts, with what they kept; what others may still need loses its author."""
    references = superset.execute(_USERS_OF).fetchall()
    for table, column in references:
        if table not in _PERSONAL:
            superset.execute(
                sql.SQL("update {} set {} = null where {} = any (%s)").format(
                    sql.SQL(table), sql.Identifier(column), sql.Identifier(column)
                )
                if table != "logs"
                else sql.SQL("delete from logs where {} = any (%s)").format(sql.Identifier(column)),
                [people],
            )
    _delete(superset, "superset", "logs", sql.SQL("user_id = any (%s)"), [people], found)
    personal = [(table, column, people) for table, column in references if table in _PERSONAL]
    _until_done(superset, "superset", personal, found)
    _delete(superset, "superset", "ab_user", sql.SQL("id = any (%s)"), [people], found)


def accounts_of(superset: Connection, emails: list[str], role: str) -> list[int]:
    """The accounts with these names, or with this role. An account of staff is nobody's, whatever its address."""
    return [
        row[0]
        for row in superset.execute(
            "select u.id from ab_user u left join ab_user_role m on m.user_id = u.id left join ab_role r on r.id = m.role_id"
            " group by u.id having (u.username = any (%s) or bool_or(r.name = %s))"
            " and not coalesce(bool_or(r.name !~ '^client_[0-9]+$'), false)",
            [emails, role],
        ).fetchall()
    ]


def purge_superset(superset: Connection, client_id: int, emails: list[str], marks: Marks, found: Found) -> None:
    """Delete the client's role, rule and people, with what they kept."""
    role = superset_role(client_id)
    with superset.transaction():
        people = accounts_of(superset, emails, role)
        remove_people(superset, people, found)
        _delete(superset, "superset", "logs", sql.SQL("json ~ %s"), [marks.pattern], found)
        rule = "(select id from row_level_security_filters where name = %s)"
        for table in ("rls_filter_roles", "rls_filter_tables"):
            superset.execute(f"delete from {table} where rls_filter_id in {rule}", [f"pulse: {role}"])
        _delete(superset, "superset", "row_level_security_filters", sql.SQL("name = %s"), [f"pulse: {role}"], found)
        for table in (
            "ab_permission_view_role",
            "ab_group_role",
            "dashboard_roles",
            "ab_user_role",
            "rls_filter_roles",
        ):
            superset.execute(
                f"delete from {table} where role_id in (select id from ab_role where name = %s)",
                [role],
            )
        _delete(superset, "superset", "ab_role", sql.SQL("name = %s"), [role], found)
        _delete(superset, "superset", "pulse_ended_sessions", sql.SQL("client_id = %s"), [client_id], found)


def purge_files(state: Path, slugs: list[str], client_id: int, marks: Marks, found: Found) -> None:
    """Delete what the client's DAG is made from, its task logs and cached charts, and the lines of other logs that name it."""
    for slug in slugs:
        purge_dag_files(state, slug, found)
    cache = state / "superset" / "cache"
    folders = [one for one in cache.glob("*/client-*") if str(client_id) in one.name.split("-")]
    for folder in [cache / "app", *folders]:
        remove(state, folder, found)
    whole = Marks((*marks.words, *slugs))
    for path in files(state):
        if path.suffix == ".log" and holds(path, whole):
            found.add(f"lines of {path.relative_to(state)}", _without_lines(path, whole))


def purge_dag_files(state: Path, slug: str, found: Found) -> None:
    """Delete what a client's DAG is made from, and the logs of its tasks."""
    logs = state / "airflow" / "logs"
    for path in (logs / f"dag_id={dag_id(slug)}", *descriptions(state, slug)):
        remove(state, path, found)


def descriptions(state: Path, slug: str) -> list[Path]:
    """The file that Airflow makes a client's DAG from, if there is one."""
    return list((state / "airflow" / "client_dags").glob(f"*/{slug}.json"))


def remove(state: Path, path: Path, found: Found) -> None:
    """Delete a file or folder, if it is there."""
    if path.is_dir():
        found.add(f"files below {path.relative_to(state)}", sum(one.is_file() for one in path.rglob("*")))
        shutil.rmtree(path)
    elif path.exists():
        found.add(f"file {path.relative_to(state)}", 1)
        path.unlink()


def _without_lines(path: Path, marks: Marks) -> int:
    """Take the lines that hold a mark out of a log; how many. The file stays the same, because a process writes to its end."""
    pattern = marks.in_bytes()
    with path.open("r+b") as file:
        lines = file.readlines()
        kept = [line for line in lines if not pattern.search(line)]
        file.seek(0)
        file.writelines(kept)
        file.truncate()
    return len(lines) - len(kept)


def _delete(connection: Connection, name: str, table: str, where: sql.SQL, values: list[Any], found: Found) -> None:
    query = sql.SQL("delete from {} where {}").format(sql.SQL(table), where)
    found.add(f"{name}: {table}", connection.execute(query, values).rowcount)


def _until_done(connection: Connection, name: str, todo: list[tuple[str, str, list[Any]]], found: Found) -> None:
    """Delete from tables that refer to each other: what is still referred to comes again in the next pass."""
    for _ in range(PASSES):
        later = []
        for table, column, values in todo:
            try:
                with connection.transaction():
                    where = sql.SQL("{} = any (%s)").format(sql.Identifier(column))
                    _delete(connection, name, table, where, [values], found)  # type: ignore[arg-type]
            except (psycopg.errors.ForeignKeyViolation, psycopg.errors.RestrictViolation):
                later.append((table, column, values))
        if not later:
            return
        todo = later
    raise psycopg.errors.ForeignKeyViolation(f"these tables are still referred to: {', '.join(one[0] for one in todo)}")
