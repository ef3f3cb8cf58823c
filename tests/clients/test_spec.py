"""Every mistake in a client's Variable is named with client, field and way out; secrets are never repeated."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from pulse.clients.passwords import hash_password, verifies
from pulse.clients.spec import SpecError, json_schema, parse_spec
from sandbox.demo import demo_clients, recorded_client
from tests.conftest import ROOT

SECRET = "planted-secret-9231"
GOOD: dict[str, Any] = {
    "name": "Initech",
    "time_zone": "America/Chicago",
    "users": [{"email": "CEO@initech.example", "role": "executive", "password": SECRET}],
    "integrations": [
        {"type": "github", "organization": "initech", "token": SECRET},
        {"type": "jira", "name": "jira", "base_url": "https://initech.atlassian.net/"},
    ],
}


def changed(path: str, value: Any) -> str:
    spec = copy.deepcopy(GOOD)
    target: Any = spec
    *parents, last = path.split("/")
    for part in parents:
        target = target[int(part)] if part.isdigit() else target.setdefault(part, {})
    target[int(last) if last.isdigit() else last] = value
    return json.dumps(spec)


def test_a_good_one_has_defaults() -> None:
    spec = parse_spec("initech", json.dumps(GOOD))
    assert spec.active
    assert spec.schedule_minutes == 60
    assert spec.users[0].email == "ceo@initech.example"
    assert spec.integrations[0].url == "https://api.github.com"
    assert spec.integrations[1].url == "https://initech.atlassian.net"
    assert SECRET not in repr(spec)


@pytest.mark.parametrize(
    ("path", "value", "field", "told"),
    [
        ("time_zone", "Europe/Berln", "time_zone", "Europe/Berlin"),
        ("time_zon", "UTC", "time_zon", "time_zone"),
        ("name", "", "name", "at least 1"),
        ("schedule_minutes", 0, "schedule_minutes", "greater than or equal to 1"),
        ("users/0/email", "nobody", "users[0].email", "pattern"),
        ("users/0/role", "king", "users[0].role", "executive"),
        ("users/0/password", "short", "users[0]", "12 characters"),
        ("users/1", {"email": "ceo@initech.example", "password": SECRET}, "users", "twice"),
        ("integrations/0/base_url", "no url", "integrations[0].base_url", "URL"),
        ("integrations/0/organization", "a b", "integrations[0].organization", "pattern"),
        ("integrations/0/type", "gitlab", "integrations[0]", "github"),
        ("integrations/1", {"type": "github", "organization": "x"}, "integrations", "twice"),
        ("branding/primary_color", "blue", "branding.primary_color", "pattern"),
        ("branding/logo", "https://example.com/logo.svg", "branding.logo", "data:"),
        ("branding/logo", "data:image/svg+xml,<svg onload=alert(1)>", "branding.logo", "script"),
        ("settings", {"dora.minimum_samples": 3}, "settings", "dora.minimum_sample"),
        ("settings", {"dora.minimum_sample": "many"}, "settings", "whole number"),
        ("settings", {"dora.production_environments": ["("]}, "settings", "regular expression"),
        ("settings", {"dora.incident_rule": {"types": []}}, "settings", "types"),
    ],
)
def test_a_mistake_is_named(path: str, value: Any, field: str, told: str) -> None:
    text = json.dumps(GOOD)
    if path in ("users/1",):
        spec = copy.deepcopy(GOOD)
        spec["users"].append(value)
        text = json.dumps(spec)
    else:
        text = changed(path, value)
    with pytest.raises(SpecError) as caught:
        parse_spec("initech", text)
    message = str(caught.value)
    assert message.startswith("client initech: ")
    assert field in message
    assert told in message
    assert "pulse_client_initech" in message
    assert SECRET not in message


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', "null", '{"name": 1}'])
def test_garbage_is_refused_with_the_clients_name(text: str) -> None:
    with pytest.raises(SpecError, match="client initech"):
        parse_spec("initech", text)


@pytest.mark.parametrize("slug", ["", "A", "1abc", "a-b", "x" * 41, "a"])
def test_a_slug_has_to_fit_a_dag_id(slug: str) -> None:
    with pytest.raises(SpecError, match="slug"):
        parse_spec(slug, json.dumps(GOOD))


def test_the_demo_clients_are_declared_like_any_other() -> None:
    passwords = {f"{who}@{slug}.example": "p" * 16 for who in ("ceo", "manager")
                 for slug in ("techcorp", "acme", "recorded")}  # fmt: skip
    clients = demo_clients("http://127.0.0.1:1", passwords)
    clients["recorded"] = recorded_client("http://127.0.0.1:1", passwords)
    for slug, client in clients.items():
        assert parse_spec(slug, json.dumps(client.variable)).users


def test_the_published_schema_is_the_models() -> None:
    """docs/client.schema.json is made by `python -m pulse.clients.spec > docs/client.schema.json`."""
    published = json.loads((Path(ROOT) / "docs" / "client.schema.json").read_text(encoding="utf-8"))
    assert published == json_schema()


def test_passwords_are_salted_and_verified() -> None:
    one, two = hash_password("correct horse battery"), hash_password("correct horse battery")
    assert one != two
    assert verifies("correct horse battery", one)
    assert not verifies("wrong horse battery!", one)
    assert not verifies("x", "plain")
