"""A custom source's token: none where none is asked for, and a way out that names what is missing."""

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
    ("kind", "told"),
    [("bearer", "password = the token)"), ("basic", "password = the token, login = the user name)")],
)
def test_a_missing_token_is_told_with_the_way_out(kind: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        credentials.credential_for(source(kind))
    assert "client acme, deploys: " in str(caught.value)
    assert "http_json__acme__deploys" in str(caught.value)
    assert told in str(caught.value)


@pytest.mark.usefixtures("nothing_stored")
def test_another_type_cannot_do_without_a_token() -> None:
    with pytest.raises(ConfigError, match="there is no token"):
        credentials.credential_for(source("none", "github"))
