"""A Variable that is opened and saved in Airflow's form declares the same as before, whatever Airflow hides there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from pulse.clients.masking import HIDDEN_NAMES, hidden_keys, is_hidden, masked_places
from pulse.clients.passwords import verifies
from pulse.clients.spec import SpecError, json_schema, old_names, parse_spec
from sandbox import demo
from stack.airflow.demo import DerivedPasswords, _with_hashes

STREAM: dict[str, Any] = {
    "name": "deploys",
    "entity": "deployments",
    "path": "/v1",
    "params": [["page_token_size", 5]],
    "fields": {name: name for name in ("id", "service", "environment", "created_at", "finished_at")} | {"result": "r"},
    "values": {"result": [["token ok", "success"], ["*", None]]},
}
FULL: dict[str, Any] = {
    "name": "Acme",
    "users": [{"email": "ceo@acme.example", "scrypt": demo.password_hash("correct horse battery")}],
    "integrations": [
        {"type": "github", "organization": "acme", "connection": "github_of_all", "expires_on": "2027-01-31"},
        {"type": "http_json", "name": "tool", "base_url": "https://tool.example", "streams": [STREAM]},
    ],
    "settings": {
        "dora.jira_services": [["SECRET", "vault"]],
        "dora.incident_rule": {"fields": [["API key lost", ["yes"]]]},
    },
}


def after_an_edit(variable: dict[str, Any], slug: str = "acme") -> str:
    """What is stored after the Variable was opened in Airflow's form and saved."""
    from airflow._shared.secrets_masker import DEFAULT_SENSITIVE_FIELDS, SecretsMasker

    masker = SecretsMasker()
    masker.sensitive_variables_fields = list(DEFAULT_SENSITIVE_FIELDS)
    return json.dumps(masker.redact(variable, f"pulse_client_{slug}"))


def test_the_list_of_names_is_airflows() -> None:
    from airflow._shared.secrets_masker import DEFAULT_SENSITIVE_FIELDS

    assert set(HIDDEN_NAMES) == DEFAULT_SENSITIVE_FIELDS


def test_no_declared_key_has_a_name_that_airflow_hides() -> None:
    def names(node: Any) -> Iterator[str]:
        for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else []:
            if key == "properties":
                yield from value
            yield from names(value)

    found = set(names(json_schema()))
    assert len(found) > 80
    assert [name for name in sorted(found) if is_hidden(name)] == []


@pytest.mark.parametrize("slug", ["techcorp", "acme", "full"])
def test_an_edit_in_airflows_form_changes_nothing(slug: str) -> None:
    demos = demo.demo_clients("http://127.0.0.1:1", {e: "correct horse" for s in demo.SLUGS for e in _emails(s)})
    variable = FULL if slug == "full" else demos[slug].variable
    assert json.loads(after_an_edit(variable)) == variable
    before, after = parse_spec("acme", json.dumps(variable)), parse_spec("acme", after_an_edit(variable))
    assert before == after
    assert old_names(json.dumps(variable)) == []


def _emails(slug: str) -> list[str]:
    return [user["email"] for user in demo.demo_users(slug)]


def test_the_demo_can_still_log_in_with_its_passwords() -> None:
    given = {"ceo@recorded.example": "correct horse battery"}
    user = parse_spec("acme", json.dumps(demo.recorded_client("http://127.0.0.1:1", given).variable)).users[0]
    assert user.hash is not None
    assert verifies("correct horse battery", user.hash)


def test_an_older_demo_client_gets_its_passwords_back_when_the_sandbox_moves() -> None:
    """Airflow's API shows the old keys as masks, and what it shows is written again."""
    shown = {"name": "Acme", "users": [{"email": email, "password": "***"} for email in _emails("acme")]}
    passwords = DerivedPasswords("secret")
    users = parse_spec("acme", json.dumps(_with_hashes(shown, passwords))).users
    assert [user.hash is not None and verifies(passwords[user.email], user.hash) for user in users] == [True, True]
    foreign = {"users": [{"email": "a@other.example", "password": "***"}]}
    assert masked_places(_with_hashes(foreign, passwords)) == ["users[0].password"]


def test_pairs_are_read_as_an_object() -> None:
    spec = parse_spec("acme", json.dumps(FULL))
    assert spec.settings.given()["dora.jira_services"] == {"SECRET": "vault"}
    assert spec.settings.given()["dora.incident_rule"]["fields"] == {"API key lost": ["yes"]}
    stream = spec.integrations[1].config()["streams"][0]
    assert stream["params"] == {"page_token_size": 5}
    assert stream["values"] == {"result": {"token ok": "success", "*": None}}


@pytest.mark.parametrize(
    ("place", "variable"),
    [
        (
            "integrations[0].token_expires",
            {"integrations": [{"type": "github", "organization": "a", "token_expires": "***"}]},
        ),
        ("integrations[1].streams[0].params.page_token", {"params": {"page_token": "***"}}),
        ("integrations[1].streams[0].values.result.token", {"values": {"result": {"token": "***"}}}),
        ('settings["dora.jira_services"].SECRET', {"settings": {"dora.jira_services": {"SECRET": "***"}}}),
        (
            'settings["dora.incident_rule"].fields.Password[0]',
            {"settings": {"dora.incident_rule": {"fields": {"Password": ["***"]}}}},
        ),
        ("branding.logo", {"branding": {"logo": "***"}}),
        ("users[0].name", {"users": [{"email": "a@b.example", "name": "Ann ***"}]}),
    ],
)
def test_a_mask_is_refused_wherever_it_stands(place: str, variable: dict[str, Any]) -> None:
    if not {"integrations", "settings", "branding", "users"} & set(variable):
        source = {**FULL["integrations"][1], "streams": [{**STREAM, **variable}]}
        variable = {"integrations": [FULL["integrations"][0], source]}
    with pytest.raises(SpecError) as caught:
        parse_spec("acme", json.dumps({"name": "Acme", "time_zone": "Mars", **variable}))
    lines = str(caught.value).splitlines()
    assert [line for line in lines if f"client acme: {place}: is '***'" in line]
    assert [line for line in lines if "time_zone: 'Mars'" in line], "all faults at once"
    assert len(lines) == 2, lines
    assert all("Admin > Variables > pulse_client_acme" in line for line in lines)


def test_old_names_are_read_and_their_way_out_is_said() -> None:
    user = {"email": "ceo@acme.example", "password": "correct horse battery"}
    source = {"type": "github", "organization": "acme", "token": "ghp_x", "token_expires": "2027-01-31"}
    text = json.dumps({"name": "Acme", "users": [user], "integrations": [source]})
    spec = parse_spec("acme", text)
    assert spec.integrations[0].config()["token_expires"] == "2027-01-31"
    lines = old_names(text)
    assert [line.partition(":")[0] for line in lines] == [
        "users[0].password",
        "integrations[0].token",
        "integrations[0].token_expires",
    ]
    assert "call it expires_on" in lines[2]
    assert not any(secret in line for line in lines for secret in ("correct horse", "ghp_x"))
    masked = after_an_edit({"users": [user], "integrations": [source]})
    assert masked_places(json.loads(masked)) == [line.partition(":")[0] for line in lines]


def test_a_boolean_is_not_hidden() -> None:
    assert hidden_keys({"settings": {"feature.token": True}}) == []


@pytest.mark.parametrize("slug", ["secretlab", "proxy_systems", "my_token"])
def test_a_slug_for_which_airflow_hides_everything_is_refused(slug: str) -> None:
    assert set(re.findall(r"\*+", after_an_edit(FULL, slug))) == {"***"}
    with pytest.raises(SpecError, match=f"client {slug}: .*choose another slug"):
        parse_spec(slug, json.dumps(FULL))
    assert json.loads(after_an_edit(FULL, "acme")) == FULL


@pytest.mark.parametrize("connection", ["pulse_admin", "pulse_superset"])
def test_pulses_own_connections_hold_no_token_of_a_source(connection: str) -> None:
    source = {"type": "github", "organization": "acme", "connection": connection}
    with pytest.raises(SpecError, match=r"integrations\[0\]\.connection: .* is a Connection that Pulse itself uses"):
        parse_spec("acme", json.dumps({"name": "Acme", "integrations": [source]}))
