"""Erases one person from a client's rows: a pseudonym stands in the place of every name, and the numbers stay.

Each login, name, address and account id has a pseudonym of its own, so that as many people are counted as before. The rows are
changed where they are, in the same way in which the loader changes what comes later (pulse.warehouse.erased): a reading of
everything, from upstream or from the raw tables, gives the same rows.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from pulse.clients.settings import DoraSettings
from pulse.orchestration.dag import dag_id
from pulse.warehouse.erased import Erased, Identity, digest, words_of
from pulse.warehouse.loader import encoded, hash_of
from stack.clients.purge import ABOUT, WITH_COLUMN
from stack.clients.traces import Found, files
from stack.errors import StackError

Connection = psycopg.Connection[Any]
MOST_WORDS = 20
SHORTEST = 2
BATCH = 2000
# Not changed: hashes, and what a declaration rules (declared: the check before refuses a person who is named there).
_LEFT_OUT = ("core.erased", "core.system_settings", "core.integrations")
# Rows of a person's account go instead.
_ACCOUNT = ("core.users", "core.password_links")
_COLUMNS = """
    select case n.nspname when 'public' then '' else n.nspname || '.' end || quote_ident(c.relname) as place,
           array_agg(a.attname::text order by a.attnum) filter (where a.atttypid in ('text'::regtype, 'text[]'::regtype)),
           coalesce(array_agg(a.attname::text) filter (where a.atttypid = 'jsonb'::regtype), '{}')
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
    where c.relkind = 'r' and n.nspname in ('raw', 'core', 'audit')
      and exists (select from pg_attribute o where o.attrelid = c.oid and o.attname = 'client_id' and not o.attisdropped)
      and a.atttypid in ('text'::regtype, 'text[]'::regtype, 'jsonb'::regtype)
    group by c.oid, n.nspname, c.relname order by 1
"""
# Words that the client's own things are called by, and that may not change.
_OWN_WORDS = """
    select full_name from core.repositories where client_id = %(c)s
    union select default_branch from core.repositories where client_id = %(c)s
    union select name from core.services where client_id = %(c)s
    union select key || ' ' || name from core.projects where client_id = %(c)s
    union select name from core.issue_statuses where client_id = %(c)s
    union select issue_type from core.issues where client_id = %(c)s
    union select unnest(labels) from core.issues where client_id = %(c)s
    union select unnest(components) from core.issues where client_id = %(c)s
    union select unnest(labels) from core.pull_requests where client_id = %(c)s
    union select base_branch from core.pull_requests where client_id = %(c)s
    union select environment from core.deployments where client_id = %(c)s
    union select name || ' ' || integration_type || ' ' || config_data::text from core.integrations where client_id = %(c)s
    union select setting_value::text from core.system_settings where client_id = %(c)s
"""


class CannotErase(StackError):
    """Something stands in the way; the message names it and the way out."""


@dataclass(frozen=True)
class Person:
    """What names the person: logins, e-mail addresses, names and account ids, as they are written."""

    logins: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        """Every one of them, once."""
        return tuple(dict.fromkeys((*self.logins, *self.emails, *self.names, *self.accounts)))

    @property
    def own(self) -> tuple[str, ...]:
        """Those that can be nobody else's: they are looked for in other programs' texts, too."""
        return tuple(dict.fromkeys((*self.emails, *self.accounts)))


@dataclass(frozen=True)
class Erasure:
    """A person of a client who is to be erased, with the pseudonyms."""

    slug: str
    client_id: int
    person: Person
    salt: str
    identities: dict[str, Identity]
    only_where_people_stand: tuple[str, ...]

    @property
    def erased(self) -> Erased:
        """What changes a text of the client's."""
        return Erased(self.salt, self.identities.values())

    @property
    def own(self) -> Erased:
        """What changes a text of which nobody knows whose it is: addresses and account ids."""
        return Erased(self.salt, [self.identities[text] for text in self.person.own])

    def stands_in(self, declared: Any) -> bool:
        """Whether a part of a declaration names the person: by a login alone, or by anything else within a text."""
        clear = [text for text in self.identities if text not in self.person.logins and words_of(text) > 1]
        looking = Erased(self.salt, [replace(self.identities[text], everywhere=True) for text in clear])
        logins = {login.casefold() for login in self.person.logins}

        def holds(value: Any) -> bool:
            if isinstance(value, dict):
                return any(holds(one) for pair in value.items() for one in pair)
            if isinstance(value, list):
                return any(map(holds, value))
            return isinstance(value, str) and (value.strip().casefold() in logins or looking.text(value) != value)

        return holds(declared)

    @property
    def pattern(self) -> str:
        """Finds what may name the person; `erased` says whether it does."""
        texts = [r"\s+".join(re.escape(word) for word in text.split()) for text in self.identities]
        return "(" + "|".join(texts) + ")"


def prepare(clients: Connection, slug: str, client_id: int, person: Person) -> Erasure:
    """Find out how the person can be recognised. Raises CannotErase. `clients`: the clients' database as superuser."""
    for text in person.all:
        if len(text.strip()) < SHORTEST or not 0 < words_of(text) <= MOST_WORDS:
            raise _refused(slug, f"{text!r} names nobody: give it as it is written in the source")
    for email in person.emails:
        if "@" not in email:
            raise _refused(slug, f"{email!r} is no e-mail address: give it with --login or --name")
    own = [text for (text,) in clients.execute(_OWN_WORDS, {"c": client_id}).fetchall() if text]
    row = clients.execute("select salt from core.erased where client_id = %s limit 1", [client_id]).fetchone()
    salt = str(row[0]) if row else secrets.token_hex(32)
    identities, narrow = {}, []
    for text in person.all:
        known = digest(salt, text)
        everywhere = Identity(known, words_of(text), True, f"erased-{known[:12]}")
        looking = Erased(salt, [everywhere])
        # One word that is a name, or very short, may be any word; and what the client's own things are called may not change.
        vague = words_of(text) == 1 and (text in person.names or len(text) <= SHORTEST)
        if vague or any(looking.text(one) != one for one in own):
            narrow.append(text)
        identities[text] = replace(everywhere, everywhere=text not in narrow)
    erasure = Erasure(slug, client_id, person, salt, identities, tuple(narrow))
    _refuse_what_settings_name(clients, erasure)
    return erasure


def _refused(slug: str, text: str) -> CannotErase:
    return CannotErase(f"client {slug}: {text}. Nothing was changed")


def _refuse_what_settings_name(clients: Connection, erasure: Erasure) -> None:
    """A setting or source that names the person would bring the name back, and a number may follow from it."""
    rows = clients.execute(
        "select 'the setting ' || setting_key, setting_value from core.system_settings where client_id = %(c)s"
        " union all select 'the source ' || name, config_data from core.integrations where client_id = %(c)s",
        {"c": erasure.client_id},
    ).fetchall()
    for place, value in rows:
        if erasure.stands_in(value):
            raise _refused(
                erasure.slug, f"{place} names the person: take it out of the Variable, and trigger sync_clients"
            )
    given = {place.removeprefix("the setting "): value for place, value in rows}
    for key in ("bots", "agents"):
        patterns = given.get(f"dora.{key}") or DoraSettings.model_fields[f"dora_{key}"].default
        for text, identity in erasure.identities.items():
            hits = [
                one
                for one in patterns
                if bool(re.search(one, text, re.I)) != bool(re.search(one, identity.pseudonym, re.I))
            ]
            if hits:
                raise _refused(
                    erasure.slug,
                    f"{text} is automation by the setting dora.{key} ({hits[0]}), and its changes would count as a person's."
                    " An account of automation names nobody; if it is a person, correct the setting first",
                )


def remember(clients: Connection, erasure: Erasure) -> None:
    """Note the hashes: from then on the loader puts the pseudonyms into whatever comes."""
    with clients.transaction():
        for one in erasure.identities.values():
            clients.execute(
                "insert into core.erased (client_id, identity_hash, salt, words, everywhere, pseudonym)"
                " values (%s, %s, %s, %s, %s, %s) on conflict do nothing",
                [erasure.client_id, one.identity_hash, erasure.salt, one.words, one.everywhere, one.pseudonym],
            )


def rows_that_name(clients: Connection, erasure: Erasure, found: Found) -> None:
    """Count the rows of the client that name the person."""
    for table, rows in _changes(clients, erasure):
        found.add(f"pulse: {table}", sum(1 for _ in rows))
    for table in (*_ACCOUNT, "core.password_requests"):
        found.add(f"pulse: {table}", len(_account_rows(clients, table, erasure)))


def change_rows(clients: Connection, erasure: Erasure, changed: Found) -> None:
    """Put the pseudonyms into the client's rows, and delete the person's account. Each table is one transaction."""
    for table, rows in _changes(clients, erasure):
        with clients.transaction():
            # Triggers would queue the rows for another computation; their numbers do not change.
            clients.execute("set local session_replication_role = replica")
            for place, values in list(rows):
                names = sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in values)
                query = sql.SQL("update {} set {} where ctid = %s::tid").format(sql.SQL(table), names)
                clients.execute(query, [*values.values(), place])
                changed.add(f"pulse: {table}", 1)
    with clients.transaction():
        for table in ("core.password_requests", "core.password_links", "core.users"):
            places = _account_rows(clients, table, erasure)
            clients.execute("set local session_replication_role = replica")
            if table == "core.users":
                for other in ("core.user_sessions", "core.reports_sent", "core.reports_stopped"):
                    gone = clients.execute(
                        f"delete from {other} where client_id = %s and user_id in (select id from core.users"
                        " where ctid = any (%s::tid[]))".encode(),
                        [erasure.client_id, places],
                    )
                    changed.add(f"pulse: {other}", gone.rowcount)
            gone = clients.execute(f"delete from {table} where ctid = any (%s::tid[])".encode(), [places])
            changed.add(f"pulse: {table}", gone.rowcount)
        # What Superset has cached names the person.
        clients.execute(
            "insert into core.data_versions as v (client_id, version) values (%s, 1)"
            " on conflict (client_id) do update set version = v.version + 1, changed_at = now()",
            [erasure.client_id],
        )
        clients.execute(
            "select audit.add('person erased', %s, %s)",
            [erasure.client_id, ", ".join(one.pseudonym for one in erasure.identities.values())],
        )
    for table, _, _ in clients.execute(_COLUMNS).fetchall():
        # So that what the rows held before is not only invisible.
        if f"pulse: {table}" in changed.places:
            clients.execute(sql.SQL("vacuum {}").format(sql.SQL(table)))


def _changes(clients: Connection, erasure: Erasure) -> Iterator[tuple[str, Iterator[tuple[str, dict[str, Any]]]]]:
    """For each table, the rows that name the person: where, and the columns with their new values."""
    for table, texts, documents in clients.execute(_COLUMNS).fetchall():
        if table not in (*_LEFT_OUT, *_ACCOUNT):
            yield table, _changed_rows(clients, erasure, table, texts or [], documents)


def _changed_rows(
    clients: Connection, erasure: Erasure, table: str, texts: list[str], documents: list[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    columns = [*texts, *documents]
    # Of events that are about no client, such as a refused sign-in, only what can be nobody else's.
    whose = "t.client_id = %(c)s" + (" or t.client_id is null" if table == "audit.log" else "")
    query = sql.SQL("select t.ctid::text, t.client_id is null, {} from {} t where ({}) and t::text ~* %(p)s").format(
        sql.SQL(", ").join(sql.SQL("t.{}").format(sql.Identifier(name)) for name in columns),
        sql.SQL(table),
        sql.SQL(whose),
    )
    of_client, of_nobody = erasure.erased, erasure.own
    with clients.transaction(), clients.cursor("erase") as cursor:
        cursor.itersize = BATCH
        for place, is_nobodys, *values in cursor.execute(query, {"c": erasure.client_id, "p": erasure.pattern}):
            erased = of_nobody if is_nobodys else of_client
            before = dict(zip(columns, values, strict=True))
            after = {name: _new(erased, table, name, value) for name, value in before.items() if value is not None}
            changed: dict[str, Any] = {name: value for name, value in after.items() if value != before[name]}
            if not changed:
                continue
            if "payload_hash" in before and "payload" in changed:
                # As the loader would hash it, so that the next reading finds nothing new.
                changed["payload_hash"] = hash_of(encoded(changed["payload"]))
            yield place, {name: Jsonb(value) if name in documents else value for name, value in changed.items()}


def _new(erased: Erased, table: str, column: str, value: Any) -> Any:
    if table == "raw.rejects" and column == "payload":
        return erased.reject(value)
    return erased.column(column, value)


def _account_rows(clients: Connection, table: str, erasure: Erasure) -> list[str]:
    """The rows of the person's account: where they are."""
    emails = [email.lower() for email in erasure.person.emails]
    condition = "" if table == "core.password_requests" else " and client_id = %(c)s"
    query = f"select ctid::text from {table} where lower(email) = any (%(e)s){condition}"
    return [row[0] for row in clients.execute(query.encode(), {"e": emails, "c": erasure.client_id}).fetchall()]


def airflows_rows(airflow: Connection, erasure: Erasure, slugs: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    """For each of Airflow's tables, the rows that name the person: of the client's own DAG by any name, of others by what can
    be nobody else's."""
    dags = [dag_id(slug) for slug in slugs]
    with_dag = {table for (table,) in airflow.execute(WITH_COLUMN, ["dag_id"]).fetchall()}
    of_client, of_others = erasure.erased, erasure.own
    for table, text in ABOUT.items():
        mine = "dag_id = any (%(d)s)" if table in with_dag else "false"
        query = f"select ctid::text, coalesce({mine}, false), {text} from {table} where {text} ~* %(p)s"
        rows = airflow.execute(query.encode(), {"d": dags, "p": erasure.pattern}).fetchall()
        yield table, [place for place, is_own, found in rows if _says(of_client if is_own else of_others, str(found))]


def lines_that_name(state: Path, erasure: Erasure, slugs: Iterable[str]) -> Iterator[tuple[Path, list[bytes], int]]:
    """Log files with lines that name the person: the lines that stay, and how many go.

    Of the client's own tasks any name counts, elsewhere what can be nobody else's.
    """
    own = erasure.own
    mine = tuple(f"dag_id={dag_id(slug)}" for slug in slugs)
    for path in files(state):
        if path.suffix != ".log":
            continue
        erased = erasure.erased if any(part in mine for part in path.parts) else own
        if not erased:
            continue
        try:
            lines = path.read_bytes().splitlines(keepends=True)
        except OSError:
            continue
        kept = [line for line in lines if not _names(erased, line)]
        if len(kept) < len(lines):
            yield path, kept, len(lines) - len(kept)


def _names(erased: Erased, line: bytes) -> bool:
    return _says(erased, line.decode("utf-8", "replace"))


def _says(erased: Erased, text: str) -> bool:
    return erased.text(text) != text
