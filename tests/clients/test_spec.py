"""Every mistake in a client's Variable is reported with client, field and what to do; secrets are never repeated."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest

from pulse.clients.passwords import hash_password, verifies
from pulse.clients.spec import SpecError, parse_spec
from pulse.clients.streams import OPTIONAL, REQUIRED
from pulse.clients.weak_passwords import weakness
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
    ("path", "value", "field", "expected"),
    [
        ("time_zone", "Europe/Berln", "time_zone", "Europe/Berlin"),
        ("time_zon", "UTC", "time_zon", "time_zone"),
        ("name", "", "name", "at least 1"),
        ("schedule_minutes", 0, "schedule_minutes", "a whole number from 1 to 10080"),
        ("users/0/email", "nobody", "users[0].email", "pattern"),
        ("users/0/role", "king", "users[0].role", "executive"),
        ("users/0/reports", ["daily"], "users[0].reports", "weekly"),
        ("users/0/reports", ["weekly", "weekly"], "users[0].reports", "twice"),
        ("users/0/password", "short", "users[0]", "12 characters"),
        ("users/0/password", "ceo@initech.example", "users[0]", "e-mail"),
        ("users/0/password", "CEO@Initech.Example", "users[0]", "e-mail"),
        ("users/0/password", "initech.example", "users[0]", "e-mail"),
        ("users/0/password", "ceo@initech.example1!", "users[0]", "e-mail"),
        ("users/0/password", "aaaaaaaaaaaaaaaa", "users[0]", "different characters"),
        ("users/0/password", "abcdeabcdeabcde", "users[0]", "repeats"),
        ("users/0/password", "abcdefghijklmnop", "users[0]", "row of the keyboard"),
        ("users/0/password", "qwertyuiopasdfgh", "users[0]", "row of the keyboard"),
        ("users/0/password", "987654321098765", "users[0]", "row of the keyboard"),
        ("users/0/password", "Password123456", "users[0]", "tried first"),
        ("users/0/password", "!!Welcome2026!!!", "users[0]", "tried first"),
        ("users/0/password", "adminpassword", "users[0]", "tried first"),
        ("users/0/password", "1985-07-23-0815", "users[0]", "tried first"),
        ("users/0/password", "x y z w v " * 26, "users[0]", "at most 256"),
        ("users/1", {"email": "ceo@initech.example", "password": SECRET}, "users: ", "listed twice"),
        ("integrations/0/base_url", "no url", "integrations[0].base_url", "URL"),
        ("integrations/0/organization", "a b", "integrations[0].organization", "pattern"),
        ("integrations/0/type", "gitlab", "integrations[0]", "github"),
        ("integrations/1", {"type": "github", "organization": "x"}, "integrations: ", "used twice"),
        ("branding/primary_color", "blue", "branding.primary_color", "pattern"),
        ("branding/logo", "https://example.com/logo.svg", "branding.logo", "data:"),
        ("branding/icon", "data:image/png;base64,iVBOR", "branding.icon", "not valid base64"),
        ("branding/logo", "data:image/svg+xml,<svg onload=alert(1)>", "branding.logo", "script"),
        (
            "settings",
            {"dora.minimum_samples": 3},
            'settings["dora.minimum_samples"]',
            "did you mean 'dora.minimum_sample'?",
        ),
        (
            "settings",
            {"dora.minimum_sample": "many"},
            'settings["dora.minimum_sample"]',
            "a whole number from 1 to 1000",
        ),
        (
            "settings",
            {"dora.production_environments": ["("]},
            '["dora.production_environments"][0]',
            "not a regular expression",
        ),
        ("settings", {"dora.workflow_pattern": "prod*+"}, "settings", "write it without '*+'"),
        ("settings", {"dora.production_branches": [r"^(a|b)/\1$"]}, "settings", r"write it without '\1'"),
        ("settings", {"dora.incident_rule": {"types": []}}, "settings", "types"),
        ("settings", {"dora.incident_rule": {"match": "all"}}, "settings", "nothing to match"),
        ("settings", {"dora.jira_services": {"ops": "shop"}}, "settings", "not the key of a Jira project"),
        (
            "settings",
            {"dora.working_calendar": {"workdays": ["Monday"]}},
            '["dora.working_calendar"].workdays[0]',
            "'Monday' is not a date",
        ),
        (
            "settings",
            {"dora.working_calendar": {"holidays": ["20261225"]}},
            '["dora.working_calendar"].holidays[0]',
            "'20261225' is not a date",
        ),
    ],
)
def test_a_mistake_is_named(path: str, value: Any, field: str, expected: str) -> None:
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
    assert expected in message
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
    passwords = {
        f"{who}@{slug}.example": f"correct horse {who}"
        for who in ("ceo", "manager")
        for slug in ("techcorp", "acme", "recorded")
    }
    clients = demo_clients("http://127.0.0.1:1", passwords)
    clients["recorded"] = recorded_client("http://127.0.0.1:1", passwords)
    for slug, client in clients.items():
        assert parse_spec(slug, json.dumps(client.variable)).users


def test_all_mistakes_are_named_at_once_with_examples() -> None:
    settings = {
        "dora.minimum_sample": True,
        "dora.services": [{"name": "billing"}],
        "dora.incident_rule": {"label": ["incident"]},
        "dora.working_calendar": {"holidays": ["2026-12-25"], "workdays": ["2026-12-25"]},
        "dora.teams": [{"name": name, "services": ["x"]} for name in ("Payments", "payments")],
        "feature.jira": "no",
        "quality.facts_lost": "ignore",
        "unheard.of": 1,
    }
    with pytest.raises(SpecError) as caught:
        parse_spec("initech", json.dumps(GOOD | {"settings": settings, "time_zone": "Mars", "nam": "x"}))
    lines = str(caught.value).splitlines()
    assert all(line.startswith("client initech: ") and "pulse_client_initech" in line for line in lines)
    for expected in (
        'settings["dora.minimum_sample"]: must be a whole number from 1 to 1000.',
        'settings["dora.services"][0].repository: is required (example: [{"',
        'settings["dora.services"][0].paths: is required (example: [{"',
        """settings["dora.incident_rule"].label: unknown field: did you mean 'labels'? (example: {""",
        "settings[\"dora.working_calendar\"]: '2026-12-25' is listed in holidays and in workdays: remove it",
        "settings[\"dora.teams\"]: the name 'payments' is used twice: give each its own name (example: [{",
        'settings["feature.jira"]: must be true or false.',
        "settings[\"quality.facts_lost\"]: must be 'block', 'warn' or 'off'.",
        'settings["unheard.of"]: unknown field: docs/client-variable.md',
        "time_zone: 'Mars' is not an IANA time zone",
        "nam: unknown field: did you mean 'name'?",
    ):
        assert [line for line in lines if line.startswith(f"client initech: {expected}")], expected
    assert len(lines) == 11


@pytest.mark.parametrize("text", ["", "{"])
def test_broken_json_says_where_it_breaks(text: str) -> None:
    with pytest.raises(SpecError, match=r"the JSON: is not valid: EOF .* at line 1"):
        parse_spec("initech", text)


def test_one_value_of_several_types_is_one_mistake() -> None:
    with pytest.raises(SpecError) as caught:
        parse_spec("initech", custom(params={"page": [1]}))
    assert str(caught.value).count("client initech") == 1
    assert "streams[0].params.page: must be text or a whole number or true or false" in str(caught.value)


@pytest.mark.parametrize(
    "parameters",
    [
        "1:8:1",
        "32767:8:1",
        "8192:8:1",
        "1073741824:8:1",
        "262144:8:1",
        "32768:1:1",
        "32768:64:1",
        "32768:8:0",
        "32768:8:99",
    ],
)
def test_absurd_parameters_of_a_hash_are_refused(parameters: str) -> None:
    stored = hash_password("correct horse battery")
    changed = stored.replace("32768:8:1", parameters, 1)
    for given, good in ((stored, True), (changed, False)):
        user = {"email": "ceo@initech.example", "password_hash": given}
        document = json.dumps({**GOOD, "users": [user]})
        if good:
            assert parse_spec("initech", document).users
        else:
            with pytest.raises(
                SpecError, match=r"client initech: users\[0\].*password_hash has parameters out of range"
            ):
                parse_spec("initech", document)


@pytest.mark.parametrize(
    "password", ["correct horse battery", "h573x54t6grv7niu", "Tr0ub4dor&3-staple", "sommer regen katze tee"]
)
def test_good_passwords_are_accepted(password: str) -> None:
    assert weakness(password, "ceo@initech.example") is None


def test_passwords_are_salted_and_verified() -> None:
    one, two = hash_password("correct horse battery"), hash_password("correct horse battery")
    assert one != two
    assert verifies("correct horse battery", one)
    assert not verifies("wrong horse battery!", one)
    assert not verifies("x", "plain")


DEPLOYS: dict[str, Any] = {
    "name": "deploys",
    "entity": "deployments",
    "path": "/deployments",
    "fields": {"id": "id", "service": "service", "result": "state", "created_at": "start", "finished_at": "end"},
    "values": {"result": {"ok": "success", "broken": "failure", "running": None}},
    "constants": {"environment": "production"},
}


def custom(**changes: Any) -> str:
    """A Variable with one custom source whose stream differs by `changes`; None removes a field."""
    stream = {name: value for name, value in (DEPLOYS | changes).items() if value is not None}
    source = {"type": "http_json", "base_url": "https://deploys.example", "token": SECRET, "streams": [stream]}
    return json.dumps({"name": "Initech", "integrations": [source]})


def test_a_custom_source_is_stored_as_json_without_its_secret() -> None:
    text = custom(since={"param": "after"}, pagination={"kind": "cursor"}, params={"all": True, "of": "prod", "n": 3})
    declared = parse_spec("initech", text).integrations[0]
    config = json.loads(json.dumps(declared.config()))
    assert SECRET not in json.dumps(config)
    assert config["auth"] == {"kind": "bearer", "name": ""}
    [stream] = config["streams"]
    assert stream["pagination"] == {
        "kind": "cursor",
        "size": 100,
        "param": "cursor",
        "next": "next_cursor",
        "size_param": "limit",
    }
    assert stream["since"] == {"param": "after", "format": "iso"}
    assert stream["params"] == {"all": True, "of": "prod", "n": 3}
    assert stream["values"] == DEPLOYS["values"]
    again = parse_spec(
        "initech",
        json.dumps(
            {
                "name": "Initech",
                "integrations": [{"type": "http_json", "base_url": "https://deploys.example", **config}],
            }
        ),
    )
    assert again.integrations[0].config() == config


@pytest.mark.parametrize(
    ("changes", "field", "expected"),
    [
        ({"fields": DEPLOYS["fields"] | {"servce": "x"}}, "streams[0]", "deployments have no field 'servce'"),
        ({"constants": {}}, "streams[0]", "'environment' is required for deployments"),
        ({"entity": "incidents"}, "streams[0]", "incidents have no field 'finished_at'"),
        (
            {"fields": DEPLOYS["fields"] | {"approved_at": "x"}},
            "streams[0]",
            "deployments have no field 'approved_at'",
        ),
        (
            {"constants": {"environment": "x", "approved_at": "y"}},
            "streams[0]",
            "deployments have no field 'approved_at'",
        ),
        ({"entity": "builds"}, "streams[0].entity", "deployments"),
        ({"fields": None}, "streams[0].fields", "required"),
        ({"fields": DEPLOYS["fields"] | {"sha": " "}}, "streams[0]", "the path of 'sha' is empty"),
        (
            {"constants": {"environment": "x", "service": "y"}},
            "streams[0]",
            "'service' is in both fields and constants",
        ),
        ({"constants": {"environment": "x", "url": "y"}}, "streams[0]", "'url' differs between records"),
        ({"values": {"result": {"ok": "fine"}}}, "streams[0]", "'fine' must be success or failure"),
        ({"values": {"created_at": {"a": "b"}}}, "streams[0]", "'created_at' must be a text field"),
        (
            {"values": {"environment": {"a": "b"}}},
            "streams[0]",
            "'environment' must be a text field that is also in fields",
        ),
        ({"path": "deployments"}, "streams[0].path", "start it with one '/'"),
        ({"path": "//evil.example/x"}, "streams[0].path", "start it with one '/'"),
        ({"path": "https://evil.example/x"}, "streams[0].path", "start it with one '/'"),
        ({"path": "/x?a=1"}, "streams[0].path", "params"),
        ({"name": "My deploys"}, "streams[0].name", "pattern"),
        ({"pagination": {"kind": "pages"}}, "streams[0].pagination", "'page'"),
        ({"pagination": {"kind": "page", "size": 0}}, "streams[0].pagination.size", "a whole number from 1 to 1000"),
        ({"pagination": {"kind": "none", "size": 5}}, "streams[0].pagination.size", "unknown field"),
        ({"since": {"param": "after", "format": "date"}}, "streams[0].since.format", "epoch_ms"),
        ({"feilds": {}}, "streams[0].feilds", "did you mean 'fields'"),
    ],
)
def test_a_mistake_in_a_stream_is_named(changes: dict[str, Any], field: str, expected: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_spec("initech", custom(**changes))
    message = str(caught.value)
    assert f"client initech: integrations[0].{field}: " in message
    assert expected in message
    assert SECRET not in message


@pytest.mark.parametrize(
    ("changes", "field", "expected"),
    [
        ({"streams": [DEPLOYS, DEPLOYS]}, "streams", "'deploys' is used twice"),
        ({"streams": []}, "streams", "at least 1"),
        ({"base_url": f"https://me:{SECRET}@deploys.example"}, "base_url", "contains a login"),
        ({"base_url": f"https://deploys.example/?key={SECRET}"}, "base_url", "contains a query"),
        ({"base_url": "ftp://deploys.example"}, "base_url", "'http' or 'https'"),
        ({"auth": {"kind": "digest"}}, "auth.kind", "'bearer'"),
        ({"auth": {"kind": "bearer", "name": "X"}}, "auth", "has no 'name'"),
        ({"auth": {"kind": "header", "name": "Host"}}, "auth", "cannot carry a secret"),
        ({"auth": {"kind": "header", "name": "X\nY"}}, "auth.name", "pattern"),
        ({"auth": {"kind": "header", "secret": SECRET}}, "auth.secret", "unknown field"),
    ],
)
def test_a_mistake_in_a_custom_source_is_named(changes: dict[str, Any], field: str, expected: str) -> None:
    spec = json.loads(custom())
    spec["integrations"][0] |= changes
    with pytest.raises(SpecError) as caught:
        parse_spec("initech", json.dumps(spec))
    message = str(caught.value)
    assert f"client initech: integrations[0].{field}: " in message
    assert expected in message
    assert SECRET not in message


@pytest.mark.parametrize("entity", ["deployments", "incidents", "changes"])
def test_the_target_fields_are_the_columns(entity: str) -> None:
    """Every column of core.custom_* that is not generated can be filled, and what must not be null is required."""
    text = (Path(ROOT) / "migrations/versions/0003_sources.sql").read_text(encoding="utf-8")
    table = text.partition(f"create table core.custom_{entity} (")[2].partition("primary key")[0]
    lines = [line for line in table.strip().splitlines() if "generated" not in line]
    columns = {line.split()[0]: "not null" in line and "default" not in line for line in lines}
    own = {name for name in columns if name not in ("client_id", "integration_id", "deleted_at")}
    assert own == {*REQUIRED[entity], *OPTIONAL[entity]}
    assert {name for name in own if columns[name]} == set(REQUIRED[entity])


def test_the_examples_of_the_documentation_are_acceptable() -> None:
    text = (Path(ROOT) / "docs" / "adding-a-source.md").read_text(encoding="utf-8")
    [example] = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    spec = parse_spec("initech", example)
    assert [(one.type, one.name) for one in spec.integrations] == [("http_json", "deploy_tool"), ("http_json", "pager")]


@pytest.mark.parametrize(
    ("base_url", "path", "message"),
    [
        ("https://a.example", None, "stream 'deploys': path: is missing"),
        ("https://a.example", "", "stream 'deploys': path: is missing"),
        (None, "/deploys", "base_url: is missing"),
        ("https://a.example", "/deploys", None),
        (None, None, None),
    ],
)
def test_a_source_is_read_at_an_address_or_only_pushed_to(
    base_url: str | None, path: str | None, message: str | None
) -> None:
    fields = {name: name for name in ("id", "service", "environment", "result", "created_at", "finished_at")}
    stream = {"name": "deploys", "entity": "deployments", "fields": fields, **({} if path is None else {"path": path})}
    one = {"type": "http_json", "streams": [stream], **({} if base_url is None else {"base_url": base_url})}
    variable = json.dumps({"name": "Acme", "integrations": [one]})
    if message is None:
        assert parse_spec("acme", variable).integrations[0].url == (base_url or "")
    else:
        with pytest.raises(SpecError, match=message):
            parse_spec("acme", variable)
