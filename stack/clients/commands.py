"""What each ./pulse client command does."""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from pulse.clients.spec import VARIABLE_PREFIX, ClientSpec, SpecError, old_names, parse_spec, wrong_slug
from pulse.clients.sync import connection_id
from pulse.errors import PulseError
from pulse.health import state as health
from pulse.orchestration.dag import dag_id
from pulse.sources.base import Integration
from pulse.sources.check import Report, check_source
from stack.airflow import runs
from stack.clients import erase_command, purge, rename, traces, variables
from stack.clients.reports import EXCLUDED, nothing_runs, tell, write_report
from stack.context import Stack
from stack.errors import StackError

GONE_SECONDS = 60


def run(arguments: argparse.Namespace, stack: Stack) -> int:
    """Run one of the commands; the exit code."""
    command = {
        "add": _add,
        "check": _check,
        "list": _list,
        "disable": _switch,
        "enable": _switch,
        "rename": _rename,
        "purge": _purge,
        "erase-person": erase_command.run,
    }[arguments.action]
    try:
        return command(arguments, stack)
    except SpecError as error:
        raise StackError(str(error)) from error
    except psycopg.OperationalError as error:
        raise StackError(f"a database does not answer ({error}): ./pulse up") from error


def _add(arguments: argparse.Namespace, stack: Stack) -> int:
    text = _text(arguments.file)
    where = f"Correct it in {arguments.file} and run the command again."
    spec = parse_spec(arguments.client, text, where)
    if lines := old_names(text):
        raise StackError("\n".join(f"client {arguments.client}: {line}" for line in lines))
    if variables.read(arguments.client) is not None and not arguments.replace:
        raise StackError(f"there is a client {arguments.client} already: --replace writes its Variable anew")
    reports = _ask(arguments.client, spec)
    if any(report.failure for report in reports):
        raise StackError("nothing was written (--replace or not): correct what is said above")
    variables.write(arguments.client, json.loads(text))
    return _sync(stack, f"The Variable {VARIABLE_PREFIX}{arguments.client} is written.")


def _check(arguments: argparse.Namespace, stack: Stack) -> int:
    if arguments.file:
        text = _text(arguments.file)
    else:
        variables.declared(arguments.client)
        text = variables.read(arguments.client) or ""
    spec = parse_spec(arguments.client, text)
    for line in old_names(text):
        print(f"client {arguments.client}: {line}")
    return 0 if all(report.ok for report in _ask(arguments.client, spec)) else 1


def _text(file: str) -> str:
    """What a file, or standard input, says."""
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StackError(f"{file} cannot be read: {error}") from error


def _ask(slug: str, spec: ClientSpec) -> list[Report]:
    """Ask every source of a client, and print what it answers."""
    from pulse.orchestration.credentials import credential_for

    reports = []
    for one in spec.integrations:
        name = one.name or one.type
        held_by = one.connection or connection_id(slug, one.type, name)
        integration = Integration(0, slug, 0, one.type, name, one.url, held_by, one.config())
        try:
            report = check_source(integration, credential_for(integration))
        except PulseError as error:
            report = Report(name, failure=str(error))
        for line in report.lines():
            print(f"{name}: {line}")
        for setting, value in report.proposals.items():
            print(f"{name}: proposed: {json.dumps(setting)}: {json.dumps(value, ensure_ascii=False)}")
        reports.append(report)
    return reports


def _list(_arguments: argparse.Namespace, _stack: Stack) -> int:
    for client in health.read():
        read = f"{client.last_read:%Y-%m-%d %H:%M}" if client.last_read else "never"
        print(f"{client.slug:<24} {client.state:<12} {read:<18} {client.name}  {client.cause}".rstrip())
    return 0


def _switch(arguments: argparse.Namespace, stack: Stack) -> int:
    """Pause or reactivate a client: the key `active` of its Variable."""
    variable = variables.declared(arguments.client)
    wanted = arguments.action == "enable"
    if bool(variable.get("active", True)) == wanted:
        print(f"Client {arguments.client} is {'active' if wanted else 'not active'} already.")
        return 0
    changed = {key: value for key, value in variable.items() if key != "active"} | ({} if wanted else {"active": False})
    parse_spec(arguments.client, json.dumps(changed))
    variables.write(arguments.client, changed)
    done = "active again" if wanted else "no longer active: its DAG and its logins go, its data stays"
    return _sync(stack, f"Client {arguments.client} is {done}.")


def _rename(arguments: argparse.Namespace, stack: Stack) -> int:
    old, new = arguments.client, arguments.to
    if wrong := wrong_slug(new):
        raise StackError(f"{new}: {wrong}")
    variable = variables.declared(old)
    spec = parse_spec(old, json.dumps(variable))
    nothing_runs(stack, old)
    with psycopg.connect(stack.settings.database_url("pulse_admin", "primary")) as admin:
        taken = admin.execute("select 1 from core.clients where slug = %s", [new]).fetchone()
        others = admin.execute(
            "select distinct i.connection_id from core.integrations i join core.clients c on c.id = i.client_id"
            " where c.slug <> %s",
            [old],
        ).fetchall()
    if variables.read(new) is not None or taken:
        raise StackError(f"there is a client {new} already")
    shared = [row[0] for row in others]
    names = rename.new_names(spec, old, new, shared)
    with stack.cluster.meta.connect(database="airflow") as airflow:
        renamed = rename.rename_in_airflow(airflow, old, new, names)
        try:
            with psycopg.connect(stack.settings.database_url("pulse_admin", "primary")) as admin:
                rename.rename_in_tables(admin, old, new, names)
        except KeyError:
            pass  # it was declared and never synchronised
        except psycopg.Error:
            rename.rename_in_airflow(airflow, new, old, {after: before for before, after in names.items()})
            raise
        if rename.keep_shared(variable, old, shared):
            variables.write(new, variable)
        _wait_gone(stack.state, old)
        with airflow.transaction():
            purge.purge_dag(airflow, dag_id(old), traces.Found())
    purge.purge_dag_files(stack.state, old, traces.Found())
    print(f"Renamed: {', '.join(renamed)}.")
    print(
        f"The client's rows, logins, sessions and Superset role stay. Its DAG is {dag_id(new)} from now on. Tools that push"
        f" for it use /pulse/ingest/v1/{new}/ from now on. Connections that come from the environment or a secrets backend keep"
        " their names: rename those there."
    )
    return _sync(stack, "")


def _purge(arguments: argparse.Namespace, stack: Stack) -> int:
    slug = arguments.client
    with stack.cluster.primary.connect(database="pulse") as clients:
        row = clients.execute("select id, active from core.clients where slug = %s", [slug]).fetchone()
        if row is None:
            raise StackError(f"there is no client {slug}: ./pulse client list shows the clients")
        taken = clients.execute("select slug from core.clients where slug = any (%s)", [arguments.was]).fetchone()
        if taken is not None:
            raise StackError(f"--was {taken[0]}: another client has this name now, and nothing was changed")
        client_id, active = int(row[0]), bool(row[1])
        if active:
            raise StackError(
                f"client {slug} is active: run ./pulse client disable {slug} first, and wait until its run is over"
            )
        nothing_runs(stack, slug)
        emails = [one[0] for one in clients.execute("select email from core.users where client_id = %s", [client_id])]
        own = clients.execute(
            "select distinct connection_id, integration_type, name from core.integrations where client_id = %s"
            " and connection_id not in (select connection_id from core.integrations where client_id <> %s)",
            [client_id, client_id],
        ).fetchall()
    names = [slug, *arguments.was]
    connections = [one[0] for one in own]
    connections += [connection_id(was, kind, name) for was in arguments.was for _, kind, name in own]
    marks = traces.marks_of(names, client_id, *emails, *connections, *arguments.search)
    if not arguments.yes:
        tell("There is", _search(stack, marks))
        print(f"\nNothing was removed. ./pulse client purge {slug} --yes removes it all. {EXCLUDED}")
        return 0
    removed = traces.Found()
    with stack.cluster.meta.connect(database="airflow") as airflow:
        purge.purge_airflow(airflow, names, marks, connections, removed)
    with stack.cluster.meta.connect(database="superset") as superset:
        purge.purge_superset(superset, client_id, emails, marks, removed)
    _forget_note(stack, slug)
    purge.purge_files(stack.state, names, client_id, marks, removed)
    # Last, because these rows say what to look for: a purge that was interrupted begins again.
    with stack.cluster.primary.connect(database="pulse") as clients:
        purge.purge_tables(clients, slug, client_id, removed)
    left = _search(stack, marks)
    tell("Removed", removed)
    tell("Left", left)
    report = {
        "client": slug,
        "id": client_id,
        "purged_at": datetime.now(UTC).isoformat(),
        "removed": removed.places,
        "left": left.places,
        "searched_for": len(marks.words),
        "not_searched": EXCLUDED,
    }
    if arguments.report:
        write_report(Path(arguments.report), report, stack.settings.secrets["PULSE_ROLE_SECRET"])
    print(f"\n{'Nothing is left' if not left.places else 'Look at what is left'}. {EXCLUDED}")
    return 1 if left.places else 0


def _search(stack: Stack, marks: traces.Marks) -> traces.Found:
    found = traces.Found()
    for server, database in (
        (stack.cluster.primary, "pulse"),
        (stack.cluster.meta, "airflow"),
        (stack.cluster.meta, "superset"),
    ):
        with server.connect(database=database) as connection:
            traces.search_database(database, connection, marks, found)
    traces.search_files(stack.state, marks, found)
    return found


def _forget_note(stack: Stack, slug: str) -> None:
    """A demo client stays noted as declared, so that it does not come back, but without its people."""
    from stack.airflow.demo import Note

    note = Note.read(stack.settings)
    if slug in note.users:
        note.users[slug] = []
        note.write(stack.state)


def _wait_gone(state: Path, slug: str) -> None:
    """Wait until Airflow has dropped the description of the old name. Otherwise it would read it once more."""
    deadline = time.monotonic() + GONE_SECONDS
    while purge.descriptions(state, slug) and time.monotonic() < deadline:
        time.sleep(0.5)


def _sync(stack: Stack, said: str) -> int:
    runs.trigger(runs.login(stack.settings), "sync_clients")
    print(f"{said} sync_clients is started.".strip())
    return 0
