"""Custom fields: how they are found by name among a site's fields, and how their values are stored."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pulse.sources.jira import endpoints
from pulse.sources.jira.text import plain_text

TEXT_CHARACTERS = 2000


@dataclass(frozen=True)
class CustomFields:
    """Field ids of a site. `known`: by the meaning that Pulse gives them. `named`: by the name that the client declared."""

    known: Mapping[str, list[str]] = field(default_factory=dict)
    named: Mapping[str, list[str]] = field(default_factory=dict)

    @classmethod
    def found(cls, fields: Iterable[Any], wanted: Iterable[str]) -> CustomFields:
        """Look up the names in the site's list of fields, ignoring case; several fields may share a name."""
        ids: dict[str, list[str]] = {}
        for one in fields:
            if isinstance(one, dict) and one.get("id"):  # one without an id cannot be asked for
                ids.setdefault(_plain(str(one.get("name") or "")), []).append(str(one["id"]))
        known = {
            meaning: sorted(field_id for name in names for field_id in ids.get(name, []))
            for meaning, names in endpoints.CUSTOM_FIELDS.items()
        }
        return cls(known, {name: sorted(ids.get(_plain(name), [])) for name in wanted})

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> CustomFields:
        """From the form that a scope carries."""
        return cls(value.get("known") or {}, value.get("named") or {})

    def to_json(self) -> dict[str, Any]:
        """The inverse of from_json."""
        return {"known": dict(self.known), "named": dict(self.named)}

    def ids(self) -> list[str]:
        """The ids to request."""
        found = [one for ids in (*self.known.values(), *self.named.values()) for one in ids]
        return list(dict.fromkeys(found))

    def values(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The values that an issue's payload keeps: for several fields of one name, the first that is filled."""
        kept: dict[str, Any] = {}
        for meaning, ids in self.known.items():
            value = _STORED.get(meaning, lambda value: value)(_first(given, ids))
            if value is not None:
                kept[f"_{meaning}"] = value
        custom = {name: _trimmed_value(_first(given, ids)) for name, ids in self.named.items()}
        custom = {name: value for name, value in custom.items() if value is not None}
        return {**kept, "_custom": custom} if custom else kept


def _first(given: Mapping[str, Any], ids: list[str]) -> Any:
    return next((given[one] for one in ids if given.get(one) is not None), None)


def _plain(name: str) -> str:
    return re.sub(r"\s+", " ", name).strip().lower()


def _sprints(value: Any) -> Any:
    """Only the ids of an issue's sprints, because a sprint's name and state change without updating the issue."""
    if value is None:
        return None
    return [_sprint_id(one) for one in (value if isinstance(value, list) else [value])]


def _sprint_id(value: Any) -> Any:
    """From an object (Cloud), or from Data Center's text: …Sprint@1f39706[id=1,rapidViewId=2,…]."""
    if isinstance(value, dict):
        return int(value["id"])
    found = re.search(r"[\[,]id=(\d+)", str(value))
    return int(found[1]) if found else str(value)


def _development(value: Any) -> str | None:
    """The summary of branches, commits and pull requests, as text."""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True) if isinstance(value, dict) else ""
    return text[:TEXT_CHARACTERS] if text not in ("", "{}") else None


def _trimmed_value(value: Any) -> Any:
    """A named field's value without addresses and similar; documents as plain text, long texts cut."""
    if isinstance(value, dict):
        if value.get("type") == "doc":
            return plain_text(value)[:TEXT_CHARACTERS]
        keep = ("id", "key", "name", "value", "accountId", "displayName", "child")
        return {name: _trimmed_value(value[name]) for name in keep if name in value}
    if isinstance(value, list):
        return [_trimmed_value(one) for one in value]
    return value[:TEXT_CHARACTERS] if isinstance(value, str) else value


_STORED = {"sprints": _sprints, "development": _development}
