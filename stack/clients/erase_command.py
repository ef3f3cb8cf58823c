"""./pulse client erase-person: where a person is named in a client's data, and how the name goes."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from pulse.clients.spec import VARIABLE_PREFIX, parse_spec
from pulse.tenancy import superset_role
from stack.clients import erase, purge, variables
from stack.clients.erase import CannotErase, Erasure, Person
from stack.clients.reports import nothing_runs, tell, write_report
from stack.clients.traces import Found
from stack.context import Stack

EXCLUDED = "PostgreSQL's write-ahead log and the backups still hold the names until they are rotated out."


def run(arguments: argparse.Namespace, stack: Stack) -> int:
    """Show where the person is named; with --yes, erase the person. The exit code: 1 if anything is left."""
    slug = arguments.client
    person = Person(
        *(
            tuple(map(str.strip, given))
            for given in (arguments.login, arguments.email, arguments.name, arguments.account)
        )
    )
    if not person.all:
        raise CannotErase("say who it is: --login, --email, --name or --account, each as often as needed")
    with stack.cluster.primary.connect(database="pulse") as clients:
        row = clients.execute("select id from core.clients where slug = %s", [slug]).fetchone()
        if row is None:
            raise CannotErase(f"there is no client {slug}: ./pulse client list shows the clients")
        variable, without = _variable(slug, person)
        erasure = erase.prepare(clients, slug, int(row[0]), person)
        _refuse_named(erasure, without)
    places = Places(stack, erasure, [slug, *arguments.was])
    if erasure.only_where_people_stand:
        print(
            f"Also an ordinary word here, so replaced only where people stand and behind an @: "
            f"{', '.join(erasure.only_where_people_stand)}"
        )
    if not arguments.yes:
        found = places.search()
        found.add(f"airflow: variable {VARIABLE_PREFIX}{slug} (users)", int(without != variable))
        tell("There is", found)
        print(f"\nNothing was changed. --yes erases the person. {EXCLUDED}")
        return 0
    nothing_runs(stack, slug)
    if without != variable:
        _declare(slug, without)
    changed = places.erase()
    left = places.search()
    tell("Erased", changed)
    tell("Left", left)
    report = {
        "client": slug,
        "pseudonyms": [one.pseudonym for one in erasure.identities.values()],
        "erased_at": datetime.now(UTC).isoformat(),
        "erased": changed.places,
        "left": left.places,
        "not_searched": EXCLUDED,
    }
    if arguments.report:
        write_report(Path(arguments.report), report, stack.settings.secrets["PULSE_ROLE_SECRET"])
    print(
        f"\n{'Nothing is left' if not left.places else 'Run the command again, and look at what is left'}. {EXCLUDED}"
    )
    return 1 if left.places else 0


def _variable(slug: str, person: Person) -> tuple[dict[str, Any], dict[str, Any]]:
    """The client's Variable, and without the person's login. A client without one has been deactivated."""
    text = variables.read(slug)
    variable: dict[str, Any] = json.loads(text) if text else {}
    emails = {email.lower() for email in person.emails}
    users = variable.get("users", [])
    kept = [user for user in users if str(user.get("email", "")).lower() not in emails]
    return variable, variable if len(kept) == len(users) else {**variable, "users": kept}


def _declare(slug: str, variable: dict[str, Any]) -> None:
    """Write the Variable without the person: else sync_clients would add the login again."""
    parse_spec(slug, json.dumps(variable))
    variables.write(slug, variable)


def _refuse_named(erasure: Erasure, variable: dict[str, Any]) -> None:
    """A Variable that names the person elsewhere would bring the name back."""
    named = [key for key, value in variable.items() if erasure.stands_in(value)]
    if named:
        raise CannotErase(
            f"client {erasure.slug}: the Variable {VARIABLE_PREFIX}{erasure.slug} names the person in {', '.join(named)}: take"
            " it out, trigger sync_clients, and run the command again. No row was changed"
        )


class Places:
    """Everywhere the person may be named."""

    def __init__(self, stack: Stack, erasure: Erasure, slugs: list[str]) -> None:
        self.stack = stack
        self.erasure = erasure
        self.slugs = slugs

    def search(self) -> Found:
        """How many rows, lines and files name the person, by place."""
        found = Found()
        with self._clients() as clients:
            erase.rows_that_name(clients, self.erasure, found)
        with self.stack.cluster.meta.connect(database="airflow") as airflow:
            for table, rows in erase.airflows_rows(airflow, self.erasure, self.slugs):
                found.add(f"airflow: {table}", len(rows))
        with self.stack.cluster.meta.connect(database="superset") as superset:
            found.add("superset: ab_user", len(self._accounts(superset)))
            found.add("superset: logs", len(self._superset_logs(superset)))
        for path, _, count in erase.lines_that_name(self.stack.state, self.erasure, self.slugs):
            found.add(f"lines of {path.relative_to(self.stack.state)}", count)
        return found

    def erase(self) -> Found:
        """Put the pseudonyms in, and delete accounts and lines of logs. A second run does what an interrupted one left."""
        changed = Found()
        with self._clients() as clients:
            erase.remember(clients, self.erasure)
            erase.change_rows(clients, self.erasure, changed)
        with self.stack.cluster.meta.connect(database="superset") as superset, superset.transaction():
            purge.remove_people(superset, self._accounts(superset), changed)
            gone = self._superset_logs(superset)
            superset.execute("delete from logs where ctid = any (%s::tid[])", [gone])
            changed.add("superset: logs", len(gone))
        with self.stack.cluster.meta.connect(database="airflow") as airflow, airflow.transaction():
            for table, rows in list(erase.airflows_rows(airflow, self.erasure, self.slugs)):
                query = sql.SQL("delete from {} where ctid = any (%s::tid[])").format(sql.Identifier(table))
                airflow.execute(query, [rows])
                changed.add(f"airflow: {table}", len(rows))
        for path, kept, count in erase.lines_that_name(self.stack.state, self.erasure, self.slugs):
            with path.open("r+b") as file:  # the same file: a process may write to its end
                file.writelines(kept)
                file.truncate()
            changed.add(f"lines of {path.relative_to(self.stack.state)}", count)
        for folder in self._caches():
            purge.remove(self.stack.state, folder, changed)
        return changed

    def _clients(self) -> psycopg.Connection[Any]:
        return self.stack.cluster.primary.connect(database="pulse")

    def _accounts(self, superset: psycopg.Connection[Any]) -> list[int]:
        emails = [email.lower() for email in self.erasure.person.emails]
        role = superset_role(self.erasure.client_id)
        theirs = set(purge.accounts_of(superset, [], role))
        named = superset.execute(
            "select id from ab_user where username = any (%(e)s) or email = any (%(e)s)", {"e": emails}
        )
        return sorted(theirs & {row[0] for row in named.fetchall()})

    def _superset_logs(self, superset: psycopg.Connection[Any]) -> list[str]:
        own = self.erasure.own
        query = "select ctid::text, json from logs where json ~* %s"
        rows = superset.execute(query, [self.erasure.pattern]).fetchall()
        return [place for place, text in rows if own.text(text) != text]

    def _caches(self) -> Iterator[Path]:
        cache = self.stack.state / "superset" / "cache"
        yield cache / "app"
        for one in cache.glob("*/client-*"):
            if str(self.erasure.client_id) in one.name.split("-"):
                yield one
