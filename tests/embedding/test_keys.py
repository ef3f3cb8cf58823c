"""What an admin declares and makes for embedding: checked, noted in the audit, and stored as a hash."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest

from pulse import embedding
from pulse.clients.settings import effective_settings
from pulse.clients.spec import SpecError, parse_spec
from pulse.clients.sync import sync_client
from tests.support.database import TestDatabase

GOOD = {"origins": ["https://intranet.example"], "dashboards": ["executive-overview", "delivery"]}


def declared(**values: Any) -> Any:
    return parse_spec("initech", json.dumps({"name": "Initech", "embedding": values}))


@pytest.fixture
def admin(db: TestDatabase, monkeypatch: pytest.MonkeyPatch) -> psycopg.Connection[Any]:
    monkeypatch.setenv("PULSE_READER_SECRET", db.cluster.secrets.readers)
    return db.connect("pulse_admin", autocommit=True)


def test_without_a_word_about_it_nothing_is_embedded() -> None:
    assert (declared().embedding.origins, declared().embedding.dashboards) == ([], [])


@pytest.mark.parametrize(
    "origin", ["https://a.example", "https://a.example:8443", "http://127.0.0.1:8000", "http://localhost"]
)
def test_an_origin_is_taken_as_it_is(origin: str) -> None:
    assert declared(**{**GOOD, "origins": [origin]}).embedding.origins == [origin]


@pytest.mark.parametrize(
    "origin",
    [
        *(
            "*",
            "https://*",
            "https://*.example",
            "a.example",
            "//a.example",
            "https:",
            "https://",
            "null",
            "'self'",
            "data:",
        ),
        *(
            "https://a.example/",
            "https://a.example/path",
            "https://a.example?x",
            "https://a.example#x",
            "https://A.example",
        ),
        *("https://me:secret@a.example", "https://a.example:", "https://a.example:99999", "https://a.example:x"),
        *(
            "https://a.example; script-src *",
            "https://a.example, https://b.example",
            "https://a.example https://b.example",
        ),
        *(
            "https://é.example",
            "https://-a.example",
            "https://a..example",
            "http://a.example",
            "http://10.0.0.1",
            "ftp://a.example",
        ),
        *("https://a.example\\@b.example", "https://a.example%0d%0ax: y", "HTTPS://a.example", "https://" + "a" * 300),
    ],
)
def test_what_is_no_origin_is_refused(origin: str) -> None:
    with pytest.raises(SpecError, match=r"client initech: embedding\.origins\[0\]: .*(origin|https).*Correct it in"):
        declared(**{**GOOD, "origins": [origin]})


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"origins": GOOD["origins"]}, "embedding: needs both"),
        ({"dashboards": GOOD["dashboards"]}, "embedding: needs both"),
        ({**GOOD, "dashboards": ["evidence", "evidence"]}, "'evidence' is listed twice"),
        ({**GOOD, "origins": GOOD["origins"] * 2}, "listed twice"),
        ({**GOOD, "origins": [f"https://a{number}.example" for number in range(21)]}, "at most 20"),
        ({**GOOD, "dashboards": ["portfolio"]}, "there is no dashboard 'portfolio'; there are: .*executive-overview"),
        ({**GOOD, "dashboards": ["../x"]}, "there is no dashboard"),
        ({**GOOD, "dashboards": [7]}, r"embedding\.dashboards\[0\]"),
        ({**GOOD, "dashboards": "evidence"}, r"embedding\.dashboards"),
        ({**GOOD, "domains": ["a.example"]}, r"embedding\.domains"),
    ],
)
def test_other_mistakes_are_named(values: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError, match=f"client initech: .*{said}"):
        declared(**values)


def test_keys_need_a_client_that_embeds(admin: psycopg.Connection[Any]) -> None:
    with pytest.raises(embedding.KeyProblem, match="no active client initech"):
        embedding.make(admin, "initech")
    sync_client(admin, "initech", declared())
    with pytest.raises(embedding.KeyProblem, match=r"initech embeds nothing: set embedding\.origins"):
        embedding.make(admin, "initech")
    sync_client(admin, "initech", declared(**GOOD))
    with pytest.raises(embedding.KeyProblem, match="one line"):
        embedding.make(admin, "initech", "two\nlines")
    with pytest.raises(embedding.KeyProblem, match="no embedding key 99"):
        embedding.revoke(admin, "initech", 99)


def test_a_key_is_stored_as_a_hash_and_noted(db: TestDatabase, admin: psycopg.Connection[Any]) -> None:
    sync_client(admin, "initech", declared(**GOOD))
    key_id, key = embedding.make(admin, "initech", "intranet")
    embedding.revoke(admin, "initech", key_id)
    embedding.revoke(admin, "initech", key_id)
    (stored,) = embedding.stored(admin, "initech")
    assert (stored.id, stored.label, stored.revoked_at is not None) == (key_id, "intranet", True)
    with db.cluster.primary.connect(database=db.name) as superuser:
        (row,) = superuser.execute("select k::text from core.embed_keys k").fetchall()
        noted = superuser.execute("select kind, what from audit.log where kind like 'key %' order by id").fetchall()
    assert key.removeprefix("pulse_embed_") not in row[0]
    assert noted == [
        ("key made", f"embedding key {key_id}, intranet"),
        ("key revoked", f"embedding key {key_id}"),
    ]


def test_embedding_is_no_setting_of_the_numbers_and_goes_with_its_declaration(
    admin: psycopg.Connection[Any],
) -> None:
    client_id = sync_client(admin, "initech", declared(**GOOD)).client_id
    rows = "select setting_key, setting_value from core.system_settings where client_id = %s and setting_key like 'embed.%%'"
    assert dict(admin.execute(rows, [client_id]).fetchall()) == {f"embed.{name}": value for name, value in GOOD.items()}
    assert effective_settings({f"embed.{name}": value for name, value in GOOD.items()}).refused == []
    sync_client(admin, "initech", declared())
    assert admin.execute(rows, [client_id]).fetchall() == []
