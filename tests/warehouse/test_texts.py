"""People's texts are stored as one line without invisible characters."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulse.texts import has_trick, is_suspect, one_line, tidy
from pulse.warehouse.loader import Page, RawRow, Reject, load_pages
from tests.support.database import TestDatabase

TRICKS = {
    "Fix\n\n# All clients": "Fix # All clients",
    "Fix\r\n[Report](https://evil.example)": "Fix [Report](https://evil.example)",
    "a\u2028b\u2029c\x85d": "a b c d",
    "cell\tnext\x0bcell\x0c": "cell next cell",
    "pay\u202egnp.exe": "paygnp.exe",
    "\u2066left\u2069": "left",
    "ad\u200bmin": "admin",
    "ad\u200dmin": "admin",
    "\ufeff=1+1": "=1+1",
    "\x01=cmd": "=cmd",
    "\n=cmd": "=cmd",
    "soft\u00adhyphen": "softhyphen",
    "tag\U000e0041": "tag",
}
HONEST = [
    "",
    " two  blanks ",
    "Grüße, 日本語",
    "\N{WOMAN}\u200d\N{PERSONAL COMPUTER}",
    "\u0646\u0645\u06cc\u200c\u062e\u0648",
    "a=b",
    "\\n is no line",
]


@pytest.mark.parametrize("text", TRICKS)
def test_tricks_go(text: str) -> None:
    assert one_line(text) == TRICKS[text]
    assert has_trick(text)
    assert tidy({"a": [{"b": text}]}) == {"a": [{"b": TRICKS[text]}]}


@pytest.mark.parametrize("text", HONEST)
def test_honest_texts_stay(text: str) -> None:
    assert one_line(text) == text
    assert not has_trick(text)


def test_a_text_that_is_only_searched_keeps_its_lines() -> None:
    assert tidy({"body": "One\nThis reverts commit\u200b a", "title": "One\nTwo"}) == {
        "body": "One\nThis reverts commit a",
        "title": "One Two",
    }


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_nothing_that_tidy_changes_is_overlooked(text: str) -> None:
    payload = {"title": text, "body": text}
    assert tidy(payload) == payload or is_suspect(msgspec.json.encode(payload))
    assert not has_trick(one_line(text))
    assert one_line(one_line(text)) == one_line(text)


@pytest.mark.parametrize("entity", ["github_pull_requests", "jira_issues", "http_json_records"])
def test_every_type_passes_the_place_where_records_are_made(db: TestDatabase, entity: str) -> None:
    client_id = db.add_client("acme")
    integration = db.add_integration(client_id, "github")
    conn = db.connect("pulse_etl")
    rows = [RawRow(str(n), "1", {"title": text}) for n, text in enumerate(TRICKS)]
    rejects = [Reject("x", "1", "{}", "title: Fix\n\n# All clients")]
    load_pages(conn, client_id, integration, [Page(entity, rows, rejects)])
    with conn.transaction():
        conn.execute("select set_config('pulse.client_id', %s, true)", [str(client_id)])
        stored = conn.execute(f"select payload ->> 'title' from raw.{entity} order by record_id::integer")  # type: ignore[arg-type]
        assert [title for (title,) in stored] == list(TRICKS.values())
        assert conn.execute("select reason from raw.rejects").fetchone() == ("title: Fix # All clients",)
