"""The types that settings are made of."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from pulse.clients.base import Exact, repeated
from pulse.clients.masking import object_of_pairs

# Syntax that PostgreSQL lacks or reads differently, also once several patterns have been joined into one.
_NOT_IN_POSTGRES = re.compile(r"\(\?(?![:=!])|\\[1-9AZzBG]|\\p\{|(?<![\\\[])[*+?}]\+|(?<!\\)\{,")


class PatternText(str):
    """A regular expression; sync_clients also tries it in PostgreSQL."""


def _usable_in_postgres(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"'{pattern}' is not a regular expression ({error})") from None
    if found := _NOT_IN_POSTGRES.search(pattern):
        raise ValueError(f"PostgreSQL reads this regular expression differently: write it without '{found[0]}'")
    return PatternText(pattern)


def _is_a_day(text: str) -> str:
    try:
        written = date.fromisoformat(text).isoformat()
    except ValueError:
        written = ""
    if written != text:
        raise ValueError(f"'{text}' is not a date: write it as 2026-12-25")
    return text


def _is_a_project_key(text: str) -> str:
    if not re.fullmatch(r"[A-Z][A-Z0-9_]+", text):
        raise ValueError(f"'{text}' is not the key of a Jira project: write it as in OPS-12, without the number")
    return text


Pattern = Annotated[
    str, AfterValidator(_usable_in_postgres), WithJsonSchema({"type": "string", "format": "regex"}, mode="validation")
]
Day = Annotated[str, AfterValidator(_is_a_day), WithJsonSchema({"type": "string", "format": "date"}, mode="validation")]
Name = Annotated[str, Field(min_length=1, max_length=80)]
Text = Annotated[str, Field(min_length=1)]
ProjectKey = Annotated[str, AfterValidator(_is_a_project_key)]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class Target(Exact):
    """A value that a metric should reach, and by when."""

    value: float = Field(ge=0, le=1_000_000, description="in the unit of the setting")
    by: Day


class Share(Target):
    """A target in percent."""

    value: float = Field(ge=0, le=100, description="in percent")


class Service(Exact):
    """A part of a monorepo that is a service of its own."""

    name: Name
    repository: Name
    paths: list[Pattern] = Field(min_length=1, description="patterns of the files that belong to it")
    deployments: Pattern | None = Field(None, description="pattern of its deployments; default: its name as a word")


class Team(Exact):
    """A set of services."""

    name: Name
    services: list[Pattern] = Field(min_length=1, description="patterns of service names")


class Category(Exact):
    """A kind of work. An item belongs to the first category that one of its lists, or `incidents`, matches."""

    name: Name
    issue_types: list[Text] = []
    labels: list[Text] = []
    epics: list[Pattern] = Field([], description="patterns of the keys and names of epics")
    incidents: bool = Field(False, description="what `dora.incident_rule` calls an incident")
    unplanned: bool = Field(False, description="nobody planned it: it came up")


class IncidentRule(Exact):
    """Which issues are incidents."""

    source: Literal["jira", "github", "both"] = "jira"
    match: Literal["any", "all"] = Field("any", description="one list must match, or every list that is given")
    issue_types: list[Text] = []
    labels: list[Text] = []
    priorities: list[Text] = []
    fields: Annotated[dict[str, list[Text]], BeforeValidator(object_of_pairs)] = Field(
        {}, description="custom field: the values that count"
    )
    external_labels: list[Text] = Field([], description="labels of incidents that no change caused")

    @model_validator(mode="after")
    def _all_of_something(self) -> IncidentRule:
        if self.match == "all" and not (self.issue_types or self.labels or self.priorities or self.fields):
            raise ValueError(
                "match is 'all', but there is nothing to match: add issue_types, labels, priorities or fields"
            )
        return self


class WorkingCalendar(Exact):
    """The days on which a client works."""

    days: list[Weekday] = Field(["mon", "tue", "wed", "thu", "fri"], min_length=1)
    holidays: list[Day] = []
    workdays: list[Day] = Field([], description="days off on which people work")

    @model_validator(mode="after")
    def _one_or_the_other(self) -> WorkingCalendar:
        if both := set(self.holidays) & set(self.workdays):
            raise ValueError(f"'{min(both)}' is listed in holidays and in workdays: remove it from one of them")
        return self


Named = TypeVar("Named", Service, Team, Category)


def unique_names(items: list[Named]) -> list[Named]:
    """Refuse a list in which two items have the same name, in any case. Raises ValueError."""
    if twice := repeated(item.name.lower() for item in items):
        raise ValueError(f"the name '{twice}' is used twice: give each its own name")
    return items
