"""The hooks of the connection types. All they do is to test a Connection: the sources make their calls themselves."""

from __future__ import annotations

from typing import Any, ClassVar

from airflow.sdk import BaseHook

from pulse.clients.masking import is_masked
from pulse.sources.base import Credential, Integration
from pulse.sources.check import check_source

GITHUB = "https://api.github.com"


class _TokenHook(BaseHook):  # type: ignore[misc]
    """Tests the token of a Connection against the upstream that its fields name."""

    conn_name_attr = "conn_id"
    integration_type: ClassVar[str]
    default_url: ClassVar[str] = ""
    needs: ClassVar[tuple[tuple[str, str], ...]] = (("base_url", "the address"),)

    def __init__(self, conn_id: str) -> None:
        super().__init__()
        self.conn_id = conn_id

    def get_conn(self) -> Any:
        """Not used: Pulse's sources have clients of their own."""
        raise NotImplementedError("this Connection only holds a token")

    def test_connection(self) -> tuple[bool, str]:
        """Whether the token reads all that Pulse needs, and what was found, in sentences."""
        connection = self.get_connection(self.conn_id)
        fields = {
            name: value.strip() if isinstance(value, str) else value for name, value in connection.extra_dejson.items()
        }
        fields["base_url"] = fields.get("base_url") or self.default_url
        if lacking := [label for name, label in self.needs if not fields.get(name)]:
            return False, f"Fill in {' and '.join(lacking)}, and test again."
        token = connection.password or ""
        if not token or is_masked(token):
            return False, "There is no token: enter it in the field for the password, and test again."
        integration = Integration(
            client_id=0,
            client_slug="(test)",
            id=0,
            integration_type=self.integration_type,
            name=self.integration_type,
            base_url=fields["base_url"],
            connection_id="this Connection",
            config=self.config(fields),
        )
        report = check_source(integration, Credential(connection.login or None, token))
        return report.ok, " ".join(report.lines())

    def config(self, fields: dict[str, Any]) -> dict[str, Any]:
        """The integration's declaration, as far as the Connection knows it."""
        return {}


class GithubHook(_TokenHook):
    """GitHub, github.com or an Enterprise Server."""

    conn_type, hook_name = "pulse_github", "Pulse: GitHub"
    integration_type, default_url = "github", GITHUB
    needs = (("organization", "the organisation"),)

    def config(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {"organization": fields["organization"]}


class JiraHook(_TokenHook):
    """Jira, Cloud or Data Center."""

    conn_type, hook_name = "pulse_jira", "Pulse: Jira"
    integration_type = "jira"


class HttpHook(_TokenHook):
    """Any API that answers with JSON."""

    conn_type, hook_name = "pulse_http", "Pulse: any API"
    integration_type = "http_json"

    def config(self, fields: dict[str, Any]) -> dict[str, Any]:
        auth = {"kind": fields.get("kind") or "bearer", "name": fields.get("name") or ""}
        path = str(fields.get("path") or "")
        return {"auth": auth, "streams": [], "path": f"/{path.lstrip('/')}" if path else ""}
