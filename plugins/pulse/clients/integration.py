"""What the declarations of integrations have in common. Each type has its own in sources/<type>/declaration.py."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import AnyHttpUrl, Field, SecretStr, field_validator

from pulse.clients.base import Declared


class CommonIntegration(Declared):
    """What integrations of every type have. A type's own model adds its `type` (a Literal) and its fields.

    `entities`: what its source stores; each has the table raw.<type>_<entity>, by that name in Page.entity. `indexes`: the
    name of a further index of such a table, and what follows `create index <name> on raw.`. `pushed`: the entities that
    tools may also send. `scopes`: how Airflow calls what one task extracts. `rank`: the place among the types in the
    published schema.
    """

    entities: ClassVar[tuple[str, ...]] = ("records",)
    indexes: ClassVar[dict[str, str]] = {}
    pushed: ClassVar[tuple[str, ...]] = ()
    scopes: ClassVar[str] = "scopes"
    rank: ClassVar[int] = 100

    if TYPE_CHECKING:  # each type's own is a Literal, and no field of this model
        type: str

    name: str = Field(
        "",
        pattern=r"^[a-z][a-z0-9_]{0,39}$|^$",
        description="names the task group and the Connection; default: the type. Required when a type is used twice",
        examples=["github_tools"],
    )
    base_url: AnyHttpUrl = Field(
        description="Jira: the site, or the gateway address for scoped tokens; `http_json`: what all paths begin with",
        examples=["https://example.atlassian.net"],
    )
    token: SecretStr | None = Field(
        None, description="instead of the Connection `<type>__<slug>`; it stays in the encrypted Variable"
    )
    login: str | None = Field(None, description="with `token`: Jira's e-mail address, or a GitHub App's id")
    active: bool = Field(True, description="`false` stops extraction of this source")
    token_expires: date | None = Field(
        None,
        description="the token's last day; for three weeks before it, each run warns. GitHub reports it without this",
        examples=["2026-12-31"],
    )

    @field_validator("base_url")
    @classmethod
    def _nothing_but_an_address(cls, value: AnyHttpUrl | None) -> AnyHttpUrl | None:
        if value is None:
            return value
        if value.username or value.password:
            raise ValueError("contains a login: use token and login, or the Connection, instead")
        if value.query is not None or value.fragment is not None:
            raise ValueError("contains a query: give only scheme, host and path")
        return value

    @property
    def url(self) -> str:
        return str(self.base_url).rstrip("/")

    def config(self) -> dict[str, Any]:
        """What integrations.config_data holds: nothing secret."""
        return self._common()

    def _common(self) -> dict[str, Any]:
        return {"token_expires": self.token_expires.isoformat()} if self.token_expires else {}
