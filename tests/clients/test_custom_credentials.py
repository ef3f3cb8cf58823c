"""A custom source's token: not needed without authentication; otherwise the error says what is missing and what to do."""

from __future__ import annotations

from typing import Any

import pytest

from pulse.errors import ConfigError
from pulse.orchestration import credentials
from pulse.sources.base import Credential, Integration


def source(kind: str, integration_type: str = "http_json") -> Integration:
    config: dict[str, Any] = {"auth": {"kind": kind, "name": ""}, "streams": []}
    return Integration(
        1, "acme", 1, integration_type, "deploys", "https://deploys.example", "http_json__acme__deploys", config
    )


@pytest.fixture
def nothing_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow knows neither Connection nor Variable."""
    monkeypatch.setattr(credentials, "_from_connection", lambda conn_id: None)
    monkeypatch.setattr(credentials, "_from_variable", lambda integration: None)


@pytest.mark.usefixtures("nothing_stored")
def test_a_source_without_authentication_needs_no_token() -> None:
    assert credentials.credential_for(source("none")) == Credential(None, "")


@pytest.mark.usefixtures("nothing_stored")
@pytest.mark.parametrize(
    ("kind", "expected"),
    [("bearer", "password = the token)"), ("basic", "password = the token, login = the user name)")],
)
def test_a_missing_token_is_reported_with_what_to_do(kind: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        credentials.credential_for(source(kind))
    assert "client acme, deploys: " in str(caught.value)
    assert "http_json__acme__deploys" in str(caught.value)
    assert expected in str(caught.value)


@pytest.mark.usefixtures("nothing_stored")
def test_other_types_need_a_token() -> None:
    with pytest.raises(ConfigError, match="there is no token"):
        credentials.credential_for(source("none", "github"))
