"""The catalogue of each language has every text, no other one, and the same places to fill in."""

from __future__ import annotations

import re
from contextlib import closing
from datetime import date

import pytest
from psycopg2.extensions import make_dsn

from pulse import environ, languages
from pulse.tenancy import client_role, role_password
from pulse_superset import connections, replica
from tests.support.database import TestDatabase
from tests.support.texts import sources

GERMAN = languages.catalogue("de")
# Words that German has taken over, names, and formats.
SAME = {
    *(
        "%",
        "%s s",
        "Bugs",
        "Dashboards",
        "Elite",
        "Epic",
        "Flow",
        "Name",
        "PDF (A4)",
        "PDF (Letter)",
        "Person",
        "Plan",
        "Releases",
        "Review",
    ),
    *(
        "Rollbacks",
        "Service",
        "Services",
        "Sprint",
        "Version",
        "Deployment",
        "Deployments",
        "Release",
        "Status",
        "Builds",
        "· DORA",
    ),
}
PLACE = re.compile(r"%%|%(?:\d\$)?s|\{\w+\}")


def places(text: str) -> list[str]:
    """What is filled in; numbered places may change their order."""
    found = PLACE.findall(text)
    return sorted(found) if all("$" in place or place[0] == "{" or place == "%%" for place in found) else found


def test_every_text_has_a_translation_and_none_is_left_over() -> None:
    found = sources()
    assert len(found) > 400
    assert sorted(found - GERMAN.keys()) == []
    assert sorted(GERMAN.keys() - found) == []


def test_translations_fill_in_the_same_places() -> None:
    assert {source: text for source, text in GERMAN.items() if places(source) != places(text)} == {}
    assert {source for source, text in GERMAN.items() if source == text} <= SAME


@pytest.mark.parametrize("language", languages.LANGUAGES)
def test_the_database_writes_as_python_does(db: TestDatabase, language: str) -> None:
    with db.connect("pulse_owner") as owner:
        owner.execute(f"set local pulse.language = '{language}'".encode())
        for month in range(1, 13):
            day = date(2026, month, 31 if month in (1, 3, 5, 7, 8, 10, 12) else 9)
            assert owner.execute("select core.day_text(%s)", [day]).fetchone() == (languages.day(language, day),)
        row = owner.execute("select core.display_text('ratio', 0.1234), core.say('no value')").fetchone()
        assert row == (f"{languages.number(language, 12.3)} %", languages.say(language, "no value"))
        # A setting of the installation or the client stands above the language's own separators.
        owner.execute("set local pulse.separators = '''.'")
        assert owner.execute("select core.figures('1,234.5')").fetchone() == ("1'234.5",)


def test_a_clients_number_format_stands_above_the_languages(db: TestDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    client = db.add_client("acme")
    db.wait_replica()
    for name, value in db.conn_env().items() | {("PULSE_DATABASE", db.name)}:
        monkeypatch.setenv(name, value)
    for language, given, shown in (("de", "1'234.5", "50.0 %"), ("en", "1 234,5", "50,0 %"), ("de", None, "50,0 %")):
        separators = languages.separators_of(given)
        with replica.reading(client_role(client), "test", language, separators) as cursor:
            cursor.execute("select core.display_text('ratio', 0.5) as shown")
            assert cursor.fetchone()["shown"] == shown
        options = {"host": environ.REPLICA_HOST.get(), "port": environ.REPLICA_PORT.get(), "dbname": db.name}
        login = {
            "user": client_role(client),
            "password": role_password(environ.READER_SECRET.get(), client_role(client)),
        }
        made = connections._speaking((language, separators), make_dsn(**options, **login))
        with closing(made), made.cursor() as cursor:
            cursor.execute("select core.display_text('ratio', 0.5)")
            assert cursor.fetchone() == (shown,)


def test_a_language_that_is_not_there_is_english(db: TestDatabase) -> None:
    with db.connect("pulse_owner") as owner:
        owner.execute("set local pulse.language = 'xx'")
        assert owner.execute("select core.say('no value'), core.display_text('ratio', 0.5)").fetchone() == (
            "no value",
            "50.0 %",
        )


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("fr,en;q=0.5,de;q=0.1", "en"),
        ("*", "en"),
        ("x" * 5000, "en"),
        ("de_DE.UTF-8;=,,", "de"),
    ],
)
def test_the_language_of_a_browser(header: str | None, language: str) -> None:
    assert languages.best(header) == language
