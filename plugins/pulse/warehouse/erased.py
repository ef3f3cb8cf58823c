"""People who were erased do not come back: their pseudonym stands wherever an upstream names them.

The tables know them by salted hashes alone (core.erased). So a text is cut into words, and what could be a login, name,
address or account id is hashed and looked up. Where a person stands (an author, an assignee), a text counts as a whole.
Elsewhere it is looked for as whole words; a login that is also an ordinary word of the client only behind an @.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg

from pulse.warehouse.connect import client_transaction

_WORDS = re.compile(r"\w+")
# An object with one of these is a person.
_PERSON_HAS = frozenset({"accountId", "displayName", "emailAddress", "login"})
_PERSONS = frozenset(
    {
        *("login", "author", "author_login", "actor", "actor_login", "user", "creator", "creator_login", "assignee"),
        *("reporter", "accountid", "displayname", "emailaddress", "email", "committer", "reviewer", "commenters"),
        *("mergedby", "updateauthor", "who"),
    }
)
# Changes of these fields of an issue name people in from, fromString, to and toString.
_PERSON_FIELDS = frozenset({"assignee", "reporter", "creator"})


@dataclass(frozen=True)
class Identity:
    """How one login, name, address or account id is recognised, and what stands in its place."""

    identity_hash: str
    words: int
    everywhere: bool
    pseudonym: str


class Erased:
    """The erased people of one client."""

    def __init__(self, salt: str, identities: Iterable[Identity]) -> None:
        self._salt = salt
        self._known = {one.identity_hash: one for one in identities}
        self._lengths = sorted({one.words for one in self._known.values()}, reverse=True)
        self._looked_up: dict[str, Identity | None] = {}

    def __bool__(self) -> bool:
        return bool(self._known)

    @classmethod
    def of(cls, conn: psycopg.Connection[Any]) -> Erased:
        """Those of the client that this transaction works for, as pulse_etl or pulse_ingest."""
        rows = conn.execute(
            "select salt, identity_hash, words, everywhere, pseudonym from core.erased_people()"
        ).fetchall()
        return cls(rows[0][0] if rows else "", [Identity(*row[1:]) for row in rows])

    @classmethod
    def of_client(cls, conn: psycopg.Connection[Any], client_id: int) -> Erased:
        """Those of a client, in a transaction of its own."""
        with client_transaction(conn, client_id):
            return cls.of(conn)

    def payload(self, value: Any) -> Any:
        """A record, with pseudonyms in the place of names."""
        return self._walk(value, person=False)

    def reject(self, payload: str) -> str:
        """The payload of a reject: a record as JSON, or a text."""
        try:
            record = json.loads(payload)
        except ValueError:
            return self.text(payload)
        changed = self.payload(record)
        return payload if changed == record else json.dumps(changed, ensure_ascii=False)

    def column(self, name: str, value: Any) -> Any:
        """The value of a table's column: text, list or JSON."""
        return self._walk(value, person=name.lower() in _PERSONS)

    def text(self, text: str) -> str:
        """A text, with pseudonyms in the place of names. What has them already stays as it is."""
        if not self._known:
            return text
        words = [(found.start(), found.end()) for found in _WORDS.finditer(text)]
        parts, done, place = [], 0, 0
        while place < len(words):
            for length in self._lengths:
                if place + length > len(words):
                    continue
                start, end = words[place][0], words[place + length - 1][1]
                known = self._identity(text[start:end])
                if known is None or known.words != length or not _stands_alone(text, start, end):
                    continue
                if known.everywhere or (start > 0 and text[start - 1] == "@"):
                    parts += [text[done:start], known.pseudonym]
                    done, place = end, place + length - 1
                    break
            place += 1
        return "".join([*parts, text[done:]]) if parts else text

    def _walk(self, value: Any, *, person: bool) -> Any:
        if isinstance(value, str):
            known = self._identity(value.strip()) if person else None
            return known.pseudonym if known else self.text(value)
        if isinstance(value, list):
            return [self._walk(item, person=person) for item in value]
        if isinstance(value, Mapping):
            person = person or not _PERSON_HAS.isdisjoint(value)
            of_people = str(value.get("fieldId") or value.get("field") or "").lower() in _PERSON_FIELDS
            return {
                name: self._walk(item, person=person or of_people or str(name).lower() in _PERSONS)
                for name, item in value.items()
            }
        return value

    def _identity(self, text: str) -> Identity | None:
        if text not in self._looked_up:
            if len(self._looked_up) > 100_000:
                self._looked_up.clear()
            self._looked_up[text] = self._known.get(digest(self._salt, text))
        return self._looked_up[text]


def digest(salt: str, identity: str) -> str:
    """What core.erased holds of a login, name, address or account id."""
    plain = " ".join(identity.split()).casefold()
    return hmac.new(salt.encode(), plain.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def words_of(identity: str) -> int:
    """Of how many words it consists."""
    return len(_WORDS.findall(identity))


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Whether the words stand for themselves, and are not part of a longer login or address (ada-fix, x.ada@…, ada@…)."""
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    if before[-1:] in ("-", "+", ".") and before[:1].isalnum() and len(before) == 2:
        return False
    return not (after[:1] in ("-", "+", ".", "@") and after[1:].isalnum())
