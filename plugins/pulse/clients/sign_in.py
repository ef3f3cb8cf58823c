"""Single sign-on of a client: which provider signs in its people, and what a claim gives them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from pulse.addresses import is_address
from pulse.clients.base import Declared

# Where anybody gets an address: whoever owns one there is not of a company.
PUBLIC_DOMAINS = {
    *("aol.com", "fastmail.com", "gmail.com", "gmx.com", "gmx.de", "gmx.net"),
    *("googlemail.com", "hotmail.com", "icloud.com", "live.com", "mail.com", "mail.ru"),
    *("me.com", "msn.com", "outlook.com", "proton.me", "protonmail.com", "t-online.de"),
    *("tutanota.com", "web.de", "yahoo.com", "yandex.com", "yandex.ru", "zoho.com"),
}


def _is_a_domain(text: str) -> str:
    if text != text.lower() or not is_address(f"a@{text}"):
        raise ValueError(f"'{text}' is not the domain of an e-mail address: write it as example.com, in small letters")
    if text in PUBLIC_DOMAINS:
        raise ValueError(f"anybody can have an address at '{text}': only a domain of the company's own can be used")
    return text


Domain = Annotated[str, AfterValidator(_is_a_domain)]
Role = Literal["executive", "manager", "client_admin"]


class SingleSignOn(Declared):
    """Who signs in through a provider. Stored as core.system_settings `sso.*`; no number depends on it."""

    provider: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")] | None = Field(
        None, description="the name of the installation's provider ([people.md](people.md#single-sign-on))"
    )
    domains: list[Domain] = Field(
        [],
        description="domains of the addresses that the provider may sign in; a domain belongs to one client",
        examples=[["example.com"]],
    )
    roles: dict[Annotated[str, Field(min_length=1)], Role] = Field(
        {}, description="value of the provider's claim: the role that it gives to people who are created"
    )
    create: bool = Field(
        False, description="create people of these domains at their first sign-in, with the role that a claim gives"
    )
    only: bool = Field(False, description="people of these domains can no longer sign in with a password")

    @field_validator("create", "only")
    @classmethod
    def _needs_a_provider(cls, value: bool, info: ValidationInfo) -> bool:
        if value and not (info.data.get("provider") and info.data.get("domains")):
            raise ValueError("needs sso.provider and sso.domains: set them, or leave this one out")
        if value and info.field_name == "create" and not info.data.get("roles"):
            raise ValueError("needs sso.roles, so that a claim of the provider decides who gets in")
        return value
