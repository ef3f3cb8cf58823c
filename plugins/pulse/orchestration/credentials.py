"""Where an integration's token comes from: the Airflow Connection, or the client's encrypted Variable."""

from __future__ import annotations

from dataclasses import replace

from airflow.sdk import BaseHook, Variable
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.sdk.log import mask_secret

from pulse.clients.masking import is_masked
from pulse.clients.spec import VARIABLE_PREFIX, parse_spec
from pulse.errors import ConfigError
from pulse.sources.base import Credential, Integration


def credential_for(integration: Integration) -> Credential:
    """The integration's login and token, masked in every log from now on.

    Empty for an API that needs none (http_json with the auth kind none). Raises ConfigError with the client, the
    integration, the Connection and what to do.
    """
    if _auth_kind(integration) == "none":
        return Credential(None, "")
    credential = _from_connection(integration.connection_id) or _from_variable(integration)
    if credential is None:
        raise ConfigError(
            client=integration.client_slug,
            source=integration.name,
            message=f"there is no token: the Connection {integration.connection_id} does not exist or has no password",
            remedy=f"add it in Admin > Connections (id {integration.connection_id}, a type that begins with Pulse, password = the"
            " token" + _login_hint(integration),
        )
    if is_masked(credential.token):
        raise ConfigError(
            client=integration.client_slug,
            source=integration.name,
            message=f"the token in {integration.connection_id} is '***', which Airflow shows instead of a secret: it was saved"
            " from a form that hid it",
            remedy="enter the token again",
        )
    mask_secret(credential.token)
    return replace(credential, mask=mask_secret)


def _auth_kind(integration: Integration) -> str:
    """The auth kind of an http_json integration; empty for the other types, which have only one."""
    if integration.integration_type != "http_json":
        return ""
    return str((integration.config.get("auth") or {}).get("kind", ""))


def _login_hint(integration: Integration) -> str:
    if integration.integration_type == "jira":
        return ", login = the e-mail address for Cloud, empty for a personal access token of Data Center)"
    return ", login = the user name)" if _auth_kind(integration) == "basic" else ")"


def _from_connection(conn_id: str) -> Credential | None:
    try:
        connection = BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        return None
    return Credential(connection.login or None, connection.password) if connection.password else None


def _from_variable(integration: Integration) -> Credential | None:
    text = Variable.get(f"{VARIABLE_PREFIX}{integration.client_slug}", default=None)
    if text is None:
        return None
    for declared in parse_spec(integration.client_slug, text).integrations:
        if (declared.type, declared.name or declared.type) == (integration.integration_type, integration.name):
            return Credential(declared.login, declared.token.get_secret_value()) if declared.token else None
    return None
