"""The texts in other languages than English: core.translations holds what the catalogues of plugins/pulse/languages say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg

from pulse import languages

Connection = psycopg.Connection[Any]

_GIVEN = "unnest(%(languages)s::text[], %(sources)s::text[], %(texts)s::text[]) s (language, source, text)"
_DELETE = f"""
    delete from core.translations t
    where not exists (select from {_GIVEN} where (s.language, s.source) = (t.language, t.source))
"""
_WRITE = f"""
    merge into core.translations t using {_GIVEN} on (t.language, t.source) = (s.language, s.source)
    when matched and t.text <> s.text then update set text = s.text
    when not matched then insert (language, source, text) values (s.language, s.source, s.text)
"""


def files() -> list[Path]:
    """The files that decide what the table holds."""
    return [Path(__file__), *languages.files()]


def load(connection: Connection) -> None:
    """Make the table equal to the catalogues; only rows that differ are written."""
    rows = [
        (language, source, text)
        for language in languages.LANGUAGES
        for source, text in languages.catalogue(language).items()
    ]
    names = ("languages", "sources", "texts")
    values = {name: [row[index] for row in rows] for index, name in enumerate(names)}
    connection.execute(_DELETE, values)
    connection.execute(_WRITE, values)
