"""The settings a client may declare, each with its type: an unknown key or a wrong value is refused, not ignored."""

from __future__ import annotations

import re
from collections.abc import Callable
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


def _pattern(value: Any) -> str | None:
    try:
        re.compile(value)
    except (re.error, TypeError) as error:
        return f"must be a regular expression ({error})"
    return None


def _patterns(value: Any) -> str | None:
    if not isinstance(value, list) or not value:
        return "must be a list of regular expressions"
    return next((problem for item in value if (problem := _pattern(item))), None)


def _incident_rule(value: Any) -> str | None:
    if not isinstance(value, dict):
        return 'must be an object such as {"source": "jira", "issue_types": ["Incident"]}'
    if unknown := set(value) - {"source", "issue_types", "labels", "priorities"}:
        return f"has the unknown key '{sorted(unknown)[0]}': use source, issue_types, labels, priorities"
    if value.get("source", "jira") not in ("jira", "github", "both"):
        return "source must be jira, github or both"
    for key in ("issue_types", "labels", "priorities"):
        names = value.get(key, [])
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            return f"{key} must be a list of names"
    return None


SETTINGS: dict[str, Callable[[Any], str | None]] = {
    "dora.start_event": _one_of("first_commit", "opened"),
    "dora.commit_date": _one_of("authored", "committed"),
    "dora.deployment_source": _one_of("deployments", "workflow_runs", "releases", "merges", "custom"),
    "dora.workflow_pattern": _pattern,
    "dora.hotfix_pattern": _pattern,
    "dora.production_environments": _patterns,
    "dora.incident_rule": _incident_rule,
    "dora.incident_window_hours": _integer(1, 24 * 90),
    "dora.rollback_window_hours": _integer(1, 24 * 30),
    "dora.minimum_sample": _integer(1, 1000),
    "dora.exclude_bots": _boolean,
}
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
