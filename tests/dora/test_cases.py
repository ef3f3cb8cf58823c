"""Single cases in which the SQL and the reference once disagreed."""

from __future__ import annotations

import copy
from datetime import datetime

import pytest

from tests.dora import compare
from tests.dora.loading import Loaded
from tests.dora.model import CustomChange, Deployment, Issue, World
from tests.dora.test_reference import at, deploy, world_of
from tests.support.database import TestDatabase


def loaded(db: TestDatabase, world: World) -> Loaded:
    return Loaded.new(db, db.connect("pulse_etl"), world).load()


def test_a_rollback_shows_what_it_undid(db: TestDatabase) -> None:
    """The evidence of a rollback is the deployment before it, not itself."""
    deployments = [
        deploy(1, "a", "2026-03-02 12:00"),
        deploy(2, "b", "2026-03-03 12:00"),
        deploy(3, "a", "2026-03-03 13:00"),
    ]
    assert compare.disagreements(loaded(db, world_of(deployments=deployments))) == []


def test_the_running_week_is_not_complete_on_its_sunday(db: TestDatabase) -> None:
    deployments = [deploy(1, "a", "2026-03-02 12:00"), deploy(2, "b", "2026-03-09 12:00")]
    world = world_of(deployments=deployments, now=at("2026-03-15 12:00"))
    assert compare.disagreements(loaded(db, world)) == []


def test_another_time_zone_moves_the_days_of_deployed_changes_too(db: TestDatabase) -> None:
    world = world_of(deployments=[deploy(1, "a", "2026-03-02 12:00"), deploy(2, "b", "2026-03-09 12:30")])
    first = loaded(db, world)
    moved = copy.deepcopy(first.world)
    moved.time_zone = "Pacific/Auckland"
    first.change_to(moved)
    first.run()
    assert compare.disagreements(first) == []


@pytest.mark.parametrize("short", ["1234567", "abcdefa", "12345678901", "1a34567"])
def test_an_abbreviated_commit_may_be_of_digits_or_letters_only(db: TestDatabase, short: str) -> None:
    end: datetime = at("2026-03-03 12:00")
    world = world_of()
    world.commits[1].sha = world.pull_requests[1].merge_commit_sha = short.ljust(40, "e")
    world.deployments = [Deployment(2, 1, "production", world.commits[1].sha, end, end)]
    world.issues = [Issue(1, "OPS-1", at("2026-03-10 12:00"), description=f"Since {short}.")]
    assert compare.disagreements(loaded(db, world)) == []


def test_nothing_refers_to_deleted_rows(db: TestDatabase) -> None:
    """An incident that named a deployment, and deployments with rework evidence, are deleted at the source."""
    deployments = [
        deploy(1, "a", "2026-03-02 12:00"),
        deploy(2, "b", "2026-03-03 12:00"),
        deploy(3, "a", "2026-03-03 13:00"),
    ]
    world = world_of(deployments=deployments)
    world.issues = [Issue(1, "OPS-1", at("2026-03-04 12:00"), description=f"Since {deployments[1].sha}.")]
    here = loaded(db, world)
    held = ("rework_evidence", "incident_references", "incident_deployments")
    assert [table for table in held if not here.read(f"select client_id from core.{table}")] == []
    after = copy.deepcopy(here.world)
    for record in (*after.deployments[1:], *after.issues):
        record.deleted = True
    here.change_to(after)
    here.run()
    assert [table for table in held if here.read(f"select client_id from core.{table}")] == []
    assert compare.dangling(here) == []
    assert compare.disagreements(here) == []


def reviewed_world() -> World:
    """A custom source's change of the shop, merged as its commit b."""
    world = world_of(deployments=[deploy(1, "a", "2026-03-02 12:00"), deploy(2, "b", "2026-03-03 12:00")])
    opened, merged = at("2026-03-03 01:00"), at("2026-03-03 09:00")
    world.custom_changes = [
        CustomChange("m:1", "Shop", "Change", opened, merged, world.commits[1].sha, approved_at=at("2026-03-03 04:00"))
    ]
    return world


def test_a_custom_change_loses_its_position_with_its_commit(db: TestDatabase) -> None:
    here = loaded(db, reviewed_world())
    assert compare.disagreements(here) == []
    assert here.read(
        "select pickup_hours, review_hours from core.deployment_changes where change_id like 'custom%'"
    ) == [(3.0, 5.0)]
    after = copy.deepcopy(here.world)
    after.commits.pop(1)
    here.change_to(after)
    here.run()
    assert compare.disagreements(here) == []


def test_a_custom_change_of_a_renamed_repository_gets_its_own_service(db: TestDatabase) -> None:
    here = loaded(db, reviewed_world())
    for name in ("acme/store", "acme/SHOP"):
        after = copy.deepcopy(here.world)
        after.repositories[0].full_name = name
        here.change_to(after)
        here.run()
        assert compare.disagreements(here) == []
