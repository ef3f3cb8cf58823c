"""Embedding of a client: which sites may show which dashboards in a frame."""

from __future__ import annotations

import ipaddress
import re
from functools import cache
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator, model_validator

from pulse import environ
from pulse.clients.base import Declared, repeated

_HOST = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
_LONGEST = 200


def _is_an_origin(text: str) -> str:
    """One origin exactly, because it goes into a header that says who may frame a page."""
    shown = "write it as https://intranet.example.com: without a path, a wildcard or a login, in small letters"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError(f"'{text}' is not an origin: {shown}") from None
    host = parts.hostname or ""
    rebuilt = f"{parts.scheme}://{host}" + (f":{port}" if port is not None else "")
    if rebuilt != text or len(text) > _LONGEST or not _HOST.fullmatch(host):
        raise ValueError(f"'{text}' is not an origin: {shown}")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_this_machine(host)):
        raise ValueError(f"'{text}' must begin with https://, so that nobody on the way can change the page around it")
    return text


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@cache
def _dashboards() -> tuple[str, ...]:
    """The dashboards that executives have, by the last part of their addresses."""
    import yaml

    files = sorted((environ.ROOT.get() / "superset" / "assets" / "dashboards").glob("*.yaml"))
    specs = {file.stem.replace("_", "-"): yaml.safe_load(file.read_text(encoding="utf-8")) for file in files}
    return tuple(slug for slug, spec in specs.items() if not spec.get("staff"))


def _is_a_dashboard(name: str) -> str:
    if name not in _dashboards():
        raise ValueError(f"there is no dashboard '{name}'; there are: {', '.join(_dashboards())}")
    return name


class Embedding(Declared):
    """What may be shown in a frame of the client's own sites. Stored as core.system_settings `embed.*`; off without both."""

    origins: list[Annotated[str, AfterValidator(_is_an_origin)]] = Field(
        [],
        max_length=20,
        description="the sites that may show the client's dashboards in a frame ([embedding.md](embedding.md)); if empty: none",
        examples=[["https://intranet.example.com"]],
    )
    dashboards: list[Annotated[str, AfterValidator(_is_a_dashboard)]] = Field(
        [],
        description="which dashboards they may show, by the name in the address; if empty: none",
        examples=[["executive-overview"]],
    )

    @field_validator("origins", "dashboards")
    @classmethod
    def _once_each(cls, value: list[str]) -> list[str]:
        if twice := repeated(value):
            raise ValueError(f"'{twice}' is listed twice: remove one")
        return value

    @model_validator(mode="after")
    def _both(self) -> Embedding:
        if bool(self.origins) != bool(self.dashboards):
            raise ValueError("needs both origins and dashboards: set the other one, too, or leave both out")
        return self
