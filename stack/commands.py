"""The commands of ./pulse that need the installed packages. Each takes its arguments and returns the exit code."""

from __future__ import annotations

import argparse
import ast
import json
import os
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

import psycopg

from pulse import embedding, environ
from pulse.ingest import keys
from pulse.people import links
from pulse.reports import mail
from pulse.reports.send import brief_of
from pulse.superset.api import SupersetApi, SupersetError
from stack import environment, recovery
from stack.context import Stack, existing_stack, stack_to_start
from stack.errors import StackError
from stack.failover import fail_over
from stack.lifecycle import only_one_start, remove_state, start
from stack.options import FILE_NAME as OPTIONS
from stack.paths import AIRFLOW_VENV, ROOT, state_folder
from stack.postgres.backup import Backups, bases_in
from stack.status import access_table, processes_table
from stack.status import report as state_of
from stack.supervision.supervisor import Supervisor, our_processes
from stack.testing import run_apart, run_tests

# Who acts, for the audit.
BY_HAND = "-c pulse.actor=by_hand"


def up(arguments: argparse.Namespace, _: list[str]) -> int:
    """Start everything; prints the addresses and who may log in."""
    with only_one_start():
        stack, moved = stack_to_start(arguments.demo, arguments.recorded)
        for line in moved:
            print(f"      {line}")
        start(stack, done=1)
    print(f"\n{access_table(state_of(stack, []))}")
    seconds = time.time() - (environ.STARTED_AT.given() or time.time())
    print(f"\nPulse is up ({seconds:.0f} s). ./pulse status shows its processes, ./pulse down stops them.")
    return 0


def down(_arguments: argparse.Namespace, _: list[str]) -> int:
    """Stop everything."""
    state = state_folder()
    supervisor = Supervisor(state)
    if not supervisor.running() and not our_processes(state):
        print("Nothing runs.")
        return 0
    started = time.monotonic()
    left = supervisor.stop_everything()
    extra = f", {left} of them left over from an earlier start" if left else ""
    print(f"All processes are stopped{extra} ({time.monotonic() - started:.1f} s).")
    return 0


def status(arguments: argparse.Namespace, _: list[str]) -> int:
    """What runs; exit code 0 when all is healthy."""
    stack = existing_stack()
    content = state_of(stack, stack.health() if stack else [])
    if arguments.json:
        print(json.dumps(content, indent=2))
    elif stack is None:
        print("Pulse has not been started here yet: ./pulse up")
    else:
        print(f"{processes_table(content['processes'])}\n\n{access_table(content)}")
    return 0 if content["healthy"] else 1


def logs(arguments: argparse.Namespace, _: list[str]) -> int:
    """Show a log, or which there are."""
    folder = state_folder() / "logs"
    found = {path.stem: path for path in sorted(folder.glob("*.log"))}
    if arguments.name is None:
        if not found:
            raise StackError("there are no logs yet: ./pulse up")
        for name, path in found.items():
            print(f"{name:<24} {path.stat().st_size // 1024:>7} KB  {path}")
        print("\nLogs of Airflow tasks are in Airflow, with each task.")
        return 0
    if arguments.name not in found:
        raise StackError(f"there is no log {arguments.name}; there are: {', '.join(found) or 'none yet'}")
    command = ["tail", "-n", str(arguments.lines), *(["-F"] if arguments.follow else []), str(found[arguments.name])]
    return _become("tail", command, dict(os.environ))


def reset(arguments: argparse.Namespace, _: list[str]) -> int:
    """Delete all data, logs and secrets; the installed packages stay."""
    state = state_folder()
    if not state.is_dir():
        print("Nothing to delete.")
        return 0
    if not arguments.yes:
        _ask(f"This deletes every client's data, all logs, all secrets and all backups in {state}.", "reset")
    stack = existing_stack()
    Supervisor(state).stop_everything()
    remove_state(stack)
    print("All data, logs and secrets are deleted. ./pulse up starts afresh.")
    return 0


def _ask(what: str, command: str) -> None:
    """Go on only when somebody types yes. Raises StackError."""
    if not sys.stdin.isatty() or input(f"{what} Type yes to go on: ").strip() != "yes":
        raise StackError(f"nothing was changed (./pulse {command} --yes does not ask)")


def psql(arguments: argparse.Namespace, rest: list[str]) -> int:
    """Open the clients' database."""
    stack = _started()
    server = stack.cluster.replica if arguments.replica else stack.cluster.primary
    role = arguments.role or ("pulse_staff" if arguments.replica else "pulse_owner")
    binary = str(server.binaries / "psql")
    # The password goes by the environment: an argument would show in the list of processes.
    env = {
        **os.environ,
        "PGHOST": server.host,
        "PGPORT": str(server.port),
        "PGUSER": role,
        "PGDATABASE": "pulse",
        "PGPASSWORD": stack.settings.role_secrets.password(role),
    }
    return _become(binary, [binary, *rest], env)


def backup(arguments: argparse.Namespace, _: list[str]) -> int:
    """Back primary and metadata server up, or show what backups there are."""
    stack = _started()
    for server in (stack.cluster.primary, stack.cluster.meta):
        if not arguments.list:
            if server.pid() is None:
                raise StackError(f"{server.kind} does not run: ./pulse up")
            Backups(stack.cluster, server).take()
        for base in bases_in(*stack.cluster.backups.glob(f"{server.kind}-*"))[-1 if not arguments.list else 0 :]:
            size = f"{base.bytes / 2**20:,.0f} MB in {base.seconds:.0f} s"
            print(f"{server.kind:<8} {base.taken_at:%Y-%m-%d %H:%M:%S} UTC  {size:<20} {base.folder}")
    print(f"\nThe secrets are not in it: keep a copy of {stack.state / 'secrets.env'} in a safe place.")
    return 0


def restore(arguments: argparse.Namespace, _: list[str]) -> int:
    """Bring primary and metadata server back to a moment, then start everything."""
    to = recovery.moment(arguments.to)
    if not arguments.yes:
        _ask("This brings all clients' data, Airflow's and Superset's back to that moment.", "restore --to ... --yes")
    with only_one_start():
        # On a new machine: with the data of the old one, not with the demo's.
        stack, moved = stack_to_start(None if (state_folder() / OPTIONS).exists() else False, None)
        for line in moved:
            print(f"      {line}")
        kept = recovery.restore(stack, to, lambda text: print(f"… {text}", flush=True))
        start(stack, done=1)
    for folder in kept:
        print(f"What was there before is in {folder}: delete it when you no longer need it.")
    return 0


def failover(arguments: argparse.Namespace, _: list[str]) -> int:
    """Make the replica the primary."""
    stack = _started()
    if not arguments.yes:
        _ask("This stops the primary for good and puts the replica in its place.", "failover --yes")
    began = time.monotonic()
    with only_one_start():
        outcome = fail_over(stack, lambda text: print(f"… {text}", flush=True))
    last = f"{outcome.last_commit:%Y-%m-%d %H:%M:%S} UTC" if outcome.last_commit else "unknown"
    print(f"The replica is the primary ({time.monotonic() - began:.0f} s). Its last commit was of {last}.")
    if outcome.fenced:
        print(f"The old primary's data is in {outcome.fenced}: delete it when you no longer need it.")
    return 0


def _started() -> Stack:
    stack = existing_stack()
    if stack is None:
        raise StackError("Pulse has not been started here yet: ./pulse up")
    return stack


def token(arguments: argparse.Namespace, _: list[str]) -> int:
    """Make, list or revoke the keys that tools push with."""
    stack = _started()
    os.environ[environ.WEBHOOK_SECRET.name] = stack.settings.secrets[environ.WEBHOOK_SECRET.name]
    try:
        with psycopg.connect(stack.settings.database_url("pulse_admin", "primary"), options=BY_HAND) as admin:
            return _token(arguments, admin, stack.settings.url("airflow"))
    except keys.KeyProblem as problem:
        raise StackError(str(problem)) from problem
    except psycopg.OperationalError as error:
        raise StackError(f"the primary does not answer ({error}): ./pulse up") from error


def embed(arguments: argparse.Namespace, _: list[str]) -> int:
    """Make, list or revoke the keys that a client's own site embeds with."""
    stack = _started()
    try:
        with psycopg.connect(stack.settings.database_url("pulse_admin", "primary"), options=BY_HAND) as admin:
            embedding.run(arguments, admin, stack.settings.url("superset"))
    except embedding.KeyProblem as problem:
        raise StackError(str(problem)) from problem
    except psycopg.OperationalError as error:
        raise StackError(f"the primary does not answer ({error}): ./pulse up") from error
    return 0


def invite(arguments: argparse.Namespace, _: list[str]) -> int:
    """Make a link by which a person sets a password."""
    stack = _started()
    os.environ[environ.SUPERSET_PUBLIC_URL.name] = stack.settings.url("superset")
    try:
        with psycopg.connect(stack.settings.database_url("pulse_admin", "primary"), options=BY_HAND) as admin:
            link = links.make(admin, arguments.client, arguments.email)
    except links.NoSuchPerson as problem:
        raise StackError(str(problem)) from problem
    except psycopg.OperationalError as error:
        raise StackError(f"the primary does not answer ({error}): ./pulse up") from error
    print(f"{link}\n\nPass it on to {arguments.email}. It is shown once, and works once, for {links.HOURS} hours.")
    return 0


def client(arguments: argparse.Namespace, _: list[str]) -> int:
    """A client's life: add, check, list, disable, enable, rename, purge, erase-person."""
    stack = _started()
    os.environ.update(environment.airflow(stack.settings))  # before anything imports Airflow
    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"
    from stack.clients import commands

    return commands.run(arguments, stack)


def report(arguments: argparse.Namespace, _: list[str]) -> int:
    """A client's brief, as Superset draws it."""
    stack = existing_stack()
    if stack is None:
        raise StackError("Pulse has not been started here yet: ./pulse up")
    settings = stack.settings
    api = SupersetApi(settings.url("superset"), "pulse_service", settings.secrets["PULSE_SUPERSET_SERVICE_PASSWORD"])
    try:
        content = brief_of(api, arguments.client, arguments.language, arguments.paper)
        if content is None:
            raise StackError(f"client {arguments.client} has no published numbers yet")
        if arguments.pdf:
            Path(arguments.pdf).write_bytes(content.pdf)
            print(f"{arguments.pdf}: {len(content.pdf)} bytes")
        elif arguments.mail:
            with mail.server() as server:
                mail.send(server, mail.message(content, arguments.mail, "", mail.new_message_id(), None))
            print(f"Sent to {arguments.mail}.")
        else:
            print(content.text)
    except SupersetError as error:
        raise StackError(
            f"there is no active client {arguments.client}" if error.status == 404 else str(error)
        ) from error
    except (mail.NoMailServer, mail.Refused, mail.Unsure) as error:
        raise StackError(str(error)) from error
    return 0


def _token(arguments: argparse.Namespace, admin: psycopg.Connection[Any], airflow: str) -> int:
    if arguments.action == "list":
        for key in keys.stored(admin, arguments.client):
            state = f"revoked {key.revoked_at:%Y-%m-%d}" if key.revoked_at else "in use"
            print(f"{key.id:>4}  {key.kind:<8} {key.source:<20} {key.created_at:%Y-%m-%d}  {state}  {key.label}")
    elif arguments.action == "revoke":
        if not keys.revoke(admin, arguments.client, arguments.id):
            raise StackError(
                f"client {arguments.client} has no key {arguments.id}: ./pulse token list {arguments.client}"
            )
        print(f"Key {arguments.id} of {arguments.client} is revoked.")
    else:
        made = keys.make(admin, arguments.client, arguments.source, arguments.label)
        admin.commit()
        print(f"{made.secret}\n\nThis is key {made.id} of {made.source}. It is shown once. Send to")
        for path in keys.paths(arguments.client, made):
            print(f"  {airflow}{path}")
    return 0


def bench(arguments: argparse.Namespace, rest: list[str]) -> int:
    """Run bench/NAME.py."""
    found = {path.stem: path for path in sorted((ROOT / "bench").glob("*.py")) if not path.stem.startswith("_")}
    if arguments.name is None or arguments.name not in found:
        if arguments.name is not None:
            print(f"pulse: there is no benchmark {arguments.name}", file=sys.stderr)
        for name, path in found.items():
            summary = (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n")[0]
            print(f"{name:<20} {summary}")
        if not found:
            print("There are no benchmarks in bench/ yet.")
        return 0 if arguments.name is None else 2
    stack = existing_stack()
    env = {**os.environ, **(environment.airflow(stack.settings) if stack else {})}
    env["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "plugins")])
    python = str(AIRFLOW_VENV / "bin" / "python")
    os.chdir(ROOT)
    return _become(python, [python, "-m", f"bench.{arguments.name}", *rest], env)


def schema(_arguments: argparse.Namespace, _: list[str]) -> int:
    """Write migrations/schema.sql, from a database of its own."""
    os.chdir(ROOT)
    return _become(sys.executable, [sys.executable, "-m", "tests.support.schema"], dict(os.environ))


def test(arguments: argparse.Namespace, rest: list[str]) -> int:
    """Run the tests."""
    if arguments.containers:
        return run_apart("containers", rest, with_stack=False)
    if arguments.drills:
        return run_apart("drills", rest, with_stack=True)
    return run_tests(rest, with_stack=not arguments.no_stack, long=arguments.long)


def ctl(arguments: argparse.Namespace, _: list[str]) -> int:
    """Start, stop or restart one process and wait until it is so."""
    stack = existing_stack()
    if stack is None or not stack.supervisor.running():
        raise StackError("Pulse does not run: ./pulse up")
    if arguments.name not in stack.names:
        raise StackError(f"there is no process {arguments.name}; there are: {', '.join(stack.names)}")
    if arguments.action in ("stop", "restart"):
        stack.supervisor.stop_processes([arguments.name])
    if arguments.action in ("start", "restart"):
        stack.supervisor.start_process(arguments.name)
        stack.wait_healthy([arguments.name], 120)
    print(f"{arguments.name}: {arguments.action} done")
    return 0


def _become(program: str, command: list[str], env: dict[str, str]) -> NoReturn:
    sys.stdout.flush()
    os.execvpe(program, command, env)
