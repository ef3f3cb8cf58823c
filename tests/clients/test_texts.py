"""What an admin writes: no secret that is only Airflow's mask, no text of several lines, no pattern PostgreSQL cannot use."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pulse.clients.spec import SpecError, parse_spec
from pulse.clients.sync import sync_client
from tests.support.database import TestDatabase

PEM = "-----BEGIN KEY-----\nabc\n-----END KEY-----"
USER = {"email": "ceo@acme.example", "password": "correct horse battery"}
GITHUB: dict[str, Any] = {"type": "github", "organization": "acme", "token": PEM}


def mistakes(**variable: Any) -> str:
    with pytest.raises(SpecError) as caught:
        parse_spec("acme", json.dumps({"name": "Acme", **variable}))
    return str(caught.value)


@pytest.mark.parametrize("mask", ["***", " *** ", "********"])
@pytest.mark.parametrize(
    ("place", "variable"),
    [
        ("integrations[0].token", {"integrations": [GITHUB | {"token": "MASK"}]}),
        ("users[0].password", {"users": [USER | {"password": "MASK"}]}),
        ("users[0].password_hash", {"users": [{"email": "ceo@acme.example", "password_hash": "MASK"}]}),
        ("name", {"name": "MASK"}),
    ],
)
def test_airflows_mask_is_no_secret(place: str, variable: dict[str, Any], mask: str) -> None:
    found = mistakes(**json.loads(json.dumps(variable).replace("MASK", mask)))
    assert f"client acme: {place}: is '***', which Airflow shows instead of a secret" in found


@pytest.mark.parametrize("text", ["Acme\n\n# Hello", "Ac\u202eme", "Ac\u200bme", "Acme\tInc"])
def test_a_text_is_one_line(text: str) -> None:
    for place, variable in (
        ("name", {"name": text}),
        ("branding.app_name", {"branding": {"app_name": text}}),
        ("users[0].name", {"users": [USER | {"name": text}]}),
    ):
        found = mistakes(**variable)
        assert f"{place}: contains a line break or an invisible character" in found


def test_a_key_may_have_lines() -> None:
    spec = parse_spec("acme", json.dumps({"name": " Acme\n", "users": [USER], "integrations": [GITHUB]}))
    token = spec.integrations[0].token
    assert token is not None
    assert token.get_secret_value() == PEM
    assert spec.name == "Acme"


@pytest.mark.parametrize(
    ("setting", "value", "reason"),
    [
        ("dora.hotfix_pattern", "a{1,300}", "does not understand the pattern"),
        ("dora.production_branches", ["main", "[[:nothing:]]"], "does not understand the pattern"),
        ("dora.workflow_pattern", "((a{0,200}){0,200}){0,200}", "pattern"),
    ],
)
def test_a_pattern_is_tried_in_postgresql(db: TestDatabase, setting: str, value: Any, reason: str) -> None:
    spec = parse_spec("acme", json.dumps({"name": "Acme", "settings": {setting: value}}))
    admin = db.connect("pulse_admin")
    with pytest.raises(SpecError, match=rf"client acme: settings\.{setting}: PostgreSQL .*{reason}.*pulse_client_acme"):
        sync_client(admin, "acme", spec)
    assert admin.execute("select count(*) from core.clients").fetchone() == (0,)


def test_good_patterns_are_stored(db: TestDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSE_READER_SECRET", db.cluster.secrets.readers)
    settings = {"dora.hotfix_pattern": "(?:hot|quick)fix", "dora.production_branches": ["main", "release/.*"]}
    spec = parse_spec("acme", json.dumps({"name": "Acme", "settings": settings}))
    admin = db.connect("pulse_admin")
    assert sync_client(admin, "acme", spec).rows_written > 0
    stored = admin.execute("select setting_value from core.system_settings where setting_key = 'dora.hotfix_pattern'")
    assert stored.fetchone() == ("(?:hot|quick)fix",)
