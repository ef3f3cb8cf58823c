"""What an admin declares: the JSON of the Variable pulse_client_<slug>, as a typed and checked model."""

from __future__ import annotations

import re
from datetime import date
from difflib import get_close_matches
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    AnyHttpUrl,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from pulse.clients.settings import check_setting
from pulse.clients.streams import HttpJsonAuth, Stream

VARIABLE_PREFIX = "pulse_client_"
SLUG = re.compile(r"[a-z][a-z0-9_]{1,39}")
MAX_LOGO_BYTES = 200_000
_COLOUR = r"^#[0-9A-Fa-f]{6}$"
_SCRIPTED_SVG = re.compile(r"<script|on\w+\s*=|javascript:|<foreignObject|<!ENTITY", re.IGNORECASE)

Colour = Annotated[str, Field(pattern=_COLOUR, description="a colour as #RRGGBB")]


class SpecError(ValueError):
    """A client's Variable is not acceptable; one line a mistake: client, field, reason, way out."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, frozen=True)


class Branding(_Model):
    """How the client's dashboards look."""

    app_name: str = Field("", max_length=60, description="title in the browser; default: the client's name")
    logo: str = Field("", description="data: URI of an SVG or PNG, at most 200 kB")
    primary_color: Colour = "#2456C8"
    primary_color_dark: Colour = "#7FA8FF"
    accent_color: Colour = "#F2A900"

    @field_validator("logo")
    @classmethod
    def _logo_is_an_inline_image(cls, value: str) -> str:
        if not value:
            return value
        if not re.match(r"data:image/(svg\+xml|png)(;base64|;utf8|;charset=utf-8)?,", value):
            raise ValueError("must be a data: URI of type image/svg+xml or image/png")
        if len(value) > MAX_LOGO_BYTES:
            raise ValueError(f"is {len(value)} bytes: make the image smaller than {MAX_LOGO_BYTES}")
        if _SCRIPTED_SVG.search(_decoded(value)):
            raise ValueError("carries a script: export the SVG without scripts, handlers and foreign objects")
        return value


def _decoded(data_uri: str) -> str:
    import base64
    from urllib.parse import unquote

    head, _, body = data_uri.partition(",")
    if "svg" not in head:
        return ""
    if ";base64" in head:
        return base64.b64decode(body, validate=False).decode("utf-8", "replace")
    return unquote(body)


class User(_Model):
    """One login of the client; exactly one of password and password_hash."""

    email: str = Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$", max_length=254)
    name: str = Field("", max_length=120)
    role: Literal["executive", "manager", "client_admin"] = "executive"
    theme_mode: Literal["light", "dark", "system"] = "system"
    password: SecretStr | None = Field(None, description="at least 12 characters; stored only as a hash")
    password_hash: SecretStr | None = Field(None, description="scrypt:32768:8:1$<salt>$<hex>")

    @field_validator("email")
    @classmethod
    def _lower(cls, value: str) -> str:
        return value.lower()

    @model_validator(mode="after")
    def _one_credential(self) -> User:
        if (self.password is None) == (self.password_hash is None):
            raise ValueError(f"{self.email}: give either password or password_hash")
        if self.password is not None and len(self.password.get_secret_value()) < 12:
            raise ValueError(f"{self.email}: the password has fewer than 12 characters: choose a longer one")
        if self.password_hash is not None and not re.fullmatch(
            r"scrypt:\d+:\d+:\d+\$[^$]+\$[0-9a-f]{128}", self.password_hash.get_secret_value()
        ):
            raise ValueError(f"{self.email}: password_hash is not of the form scrypt:32768:8:1$<salt>$<hex>")
        return self


class _Integration(_Model):
    name: str = Field("", pattern=r"^[a-z][a-z0-9_]{0,39}$|^$", description="default: the type")
    base_url: AnyHttpUrl
    token: SecretStr | None = Field(None, description="instead of the Connection <type>__<slug>")
    login: str | None = Field(None, description="with token: Jira's e-mail address, or a GitHub App's id")
    active: bool = True
    token_expires: date | None = Field(None, description="the last day of the token, to be warned ahead")

    @property
    def url(self) -> str:
        return str(self.base_url).rstrip("/")

    def _common(self) -> dict[str, Any]:
        return {"token_expires": self.token_expires.isoformat()} if self.token_expires else {}


class GitHubIntegration(_Integration):
    """A GitHub organisation or user account: github.com, GHE.com or an Enterprise Server."""

    type: Literal["github"]
    base_url: AnyHttpUrl = AnyHttpUrl("https://api.github.com")
    organization: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{0,99}$")
    repositories: list[str] = Field(["*"], min_length=1, description="names or patterns such as shop-*")
    exclude_repositories: list[str] = []
    workflow_runs: bool = Field(True, description="extract workflow runs and their jobs")
    pull_request_files: bool = Field(False, description="extract the paths that pull requests change (for a monorepo)")
    installation_id: int | None = Field(None, ge=1, description="of a GitHub App; default: asked of GitHub")

    def config(self) -> dict[str, Any]:
        """What integrations.config_data holds: nothing secret."""
        return {
            "organization": self.organization,
            "repositories": self.repositories,
            "exclude_repositories": self.exclude_repositories,
            "workflow_runs": self.workflow_runs,
            "pull_request_files": self.pull_request_files,
            **({"installation_id": self.installation_id} if self.installation_id else {}),
            **self._common(),
        }


class JiraIntegration(_Integration):
    """A Jira site: Cloud, or Data Center (a personal access token: no login)."""

    type: Literal["jira"]
    projects: list[str] = Field(["*"], min_length=1, description="project keys or patterns")
    custom_fields: list[str] = Field([], max_length=50, description="names of more fields to keep, such as Severity")

    def config(self) -> dict[str, Any]:
        """What integrations.config_data holds: nothing secret."""
        custom = {"custom_fields": self.custom_fields} if self.custom_fields else {}
        return {"projects": self.projects, **custom, **self._common()}


class HttpJsonIntegration(_Integration):
    """Any HTTP endpoint that answers with JSON: its streams become deployments, incidents or changes."""

    type: Literal["http_json"]
    auth: HttpJsonAuth = Field(default_factory=lambda: HttpJsonAuth.model_validate({}))
    streams: list[Stream] = Field(min_length=1, max_length=20)

    @field_validator("base_url")
    @classmethod
    def _nothing_but_an_address(cls, value: AnyHttpUrl) -> AnyHttpUrl:
        if value.username or value.password:
            raise ValueError("carries a login: put it into token and login, or into the Connection")
        if value.query is not None or value.fragment is not None:
            raise ValueError("carries a query: put it into the streams' params")
        return value

    @field_validator("streams")
    @classmethod
    def _unique_streams(cls, value: list[Stream]) -> list[Stream]:
        names = [stream.name for stream in value]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"the name '{twice[0]}' stands twice: give each stream its own")
        return value

    def config(self) -> dict[str, Any]:
        """What integrations.config_data holds: nothing secret."""
        return {
            "auth": self.auth.model_dump(mode="json"),
            "streams": [stream.model_dump(mode="json") for stream in self.streams],
        }


Integration = Annotated[GitHubIntegration | JiraIntegration | HttpJsonIntegration, Field(discriminator="type")]


class ClientSpec(_Model):
    """One client company: the content of the Variable pulse_client_<slug>."""

    name: str = Field(min_length=1, max_length=80)
    active: bool = True
    time_zone: str = Field("UTC", description="IANA name such as Europe/Berlin")
    schedule_minutes: int = Field(60, ge=1, le=10080, description="minutes between two runs")
    branding: Branding = Field(default_factory=lambda: Branding.model_validate({}))
    users: list[User] = []
    settings: dict[str, Any] = Field({}, description="see docs/metrics.md")
    integrations: list[Integration] = []

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in available_timezones():
            near = get_close_matches(value, available_timezones(), n=1)
            raise ValueError(f"'{value}' is no IANA time zone" + (f": did you mean '{near[0]}'?" if near else ""))
        ZoneInfo(value)
        return value

    @field_validator("settings")
    @classmethod
    def _known_settings(cls, value: dict[str, Any]) -> dict[str, Any]:
        for key, setting in value.items():
            check_setting(key, setting)
        return value

    @model_validator(mode="after")
    def _unique_names(self) -> ClientSpec:
        names = [i.name or i.type for i in self.integrations]
        if twice := sorted({n for n in names if names.count(n) > 1}):
            raise ValueError(f"integrations: the name '{twice[0]}' stands twice: give each its own 'name'")
        emails = [user.email for user in self.users]
        if twice := sorted({e for e in emails if emails.count(e) > 1}):
            raise ValueError(f"users: '{twice[0]}' stands twice: remove one")
        return self


def parse_spec(slug: str, text: str) -> ClientSpec:
    """The checked declaration of a client.

    Raises SpecError with one line a mistake, each naming the client, the field and the way out; values of secret
    fields are never repeated.
    """
    if not SLUG.fullmatch(slug):
        raise SpecError(
            f"client {slug}: the Variable's name must be {VARIABLE_PREFIX}<slug> with a slug of 2 to 40 lower-case"
            " letters, digits and underscores that starts with a letter. Rename the Variable."
        )
    try:
        return ClientSpec.model_validate_json(text)
    except ValidationError as error:
        raise SpecError("\n".join(_explain(slug, item) for item in error.errors(include_url=False))) from None


def _explain(slug: str, item: Any) -> str:
    path = ""
    for part in item["loc"]:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    path = re.sub(r"\]\.(github|jira|http_json)(?=\.|$)", "]", path)
    path = re.sub(r"\.pagination\.(none|page|offset|cursor|link)(?=\.|$)", ".pagination", path) or "the JSON"
    message = str(item["msg"]).removeprefix("Value error, ")
    if item["type"] == "extra_forbidden":
        known = sorted(
            {
                name
                for model in (
                    ClientSpec,
                    Branding,
                    User,
                    GitHubIntegration,
                    JiraIntegration,
                    HttpJsonIntegration,
                    Stream,
                )
                for name in model.model_fields
            }
        )
        near = get_close_matches(str(item["loc"][-1]), known, n=1)
        message = "is no known field" + (f": did you mean '{near[0]}'?" if near else ": remove it")
    return (
        f"client {slug}: {path}: {message}."
        f" Correct it in Admin > Variables > {VARIABLE_PREFIX}{slug} and trigger sync_clients."
    )


def json_schema() -> dict[str, Any]:
    """The JSON Schema of the Variable, as published in docs/client.schema.json."""
    return TypeAdapter(ClientSpec).json_schema()


if __name__ == "__main__":
    import json

    print(json.dumps(json_schema(), indent=2))
