"""The settings a client may declare, each with its type: an unknown key or a wrong value is refused, not ignored."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from difflib import get_close_matches
from typing import Any


def _integer(low: int, high: int) -> Callable[[Any], str | None]:
    def check(value: Any) -> str | None:
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return None
        return f"must be a whole number from {low} to {high}"

    return check


def _one_of(*names: str) -> Callable[[Any], str | None]:
    return lambda value: None if value in names else f"must be one of {', '.join(names)}"


def _boolean(value: Any) -> str | None:
    return None if isinstance(value, bool) else "must be true or false"


# What Python's regular expressions have and PostgreSQL's have not, or read otherwise; and what is read otherwise once a list
# of them has become one.
_NOT_IN_POSTGRES = re.compile(r"\(\?(?![:=!])|\\[1-9AZzBG]|\\p\{|(?<![\\\[])[*+?}]\+|(?<!\\)\{,")


def _pattern(value: Any) -> str | None:
    try:
        re.compile(value)
    except (re.error, TypeError) as error:
        return f"must be a regular expression ({error})"
    if found := _NOT_IN_POSTGRES.search(value):
        return f"must be a regular expression that PostgreSQL reads alike: write it without '{found[0]}'"
    return None


def _patterns(*, may_be_empty: bool = False) -> Callable[[Any], str | None]:
    def check(value: Any) -> str | None:
        if not isinstance(value, list) or not (value or may_be_empty):
            return "must be a list of regular expressions"
        return next((problem for item in value if (problem := _pattern(item))), None)

    return check


def _names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) and name for name in value)


_RULE_PARTS = ("issue_types", "labels", "priorities", "fields")
_RULE_LISTS = ("issue_types", "labels", "priorities", "external_labels")


def _incident_rule(value: Any) -> str | None:
    if not isinstance(value, dict):
        return 'must be an object such as {"source": "jira", "issue_types": ["Incident"]}'
    if unknown := set(value) - {"source", "match", "fields", *_RULE_LISTS}:
        return f"has the unknown key '{sorted(unknown)[0]}': use source, match, fields, {', '.join(_RULE_LISTS)}"
    if value.get("match", "any") not in ("any", "all"):
        return "match must be any (one part is enough) or all (each part that is given must hold)"
    if value.get("match") == "all" and not any(value.get(part) for part in _RULE_PARTS):
        return f"match is all, of nothing: give one of {', '.join(_RULE_PARTS)}"
    if value.get("source", "jira") not in ("jira", "github", "both"):
        return "source must be jira, github or both"
    for key in _RULE_LISTS:
        if not _names(value.get(key, [])):
            return f"{key} must be a list of names"
    fields = value.get("fields", {})
    if not isinstance(fields, dict) or not all(_names(wanted) for wanted in fields.values()):
        return 'fields must name the values that count, such as {"Severity": ["S1"]}'
    return None


def _objects(
    value: Any,
    required: dict[str, Callable[[Any], str | None]],
    optional: dict[str, Callable[[Any], str | None]],
    example: str,
) -> str | None:
    """What is wrong with a list of objects with these keys and a unique name."""
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        return f"must be a list of objects such as {example}"
    for item in value:
        name = item.get("name") or "?"
        if missing := [key for key in required if key not in item]:
            return f"{name}: '{missing[0]}' is missing: write it as in {example}"
        if unknown := set(item) - {*required, *optional}:
            return f"{name}: has the unknown key '{sorted(unknown)[0]}': use {', '.join([*required, *optional])}"
        for key, check in (required | optional).items():
            if key in item and (problem := check(item[key])):
                return f"{name}: {key} {problem}"
    names = [item["name"].lower() for item in value]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        return f"the name '{twice[0]}' stands twice: give each its own"
    return None


def _name(value: Any) -> str | None:
    return None if isinstance(value, str) and 0 < len(value) <= 80 else "must be a name of at most 80 letters"


def _services(value: Any) -> str | None:
    return _objects(
        value,
        {"name": _name, "repository": _name, "paths": _patterns()},
        {"deployments": _pattern},
        '{"name": "billing", "repository": "mono", "paths": ["^services/billing/"]}',
    )


def _teams(value: Any) -> str | None:
    return _objects(
        value, {"name": _name, "services": _patterns()}, {}, '{"name": "Payments", "services": ["^billing$"]}'
    )


def _jira_services(value: Any) -> str | None:
    if not isinstance(value, dict) or not all(_name(service) is None for service in value.values()):
        return 'must be an object such as {"OPS": "checkout"}: keys of Jira projects, names of services'
    wrong = [key for key in value if not re.fullmatch(r"[A-Z][A-Z0-9_]+", key)]
    return f"'{wrong[0]}' is no key of a Jira project: write it as in OPS-12, without the number" if wrong else None


WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _working_calendar(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, dict) or set(value) - {"days", "holidays", "workdays"}:
        return 'must be null or an object such as {"days": ["mon"], "holidays": ["2026-12-25"], "workdays": ["2026-10-10"]}'
    days = value.get("days", list(WEEKDAYS[:5]))
    if not _names(days) or not days or not set(days) <= set(WEEKDAYS):
        return f"days must be some of {', '.join(WEEKDAYS)}"
    if problem := next((p for key in ("holidays", "workdays") if (p := _dates(key, value.get(key, [])))), None):
        return problem
    both = set(value.get("holidays", [])) & set(value.get("workdays", []))
    return f"'{min(both)}' is among the holidays and the workdays: it can only be one" if both else None


def _dates(key: str, value: Any) -> str | None:
    if not _names(value):
        return f"{key} must be a list of days such as 2026-12-25"
    for day in value:
        try:
            written = date.fromisoformat(day).isoformat()
        except ValueError:
            written = ""
        if written != day:
            return f"{key}: '{day}' is no day: write it as 2026-12-25"
    return None


SETTINGS: dict[str, Callable[[Any], str | None]] = {
    "dora.start_event": _one_of("first_commit", "opened"),
    "dora.commit_date": _one_of("authored", "committed"),
    "dora.deployment_source": _one_of("deployments", "workflow_runs", "releases", "merges", "custom"),
    "dora.workflow_pattern": _pattern,
    "dora.workflow_branches": _patterns(may_be_empty=True),
    "dora.hotfix_pattern": _pattern,
    "dora.production_environments": _patterns(),
    "dora.production_branches": _patterns(may_be_empty=True),
    "dora.services": _services,
    "dora.teams": _teams,
    "dora.working_calendar": _working_calendar,
    "dora.benchmark_year": lambda value: None if value in (2023, 2024, 2025) else "must be 2023, 2024 or 2025",
    "dora.incident_rule": _incident_rule,
    "dora.jira_services": _jira_services,
    "dora.incident_window_hours": _integer(1, 24 * 90),
    "dora.rollback_window_hours": _integer(1, 24 * 30),
    "dora.minimum_sample": _integer(1, 1000),
    "dora.exclude_bots": _boolean,
    "dora.direct_pushes": _boolean,
}
# The checks of include/sql/quality, and how severe each is by itself.
QUALITY_CHECKS = (
    "changes_deployed",
    "changes_without_commit",
    "deployments_with_changes",
    "deployments_without_commit",
    "facts_lost",
    "impossible_orders",
    "incidents_linked",
    "incidents_without_service",
    "negative_durations",
    "orphans",
    "reconciliation",
    "rejected_records",
    "stored_of_upstream",
    "sudden_jump",
)
SETTINGS |= {f"quality.{check}": _one_of("block", "warn", "off") for check in QUALITY_CHECKS}
FEATURE = re.compile(r"feature\.[a-z][a-z0-9_]{0,39}")


def check_setting(key: str, value: Any) -> None:
    """Raise ValueError that names the key and the way out when the setting is unknown or its value is not usable."""
    check = _boolean if FEATURE.fullmatch(key) else SETTINGS.get(key)
    if check is None:
        near = get_close_matches(key, SETTINGS, n=1)
        raise ValueError(
            f"'{key}' is no setting" + (f": did you mean '{near[0]}'?" if near else ": see docs/metrics.md")
        )
    if problem := check(value):
        raise ValueError(f"'{key}' {problem}")
