"""What the SQL computes with: the client's settings, a default for the others, whatever the table holds."""

from __future__ import annotations

import logging

import pytest

from tests.support.database import TestDatabase
from tests.support.world import World, at, steady


def test_a_client_without_settings_has_the_definition_it_always_had(db: TestDatabase) -> None:
    world = World(db)
    world.compute()
    definitions = "select definition_version, settings, time_zone from core.dora_definitions"
    assert world.rows(definitions) == [("pulse-7:16825af5", {}, "UTC")]
    state = "select definition, definition_version from core.dora_state"
    [(digest, version)] = world.rows(state)
    assert version == "pulse-7:16825af5"
    assert world.rows(
        "select md5('pulse-7' || '{}' || 'UTC' || string_agg(integration_id || ' ' || id || ' ' || category, ','"
        " order by integration_id, id) || 'OPS') from core.jira_statuses"
    ) == [(digest,)]


def test_a_stored_value_that_cannot_be_used_does_not_stop_the_stage(
    db: TestDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(db, minimum_sample="many", working_calendar={"days": "mon"}, start_event="opened", hotfix_pattern="(")
    db.set_setting(world.client_id, "quality.orphans", "loud")
    steady(world)
    with caplog.at_level(logging.WARNING, logger="pulse"):
        world.compute(at("2026-02-20 12:00"))
    warnings = [record.getMessage() for record in caplog.records if "stored setting" in record.getMessage()]
    for name in ("dora.minimum_sample", "dora.working_calendar", "dora.hotfix_pattern", "quality.orphans"):
        [line] = [one for one in warnings if name in one]
        assert line.startswith(f"client acme: the stored setting {name}")
        assert "its default counts" in line
        assert "pulse_client_acme" in line
    checks = "select severity from core.quality_results where check_name = 'orphans'"
    assert world.rows(checks) == [("warn",)]


def test_the_severity_of_a_check_is_its_setting(db: TestDatabase) -> None:
    world = World(db)
    severities = "select distinct severity from core.quality_results where check_name = %s"
    world.compute()
    assert world.rows(severities, "incidents_linked") == [("info",)]
    assert world.rows(severities, "orphans") == [("warn",)]
    db.set_setting(world.client_id, "quality.orphans", "block")
    db.set_setting(world.client_id, "quality.incidents_linked", "off")
    world.compute()
    assert world.rows(severities, "incidents_linked") == []
    assert world.rows(severities, "orphans") == [("block",)]
