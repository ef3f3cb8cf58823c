"""What an admin declares: the JSON of the Variable pulse_client_<slug>, as a typed and checked model."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union
from zoneinfo import ZoneInfo, available_timezones

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic.json_schema import SkipJsonSchema

from pulse import addresses
from pulse.clients.base import Declared, repeated
from pulse.clients.embedding import Embedding
from pulse.clients.explain import Mistake, mistakes_of
from pulse.clients.integration import CommonIntegration
from pulse.clients.masking import hidden_keys, hidden_part, is_hidden, masked_places, refusal
from pulse.clients.served import SLUG
from pulse.clients.settings import Settings
from pulse.clients.sign_in import SingleSignOn
from pulse.clients.weak_passwords import bad_hash, weakness
from pulse.source_types import declarations

VARIABLE_PREFIX = "pulse_client_"
MAX_LOGO_BYTES = 200_000
_COLOUR = r"^#[0-9A-Fa-f]{6}$"
_SCRIPTED_SVG = re.compile(r"<script|on\w+\s*=|javascript:|<foreignObject|<!ENTITY", re.IGNORECASE)

_HOST = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+$"
Language = Literal["en", "de"]
ThemeMode = Literal["light", "dark", "system"]
NumberFormat = Literal["1,234.5", "1.234,5", "1 234,5", "1'234.5"]
Colour = Annotated[str, Field(pattern=_COLOUR, examples=["#2456C8"])]


class SpecError(ValueError):
    """A client's Variable is not acceptable. One line per mistake: client, field, what is wrong, what to do."""

    def __init__(self, text: str, mistakes: Sequence[Mistake] = ()) -> None:
        super().__init__(text)
        self.mistakes = list(mistakes)


class Branding(Declared):
    """How the client's dashboards look."""

    app_name: str = Field("", max_length=60, description="title of the application; default: the client's name")
    logo: str = Field(
        "", description="`data:` URI of an SVG or PNG, at most 200 kB, without scripts; default: a wordmark of the name"
    )
    primary_color: Colour = Field("#2456C8", description="main colour in light mode, as #RRGGBB")
    primary_color_dark: Colour = Field("#7FA8FF", description="main colour in dark mode")
    accent_color: Colour = Field("#F2A900", description="second colour of charts")
    chart_colors: list[Colour] = Field(
        [],
        max_length=8,
        description="the colours of series in charts, in this order; default: the two above and others made from them. One that"
        " could not be seen in light or in dark mode is drawn lighter or darker",
        examples=[["#2456C8", "#F2A900", "#0F9F7F"]],
    )
    theme_mode: ThemeMode = Field(
        "system", description="light or dark mode for the client's people; `system`: as each person's device"
    )
    icon: str = Field(
        "",
        description="`data:` URI of a square SVG or PNG, as for `logo`: the icon in the browser's tab and on a phone's home"
        " screen; default: a pulse line on the main colour",
    )
    font: Literal["sans", "system", "serif"] = Field(
        "sans",
        description="the letters of dashboards and pages: `sans` (Inter, served with the dashboards), or those of the reader's"
        " machine: `system` or `serif`. No page asks another host for a font",
    )
    number_format: NumberFormat | None = Field(
        None, description="how numbers are written, in texts and charts; default: as the reader's language has it"
    )
    host_name: str | None = Field(
        None,
        pattern=_HOST,
        max_length=253,
        description="a host name of the dashboards at which the sign-in page has this brand; a name belongs to one client",
        examples=["numbers.example.com"],
    )
    on_sign_in_page: bool = Field(
        False,
        description="the sign-in page has this brand at `/login/?client=<slug>`: then strangers can see that you are a client",
    )

    @field_validator("logo", "icon")
    @classmethod
    def _logo_is_an_inline_image(cls, value: str) -> str:
        if not value:
            return value
        if not re.match(r"data:image/(svg\+xml|png)(;base64|;utf8|;charset=utf-8)?,", value):
            raise ValueError("must be a data: URI of type image/svg+xml or image/png")
        if len(value) > MAX_LOGO_BYTES:
            raise ValueError(f"is too large ({len(value)} bytes): at most {MAX_LOGO_BYTES} are allowed")
        content = _decoded(value)
        if "svg" in value.partition(",")[0] and _SCRIPTED_SVG.search(content):
            raise ValueError("contains a script: export the SVG without scripts, event handlers and foreign objects")
        return value


def _decoded(data_uri: str) -> str:
    import base64
    from urllib.parse import unquote

    head, _, body = data_uri.partition(",")
    if ";base64" not in head:
        return unquote(body)
    try:
        return base64.b64decode(body, validate=False).decode("utf-8", "replace")
    except ValueError:
        raise ValueError("is not valid base64: paste the whole data: URI") from None


class User(Declared):
    """One login of the client. Without a password's hash, the person gets an invitation by mail."""

    email: str = Field(
        pattern=addresses.PATTERN,
        max_length=addresses.LONGEST,
        description="the login; an address belongs to one client. Without a password, the person is invited by mail",
        examples=["ceo@example.com"],
    )
    name: str = Field("", max_length=120, description="the person's name")
    role: Literal["executive", "manager", "client_admin"] = Field(
        "executive", description="the person's role; a `client_admin` also has the page People"
    )
    theme_mode: ThemeMode | None = Field(
        None,
        description="light or dark mode; `system`: as the person's device; default: the client's `branding.theme_mode`",
    )
    language: Language | None = Field(
        None, description="the language of what the person sees and gets by mail; default: the client's `language`"
    )
    reports: list[Literal["weekly", "monthly", "signals"]] = Field(
        [],
        description="the brief by mail: `weekly` and `monthly` (on the first day of a week or month), and `signals` (once when a"
        " number moves by more than chance, or a target is reached or missed; between 6:00 and 20:00)",
        examples=[["monthly", "signals"]],
    )
    scrypt: SecretStr | None = Field(
        None,
        description="the hash of the person's password, `scrypt:32768:8:1$<salt>$<hex>`; without it, the person sets one: best",
    )
    # Old names: Airflow hides their values.
    password: SkipJsonSchema[SecretStr | None] = None
    password_hash: SkipJsonSchema[SecretStr | None] = None

    @field_validator("email")
    @classmethod
    def _lower(cls, value: str) -> str:
        return value.lower()

    @field_validator("reports")
    @classmethod
    def _once_each(cls, value: list[str]) -> list[str]:
        if twice := repeated(value):
            raise ValueError(f"'{twice}' is listed twice: remove one")
        return sorted(value)

    @model_validator(mode="after")
    def _one_credential(self) -> User:
        given = [name for name in ("scrypt", "password", "password_hash") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"{self.email}: give only one of {', '.join(given)}; or none, to invite the person")
        if self.password is not None and (why := weakness(self.password.get_secret_value(), self.email)):
            raise ValueError(f"{self.email}: the password {why}")
        if self.hash is not None and (why := bad_hash(self.hash)):
            raise ValueError(f"{self.email}: {given[0]} {why}")
        return self

    @property
    def hash(self) -> str | None:
        """The declared hash of the password."""
        declared = self.scrypt or self.password_hash
        return declared.get_secret_value() if declared else None


if TYPE_CHECKING:
    Integration = CommonIntegration
else:
    Integration = Annotated[Union[tuple(declarations().values())], Field(discriminator="type")]  # noqa: UP007


class ClientSpec(Declared):
    """One client company: the content of the Variable pulse_client_<slug>."""

    name: str = Field(min_length=1, max_length=80, description="the company's name, as its people see it")
    active: bool = Field(True, description="`false` removes the DAG and the logins and keeps the data")
    time_zone: str = Field(
        "UTC", description="IANA name; days, weeks and months begin there", examples=["Europe/Berlin"]
    )
    language: Language = Field(
        "en", description="the language of its people: English or German; a person may have another one"
    )
    schedule_minutes: int = Field(60, ge=1, le=10080, description="minutes between two runs")
    branding: Branding = Field(
        default_factory=lambda: Branding.model_validate({}), description="how the dashboards look"
    )
    users: list[User] = Field([], description="the client's logins")
    sso: SingleSignOn = Field(
        default_factory=lambda: SingleSignOn.model_validate({}), description="who signs in through a provider"
    )
    embedding: Embedding = Field(
        default_factory=lambda: Embedding.model_validate({}), description="what sites of the client may show in a frame"
    )
    settings: Settings = Field(
        default_factory=lambda: Settings.model_validate({}), description="what counts in the metrics: see below"
    )
    integrations: list[Integration] = Field([], description="where the data comes from")

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in available_timezones():
            near = get_close_matches(value, available_timezones(), n=1)
            raise ValueError(f"'{value}' is not an IANA time zone" + (f": did you mean '{near[0]}'?" if near else ""))
        ZoneInfo(value)
        return value

    @field_validator("integrations")
    @classmethod
    def _unique_integrations(cls, value: list[Integration]) -> list[Integration]:
        if twice := repeated(one.name or one.type for one in value):
            raise ValueError(f"the name '{twice}' is used twice: give each its own 'name'")
        return value

    @field_validator("users")
    @classmethod
    def _unique_users(cls, value: list[User]) -> list[User]:
        if twice := repeated(user.email for user in value):
            raise ValueError(f"'{twice}' is listed twice: remove one")
        return value


def parse_spec(slug: str, text: str, way_out: str = "") -> ClientSpec:
    """The checked declaration of a client.

    Raises SpecError with one line per mistake, each with the client, the field and what to do (`way_out`: where to correct
    it; by default in the Variable). The values of secret fields are never repeated.
    """
    if wrong := wrong_slug(slug):
        mistake = Mistake(
            "the name", f"the Variable's name must be {VARIABLE_PREFIX}<slug>; {wrong}. Rename the Variable", slug
        )
        raise SpecError(f"client {slug}: {mistake.rule}.", [mistake])
    masked = masked_places(_json(text))
    mistakes = [Mistake(path, refusal(path)) for path in masked]
    try:
        spec = ClientSpec.model_validate_json(text)
    except ValidationError as error:
        # What a mask breaks besides is no mistake of its own.
        found = mistakes_of(error, json_schema())
        mistakes += [one for one in found if not any(path.startswith(one.field) for path in masked)]
    if mistakes:
        way_out = way_out or f"Correct it in Admin > Variables > {VARIABLE_PREFIX}{slug} and trigger sync_clients."
        lines = [f"client {slug}: {_sentence(str(mistake))} {way_out}" for mistake in mistakes]
        raise SpecError("\n".join(lines), mistakes)
    return spec


def wrong_slug(slug: str) -> str | None:
    """Why a slug cannot be used, as the rest of a sentence; None if it can."""
    if not SLUG.fullmatch(slug):
        return "the slug has 2 to 40 lower-case letters, digits and underscores, and starts with a letter"
    if is_hidden(slug):
        return (
            f"Airflow hides the whole value of a Variable whose name contains a word like '{hidden_part(slug)}', so that its"
            " form would store '***': choose another slug"
        )
    return None


def old_names(text: str) -> list[str]:
    """A line for each key of an acceptable Variable whose value Airflow hides, with the way out."""
    return hidden_keys(_json(text))


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:  # the model says what is wrong with it
        return None


def _sentence(text: str) -> str:
    return text if text.endswith("?") else f"{text}."


@cache
def json_schema() -> dict[str, Any]:
    """The JSON Schema of the Variable, as published in docs/client.schema.json."""
    return ClientSpec.model_json_schema()
