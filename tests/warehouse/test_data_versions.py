"""The version of a client's data, by which Superset's caches go."""

from __future__ import annotations

from datetime import timedelta

from pulse.warehouse.transforms import run_stage
from tests.support.database import TestDatabase
from tests.support.world import World, at, steady

NOW = at("2026-02-20 12:00")


def versions(db: TestDatabase, role: str = "pulse_auth") -> dict[int, int]:
    """As a login reads them on the replica."""
    db.wait_replica()
    return dict(db.connect(role, replica=True).execute("select client_id, version from core.data_versions").fetchall())


def test_a_version_is_raised_by_what_is_written_and_by_nothing_else(db: TestDatabase) -> None:
    mine, theirs = World(db), World(db, "initech")
    shop = steady(mine)
    mine.compute(NOW)
    theirs.compute(NOW)
    first = versions(db)
    assert first[mine.client_id] > 0

    assert mine.compute(NOW) == 0
    assert run_stage(mine.conn, mine.client_id, "normalise")
    assert versions(db) == first, "nothing was written"

    mine.change(shop, "new", NOW - timedelta(hours=2))
    assert mine.compute(NOW) > 0
    second = versions(db)
    assert second[mine.client_id] == first[mine.client_id] + 1
    assert second[theirs.client_id] == first[theirs.client_id]


def test_a_changed_setting_raises_the_version_of_its_client(db: TestDatabase) -> None:
    mine, theirs = World(db), World(db, "initech")
    mine.compute(NOW)
    theirs.compute(NOW)
    first = versions(db)
    admin = db.connect("pulse_admin")
    admin.execute(
        "insert into core.system_settings (client_id, setting_key, setting_value) values (%s, 'privacy.people', '\"names\"')",
        [mine.client_id],
    )
    admin.commit()
    second = versions(db)
    assert second[mine.client_id] == first[mine.client_id] + 1
    assert second[theirs.client_id] == first[theirs.client_id]


def test_readers_see_their_own_version(db: TestDatabase) -> None:
    mine, theirs = World(db), World(db, "initech")
    mine.compute(NOW)
    theirs.compute(NOW)
    assert set(versions(db, f"pulse_client_{mine.client_id}")) == {mine.client_id}
