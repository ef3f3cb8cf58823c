"""The connection types, and what their forms ask for. The hooks are imported only when a Connection is tested."""

from __future__ import annotations

from typing import Any

_TEXT = {"type": ["string", "null"]}
_UNUSED = ["schema", "port", "host", "extra"]


def provider_info() -> dict[str, Any]:
    """What Airflow asks a provider for (airflow/provider_info.schema.json)."""
    return {
        "package-name": "pulse-airflow",
        "name": "Pulse",
        "description": "Connections that hold the tokens of clients' sources, with a test that says what a token may read.",
        "connection-types": [
            _type(
                "github",
                "Pulse: GitHub",
                {
                    "password": "Token, or the private key of a GitHub App",
                    "login": "App id (only for a GitHub App)",
                },
                {"password": "needs read access to metadata, contents, pull requests, deployments and actions"},
                organization=("Organisation", "The organisation or user to test with.", _TEXT),
                base_url=(
                    "Address of the API",
                    "Empty: https://api.github.com. Enterprise Server: https://HOST/api/v3",
                    _TEXT,
                ),
            ),
            _type(
                "jira",
                "Pulse: Jira",
                {
                    "password": "API token (Cloud) or personal access token (Data Center)",
                    "login": "E-mail (only Cloud)",
                },
                {"login": "owner of the token; needs the permission Browse projects"},
                base_url=("Address of the site", "To test with, such as https://acme.atlassian.net", _TEXT),
            ),
            _type(
                "http",
                "Pulse: any API",
                {"password": "Token or key", "login": "User name (only with basic)"},
                {"password": "read access is enough"},
                base_url=("Address of the API", "To test with, such as https://deploys.example/api", _TEXT),
                path=("Path to test", "Below the address, such as /v1/deployments", _TEXT),
                kind=(
                    "How the key is sent",
                    "As the integration's auth.kind",
                    {"type": "string", "enum": ["bearer", "basic", "header", "query"], "default": "bearer"},
                ),
                name=(
                    "Name of the header or parameter",
                    "With header and query; as the integration's auth.name",
                    _TEXT,
                ),
            ),
        ],
    }


def _type(
    kind: str, title: str, labels: dict[str, str], hints: dict[str, str], /, **fields: tuple[str, str, dict[str, Any]]
) -> dict[str, Any]:
    return {
        "connection-type": f"pulse_{kind}",
        "hook-class-name": f"pulse.provider.hooks.{kind.title()}Hook",
        "hook-name": title,
        "ui-field-behaviour": {"hidden-fields": _UNUSED, "relabeling": labels, "placeholders": hints},
        "conn-fields": {
            name: {"label": label, "description": meaning, "schema": schema}
            for name, (label, meaning, schema) in fields.items()
        },
    }
