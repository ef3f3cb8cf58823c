"""What an operator and a client's Variable may declare about sign-in providers."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest

from pulse.clients.spec import SpecError, parse_spec
from pulse.clients.sync import sync_client
from pulse.sso import BadProvider, providers
from tests.support.database import TestDatabase

GOOD = {"name": "okta", "issuer": "https://id.example", "client_id": "pulse"}
SETTINGS = {"provider": "okta", "domains": ["initech.example"]}


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """The installation has one provider."""
    monkeypatch.setenv("PULSE_OIDC_NAMES", "okta")


def parsed(**sso: Any) -> Any:
    return parse_spec("initech", json.dumps({"name": "Initech", "sso": sso}))


def test_a_provider_has_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PULSE_OIDC_PROVIDERS", raising=False)
    assert providers() == {}
    monkeypatch.setenv("PULSE_OIDC_PROVIDERS", json.dumps([GOOD, {**GOOD, "name": "house", "client_secret": "hidden"}]))
    found = providers()
    assert (found["okta"].label, found["okta"].everyone, found["okta"].roles_claim) == ("okta", False, "groups")
    assert "hidden" not in repr(found["house"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[{", "is not JSON"),
        ("{}", "must be a list"),
        ('["okta"]', r"\[0\] must be an object"),
        (json.dumps([{"name": "okta", "issuer": "https://id.example"}]), "client_id is missing"),
        (json.dumps([{**GOOD, "secret": "x"}]), "secret is unknown: use .*client_secret"),
        (json.dumps([{**GOOD, "name": "Okta!"}]), "name must have lower-case"),
        (json.dumps([{**GOOD, "issuer": "http://id.example"}]), "must begin with https"),
        (json.dumps([{**GOOD, "issuer": "https://a:b@id.example"}]), "without login"),
        (json.dumps([{**GOOD, "issuer": "https://"}]), "the provider's address"),
        (json.dumps([{**GOOD, "everyone": "yes"}]), "everyone must be true or false"),
        (json.dumps([{**GOOD, "client_id": ""}]), "client_id must be a text"),
        (json.dumps([GOOD, GOOD]), "used twice"),
    ],
)
def test_a_provider_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch, text: str, said: str) -> None:
    monkeypatch.setenv("PULSE_OIDC_PROVIDERS", text)
    with pytest.raises(BadProvider, match=f"PULSE_OIDC_PROVIDERS.*{said}"):
        providers()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"provider": "Okta"}, "sso.provider"),
        ({"domains": ["gmail.com"]}, "anybody can have an address"),
        ({"domains": ["Initech.example"]}, "not the domain"),
        ({"domains": ["@initech.example"]}, "not the domain"),
        ({"domains": ["*.example"]}, "not the domain"),
        ({"domains": ["localhost"]}, "not the domain"),
        ({"domains": "initech.example"}, "sso.domains"),
        ({"create": True}, "needs sso.provider and sso.domains"),
        ({"only": True, "provider": "okta"}, "needs sso.provider and sso.domains"),
        ({**SETTINGS, "create": True}, "needs sso.roles"),
        ({**SETTINGS, "roles": {"all": "admin"}}, "sso.roles"),
        ({**SETTINGS, "roles": {"": "executive"}}, "sso.roles"),
        ({**SETTINGS, "everyone": True}, "sso.everyone"),
    ],
)
def test_a_setting_that_cannot_work_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError, match=f"client initech: .*{said}"):
        parsed(**settings)


def test_good_settings_are_accepted() -> None:
    spec = parsed(**SETTINGS, **{"create": True, "only": True, "roles": {"boards": "client_admin"}})
    assert spec.sso.domains == ["initech.example"]


def test_a_domain_belongs_to_one_client(db: TestDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSE_READER_SECRET", db.cluster.secrets.readers)
    admin = db.connect("pulse_admin", autocommit=True)
    first = sync_client(admin, "initech", parsed(**SETTINGS)).client_id
    with pytest.raises(SpecError, match=r"client other: sso.domains: 'initech.example' is a domain of client initech"):
        sync_client(admin, "other", parsed(**SETTINGS))
    assert sync_client(admin, "initech", parsed(**SETTINGS)).rows_written == 0
    with db.connect("pulse_auth", autocommit=True) as auth:

        def found(provider: str, domain: str) -> Any:
            return auth.execute("select core.sso_client(%s, %s)", [provider, domain]).fetchone()

        assert found("okta", "initech.example") == (first,)
        assert found("other", "initech.example") == (None,)
        assert found("okta", "example") == (None,)
        # Should two claim it all the same, it is nobody's.
        db.set_setting(db.add_client("third"), "sso.domains", ["initech.example"])
        assert found("okta", "initech.example") == (None,)


def test_a_provider_that_is_not_there_is_named(db: TestDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    admin = db.connect("pulse_admin", autocommit=True)
    for names, said in (("house,entra", "there are: house, entra"), ("", "there is none")):
        monkeypatch.setenv("PULSE_OIDC_NAMES", names)
        with pytest.raises(SpecError, match=f"client initech: sso.provider: .*'okta' .{said}.*PULSE_OIDC_PROVIDERS"):
            sync_client(admin, "initech", parsed(**SETTINGS))
    assert admin.execute("select count(*) from core.clients").fetchone() == (0,)


def test_nobody_is_created_outside_the_domain(db: TestDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """Superset's login for accounts, whatever it asks for."""
    monkeypatch.setenv("PULSE_READER_SECRET", db.cluster.secrets.readers)
    admin = db.connect("pulse_admin", autocommit=True)
    sync_client(admin, "initech", parsed(**SETTINGS, **{"create": True, "roles": {"a": "executive"}}))
    with db.connect("pulse_auth", autocommit=True) as auth:

        def outcome(email: str, role: str | None = "executive", provider: str = "okta") -> Any:
            row = auth.execute(
                "select core.sso_sign_in(%s, true, %s, 'issuer subject', 'A', %s)", [provider, email, role]
            ).fetchone()
            assert row
            return row[0]

        assert outcome("a@elsewhere.example") == "unknown"
        assert outcome("a@initech.example", provider="other") == "unknown"
        assert outcome("a@x@initech.example") == "unknown"
        assert outcome("a@initech.example", role=None) == "no role"
        with pytest.raises(psycopg.errors.InvalidParameterValue):
            outcome("a@initech.example", role="staff")
        with pytest.raises(psycopg.errors.InvalidParameterValue):
            outcome("A@initech.example")
        assert outcome("a@initech.example") == "in"
    assert admin.execute("select email, origin from core.users").fetchall() == [("a@initech.example", "sso")]
