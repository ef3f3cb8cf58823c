"""What the declarations of integrations have in common. Each type has its own in sources/<type>/declaration.py."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import AnyHttpUrl, Field, SecretStr, field_validator
from pydantic.json_schema import SkipJsonSchema

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
    connection: str = Field(
        "",
        pattern=r"^[A-Za-z0-9_.-]{0,200}$",
        description="the Airflow Connection that holds the token; default: `<type>__<slug>`, or `<type>__<slug>__<name>`",
        examples=["github__acme"],
    )
    token: SkipJsonSchema[SecretStr | None] = None  # an old name: Airflow hides its value
    login: SkipJsonSchema[str | None] = None  # belongs to token
    active: bool = Field(True, description="`false` stops extraction of this source")
    expires_on: date | None = Field(
        None,
        description="the token's last day; for three weeks before it, each run warns. GitHub reports it without this",
        examples=["2026-12-31"],
    )
    token_expires: SkipJsonSchema[date | None] = None  # an old name of expires_on

    @field_validator("connection")
    @classmethod
    def _not_one_of_pulses_own(cls, value: str) -> str:
        if value.startswith("pulse_"):
            raise ValueError(
                f"'{value}' is a Connection that Pulse itself uses: name one that holds this source's token"
            )
        return value

    @field_validator("base_url")
    @classmethod
    def _nothing_but_an_address(cls, value: AnyHttpUrl | None) -> AnyHttpUrl | None:
        if value is None:
            return value
        if value.username or value.password:
            raise ValueError("contains a login: put it into the Connection instead")
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
        last_day = self.expires_on or self.token_expires
        return {"token_expires": last_day.isoformat()} if last_day else {}
