"""A setting is declared once; what is stored, computed with and documented follows from the declaration."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from pulse.clients import document
from pulse.clients.setting_types import IncidentRule
from pulse.clients.settings import (
    DEFINITION,
    CostSettings,
    DoraSettings,
    IngestSettings,
    PrivacySettings,
    QualitySettings,
    TargetSettings,
    WorkSettings,
    effective_settings,
)
from pulse.clients.spec import parse_spec
from tests.conftest import ROOT
from tests.dora import model as reference

PINNED: dict[str, Any] = {
    "dora.start_event": "first_commit",
    "dora.commit_date": "authored",
    "dora.exclude_bots": True,
    "dora.direct_pushes": False,
    "dora.production_branches": [],
    "dora.deployment_source": "deployments",
    "dora.workflow_pattern": "deploy|release",
    "dora.workflow_branches": [],
    "dora.production_environments": [r"^prod(uction)?\b"],
    "dora.services": [],
    "dora.teams": [],
    "dora.incident_rule": {
        "source": "jira",
        "match": "any",
        "issue_types": ["Incident"],
        "labels": ["incident"],
        "priorities": [],
        "fields": {},
        "external_labels": [],
    },
    "dora.jira_services": {},
    "dora.incident_window_hours": 168,
    "dora.rollback_window_hours": 24,
    "dora.hotfix_pattern": r"^(hotfix|emergency)\b",
    "dora.minimum_sample": 5,
    "dora.week_start": "monday",
    "dora.working_calendar": None,
    "dora.benchmark_year": 2024,
}


def test_a_changed_default_is_a_new_definition() -> None:
    """Clients that did not set it are computed from scratch only when the definition has another name."""
    defaults = effective_settings({}).values
    changed = {key: defaults[key] for key in PINNED if key in defaults and defaults[key] != PINNED[key]}
    assert (DEFINITION, changed) == ("pulse-7", {}), "raise DEFINITION with a changed default, then update this test"


def test_the_references_own_defaults_are_the_declared_ones() -> None:
    defaults = effective_settings({}).values
    own = asdict(reference.Settings())
    own["incident_rule"] = IncidentRule.model_validate(own["incident_rule"]).model_dump()
    assert own == {name: defaults[f"dora.{name}"] for name in own}


def test_nothing_given_is_every_default() -> None:
    effective = effective_settings({})
    declared = {
        field.alias
        for group in (
            DoraSettings,
            TargetSettings,
            WorkSettings,
            CostSettings,
            PrivacySettings,
            IngestSettings,
            QualitySettings,
        )
        for field in group.model_fields.values()
    }
    assert effective.values.keys() == declared
    assert effective.refused == []
    assert json.loads(json.dumps(effective.values)) == effective.values


def test_what_is_given_counts_and_its_parts_have_defaults_too() -> None:
    stored = {"dora.minimum_sample": 2, "dora.working_calendar": {"days": ["sun"]}, "feature.jira": False}
    effective = effective_settings(stored | {"dora.incident_rule": {"labels": ["sev1"]}, "quality.orphans": "off"})
    assert effective.refused == []
    assert effective.values["dora.minimum_sample"] == 2
    assert effective.values["dora.working_calendar"] == {"days": ["sun"], "holidays": [], "workdays": []}
    assert effective.values["dora.incident_rule"] == PINNED["dora.incident_rule"] | {
        "issue_types": [],
        "labels": ["sev1"],
    }
    assert effective.values["quality.orphans"] == "off"
    assert effective.values["feature.jira"] is False


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("dora.minimum_sample", "many", "dora.minimum_sample: must be a whole number from 1 to 1000"),
        ("dora.minimum_sample", 0, "dora.minimum_sample: must be a whole number from 1 to 1000"),
        ("dora.hotfix_pattern", "(", "dora.hotfix_pattern: '(' is not a regular expression"),
        (
            "dora.services",
            [{"name": "x", "paths": "y"}],
            "dora.services[0].paths: must be a list of regular expressions",
        ),
        ("dora.incident_rule", None, "dora.incident_rule: must be an object"),
        ("quality.orphans", "loud", "quality.orphans: must be 'block', 'warn' or 'off'"),
        ("feature.jira", 1, "feature.jira: must be true or false"),
        ("dora.window_days", 30, "dora.window_days: unknown field"),
    ],
)
def test_a_stored_value_that_cannot_be_used_leaves_the_others_alone(key: str, value: Any, reason: str) -> None:
    effective = effective_settings({key: value, "dora.start_event": "opened", "brand.app_name": "Acme"})
    assert effective.values == effective_settings({"dora.start_event": "opened"}).values
    assert any(line.startswith(reason) for line in effective.refused), effective.refused


def test_what_was_given_is_stored_unchanged() -> None:
    """The definition of the numbers is a digest of it: neither defaults nor another spelling may come in."""
    given = {
        "dora.incident_rule": {"labels": ["b", " a "], "match": "any"},
        "dora.working_calendar": None,
        "dora.services": [{"name": "billing", "repository": "mono", "paths": ["^billing/"]}],
        "dora.minimum_sample": 5,
        "feature.jira": True,
        "quality.facts_lost": "warn",
    }
    assert parse_spec("acme", json.dumps({"name": "Acme", "settings": given})).settings.given() == given


def test_every_setting_is_used_by_sql_and_every_check_is_measured() -> None:
    sql = "\n".join(path.read_text(encoding="utf-8") for path in (Path(ROOT) / "include" / "sql").rglob("*.sql"))
    names = [str(field.alias) for field in DoraSettings.model_fields.values()]
    names += [str(field.alias).removeprefix("quality.") for field in QualitySettings.model_fields.values()]
    assert [name for name in names if f"'{name}'" not in sql] == []


@pytest.mark.parametrize("path", document.wanted(), ids=lambda path: path.name)
def test_the_generated_documentation_is_fresh(path: Path) -> None:
    fresh = document.wanted()[path]
    assert path.read_text(encoding="utf-8") == fresh, "run python -m pulse.clients.document"


def test_the_schema_and_the_tables_name_every_setting() -> None:
    schema = json.loads(document.SCHEMA.read_text(encoding="utf-8"))
    settings = schema["$defs"]["Settings"]
    variable = (document.DOCS / "client-variable.md").read_text(encoding="utf-8")
    metrics = (document.DOCS / "metrics.md").read_text(encoding="utf-8")
    assert settings["properties"].keys() == effective_settings({}).values.keys()
    assert settings["additionalProperties"] is False
    assert all(one.get("description") and "default" in one for one in settings["properties"].values())
    for name in settings["properties"]:
        where, shown = (metrics, name.removeprefix("quality.")) if name.startswith("quality.") else (variable, name)
        assert f"| `{shown}` |" in where
