"""The command line. Standard library only, because it must work before anything is installed."""

from __future__ import annotations

import argparse
import os
import sys
import time

from pulse import environ
from stack.airflow.settings import tells_lineage
from stack.errors import StackError
from stack.install import packages as install
from stack.options import load_options
from stack.paths import AIRFLOW_VENV, ROOT, state_folder
from stack.steps import Progress, Say, Step, StepFailed


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    top = argparse.ArgumentParser(prog="pulse", description="Pulse on one machine.", allow_abbrev=False)
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)

    up = commands.add_parser("up", help="install, start everything, print addresses and logins")
    up.add_argument("--recorded", metavar="PATH", help="also add the client `recorded`, which runs on payloads in PATH")
    demo = up.add_mutually_exclusive_group()
    demo.add_argument("--no-demo", dest="demo", action="store_false", default=None, help="without the demo clients")
    demo.add_argument("--demo", dest="demo", action="store_true", default=None, help="with them, after --no-demo")

    commands.add_parser("down", help="stop everything")
    commands.add_parser("version", help="print this version")
    status = commands.add_parser("status", help="what runs where, and who may log in")
    status.add_argument("--json", action="store_true", help="for scripts")
    logs = commands.add_parser("logs", help="a process's log; without a name, which logs there are")
    logs.add_argument("name", nargs="?")
    logs.add_argument("-f", "--follow", action="store_true", help="go on printing")
    logs.add_argument("-n", "--lines", type=int, default=100)
    reset = commands.add_parser(
        "reset", help="stop everything and delete all data, logs, secrets and backups in .pulse"
    )
    reset.add_argument("--yes", action="store_true", help="do not ask")
    psql = commands.add_parser("psql", help="the clients' database; further arguments go to psql")
    psql.add_argument("--replica", action="store_true", help="on the replica (read only)")
    psql.add_argument("--as", dest="role", metavar="ROLE", help="default: pulse_owner; on the replica pulse_staff")
    test = commands.add_parser("test", help="run the tests on a stack of their own; further arguments go to pytest")
    test.add_argument("--no-stack", action="store_true", help="without the stack; tests that need it are skipped")
    test.add_argument(
        "--containers",
        action="store_true",
        help="run tests/containers instead: docker-compose.yml, whole (root on Debian, or an engine; 20 minutes and more)",
    )
    test.add_argument("--drills", action="store_true", help="run tests/drills instead: failures (half an hour)")
    test.add_argument("--long", action="store_true", help="more random worlds and soak seeds than by default (hours)")
    bench = commands.add_parser("bench", help="run a benchmark of bench/; without a name, which there are")
    bench.add_argument("name", nargs="?")
    doctor = commands.add_parser("doctor", help="check this machine; say what to do about what is wrong")
    doctor.add_argument(
        "--delete-leaks",
        action="store_true",
        help="delete rows of Airflow's audit log that hold secrets of command lines",
    )
    token = commands.add_parser("token", help="make, list or revoke the keys that tools push with (docs/push.md)")
    _key_commands(token).add_argument("source", help="the integration's name")
    _key_commands(
        commands.add_parser(
            "embed", help="make, list or revoke the keys that a client's site embeds with (docs/embedding.md)"
        )
    )
    invite = commands.add_parser(
        "invite", help="print a link by which a client's person sets a password, to pass on by hand"
    )
    invite.add_argument("client")
    invite.add_argument("email")
    _client_commands(
        commands.add_parser(
            "client", help="a client's life: add, check, list, disable, enable, rename, purge, erase-person"
        )
    )
    backup = commands.add_parser(
        "backup", help="back up primary and metadata server now (the keeper does it every day)"
    )
    backup.add_argument("--list", action="store_true", help="what backups there are, and of which times")
    restore = commands.add_parser("restore", help="bring all data back to a moment")
    restore.add_argument("--to", required=True, metavar="TIME", help="such as 2026-11-30T09:15 (UTC), or: latest")
    restore.add_argument("--yes", action="store_true", help="do not ask")
    failover = commands.add_parser("failover", help="make the replica the primary, and copy a new replica")
    failover.add_argument("--yes", action="store_true", help="do not ask")
    report = commands.add_parser("report", help="a client's brief: as text here, as PDF or by mail (docs/brief.md)")
    report.add_argument("client")
    goal = report.add_mutually_exclusive_group()
    goal.add_argument("--pdf", metavar="FILE", help="write the PDF to this file")
    goal.add_argument("--mail", metavar="ADDRESS", help="send it to this address (PULSE_SMTP_*)")
    report.add_argument("--paper", choices=("a4", "letter"), default="a4")
    report.add_argument("--language", choices=("en", "de"), default="en")
    commands.add_parser("schema", help="write migrations/schema.sql after a change of migrations")
    lock = commands.add_parser("lock", help="renew the pins in constraints/ from the requirements files")
    lock.add_argument("--keep", action="store_true", help="keep every pin that still fits")
    ctl = commands.add_parser("ctl", help="start, stop or restart one process (tests and drills)")
    ctl.add_argument("action", choices=("start", "stop", "restart"))
    ctl.add_argument("name")
    return top


def _key_commands(keys: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Make, list and revoke keys; returns the parser of `make`."""
    actions = keys.add_subparsers(dest="action", metavar="ACTION", required=True)
    make = actions.add_parser("make", help="make a key, and show it once")
    make.add_argument("client")
    make.add_argument("--label", default="", help="who uses it")
    actions.add_parser("list", help="the keys of a client").add_argument("client")
    revoke = actions.add_parser("revoke", help="revoke a key, from the next request on")
    revoke.add_argument("client")
    revoke.add_argument("id", type=int)
    return make


def _client_commands(client: argparse.ArgumentParser) -> None:
    actions = client.add_subparsers(dest="action", metavar="ACTION", required=True)
    add = actions.add_parser("add", help="check a client's JSON, ask its sources, and write its Variable")
    add.add_argument("client", help="the slug")
    add.add_argument("file", help="the JSON (docs/client-variable.md); - reads it from standard input")
    add.add_argument("--replace", action="store_true", help="write the Variable of an existing client anew")
    check = actions.add_parser("check", help="check a client's Variable and ask its sources; changes nothing")
    check.add_argument("client")
    check.add_argument("file", nargs="?", help="a JSON to check instead of the Variable")
    actions.add_parser("list", help="every client and how it is")
    for name, meaning in (("disable", "its DAG and its logins go, its data stays"), ("enable", "the reverse")):
        actions.add_parser(name, help=meaning).add_argument("client")
    rename = actions.add_parser("rename", help="give a client another slug; data, logins and Connections follow")
    rename.add_argument("client")
    rename.add_argument("to", metavar="NEW")
    purge = actions.add_parser(
        "purge", help="show everything that there is of a disabled client; with --yes, remove it"
    )
    purge.add_argument("client")
    purge.add_argument("--yes", action="store_true", help="remove it")
    purge.add_argument(
        "--was", metavar="SLUG", action="append", default=[], help="a name that it had before it was renamed"
    )
    purge.add_argument("--search", metavar="TEXT", action="append", default=[], help="search for this text, too")
    purge.add_argument("--report", metavar="FILE", help="write the signed report to this file")
    erase = actions.add_parser(
        "erase-person", help="show where a person is named in a client's data; with --yes, erase the person"
    )
    erase.add_argument("client")
    for name, meaning in (
        ("login", "a login at the forge or tracker"),
        ("email", "an e-mail address; a login of Pulse with it goes, too"),
        ("name", "the name that is shown"),
        ("account", "an account id, as Jira's"),
    ):
        erase.add_argument(f"--{name}", metavar=name.upper(), action="append", default=[], help=meaning)
    erase.add_argument("--yes", action="store_true", help="erase the person")
    erase.add_argument(
        "--was", metavar="SLUG", action="append", default=[], help="a name that the client had before it was renamed"
    )
    erase.add_argument("--report", metavar="FILE", help="write the signed report to this file")


PASSES_ON = {"psql", "test", "bench"}  # commands whose unknown arguments are another program's


def parse(argv: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """The command's arguments, and those for the program behind it."""
    arguments, rest = parser().parse_known_args(argv)
    if rest and arguments.command not in PASSES_ON:
        parser().error(f"{arguments.command} does not know {' '.join(rest)}")
    return arguments, [argument for argument in rest if argument != "--"] if arguments.command != "psql" else rest


def main(argv: list[str]) -> int:
    """Run a command; the exit code."""
    arguments, _ = parse(argv)
    try:
        if arguments.command == "doctor":
            from stack.install.doctor import doctor

            return doctor(delete_leaks=arguments.delete_leaks)
        if arguments.command == "version":
            from pulse.version import version

            print(version())
            return 0
        if arguments.command == "lock":
            from stack.install.lock import lock

            return lock(upgrade=not arguments.keep)
        if arguments.command in ("up", "test", "bench", "schema"):
            _install(arguments)
        elif install.AIRFLOW.state() in ("missing", "half"):
            return _not_installed(arguments)
    except StackError as error:
        return fail(str(error))
    except KeyboardInterrupt:
        return 130
    _continue_in_environment(argv)
    raise AssertionError("exec does not return")


def fail(message: str) -> int:
    """Print an error; the exit code."""
    sys.stdout.flush()
    print(f"pulse: {message}", file=sys.stderr)
    return 1


def total_steps(*, sandbox: bool) -> int:
    """How many steps ./pulse up prints, the installation included."""
    return 12 + 2 * sandbox


def _install(arguments: argparse.Namespace) -> None:
    os.environ[environ.STARTED_AT.name] = repr(time.time())
    if arguments.command == "up":
        from stack.install.doctor import before_start

        before_start()
        options = load_options(state_folder()).changed(arguments.demo, arguments.recorded)
        progress = Progress(total_steps(sandbox=options.sandbox))
        try:
            progress.run([Step("Airflow packages", _airflow_packages)])
        except StepFailed as failure:
            raise StackError(str(failure)) from failure
        return

    def say(text: str) -> None:
        print(f"… {text}", flush=True)

    install.ensure(install.AIRFLOW, say)
    if arguments.command == "test":
        install.ensure(install.TESTS, say, extra=True)


def _airflow_packages(say: Say) -> str:
    done = install.ensure(install.AIRFLOW, say)
    return install.ensure(install.LINEAGE, say, extra=True) if tells_lineage() else done


def _not_installed(arguments: argparse.Namespace) -> int:
    if arguments.command == "status" and arguments.json:
        print('{"state": "stopped", "healthy": false, "processes": [], "addresses": {}, "logins": []}')
        return 1
    if arguments.command == "down":
        print("Nothing runs: Pulse is not installed.")
        return 0
    return fail("Pulse is not installed yet: ./pulse up")


def _continue_in_environment(argv: list[str]) -> None:
    python = str(AIRFLOW_VENV / "bin" / "python")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "plugins")])
    sys.stdout.flush()
    os.execve(python, [python, "-m", "stack", *argv], environment)
