"""The SQL against the reference, on random worlds; and properties that hold whatever the definitions are: the order in which
data arrives changes nothing, an incremental run equals a full one, clients do not affect each other, and running again writes
nothing."""

from __future__ import annotations

import copy
from dataclasses import fields, is_dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, Phase, assume, given, note, settings
from hypothesis import strategies as st

from pulse import environ
from tests.dora import compare, edits, worlds
from tests.dora.branches import goes_by_time
from tests.dora.loading import Loaded, differences, dump, rows_of
from tests.dora.model import World
from tests.support.database import Connection, TestDatabase

# The same few worlds in every run. PULSE_EXAMPLES=200 runs more and different ones. Shrinking takes minutes, longer than a
# test may take; PULSE_SHRINK=1 turns it on.
PHASES = [phase for phase in Phase if phase is not Phase.shrink or environ.SHRINK.given()]
random_worlds = settings(
    deadline=None,
    max_examples=environ.EXAMPLES.get(),
    derandomize=environ.EXAMPLES.given() is None,
    print_blob=True,
    phases=PHASES,
    suppress_health_check=list(HealthCheck),
)
SEEDS = st.integers(0, 2**32)


def etl(db: TestDatabase) -> Connection:
    """One connection per test, whatever the number of examples."""
    return db._open[0] if db._open else db.connect("pulse_etl")


def assert_agrees(loaded: Loaded) -> None:
    found = compare.disagreements(loaded)
    assert not found, f"{len(found)} disagreements:\n" + "\n".join(found[:30]) + describe(loaded.world)


def assert_full_changes_nothing(loaded: Loaded, what: object = "") -> None:
    before = dump(loaded)
    loaded.run(full=True)
    found = differences(before, dump(loaded))
    assert not found, f"full differs from incremental (-) {what}:\n" + "\n".join(found[:30]) + describe(loaded.world)


def describe(world: World) -> str:
    parts = [
        *world.repositories,
        *world.commits,
        *world.pull_requests,
        *world.custom_changes,
        *world.deployments,
        *world.issues,
    ]
    return f"\n\n{world.time_zone} {world.now} {world.given} {world.statuses}\n" + "\n".join(map(repr, parts))


@random_worlds
@given(world=worlds.worlds())
def test_the_sql_equals_the_reference(db: TestDatabase, world: World) -> None:
    assert_agrees(Loaded.new(db, etl(db), world).load())


@random_worlds
@given(world=worlds.worlds(), seed=SEEDS, batches=st.integers(2, 5), earlier=st.floats(0, 1))
def test_a_world_that_arrives_in_pieces_equals_one_that_arrives_at_once(
    db: TestDatabase, world: World, seed: int, batches: int, earlier: float
) -> None:
    """The incremental result equals the full one, even if the runs in between were at earlier times."""
    last = worlds.latest_moment(world)
    pieces = Loaded.new(db, etl(db), world).load(seed, batches, [last + earlier * (world.now - last)])
    assert_agrees(pieces)
    assert_full_changes_nothing(pieces)
    whole = Loaded.new(db, etl(db), world).load()
    found = differences(dump(whole, anonymous=True), dump(pieces, anonymous=True))
    assert not found, "at once (-), in pieces (+):\n" + "\n".join(found[:30]) + describe(world)


@random_worlds
@given(world=worlds.worlds(), data=st.data())
def test_after_any_edit_an_incremental_run_equals_a_full_one(
    db: TestDatabase, world: World, data: st.DataObject
) -> None:
    loaded = Loaded.new(db, etl(db), world).load()
    for _ in range(data.draw(st.integers(1, 3))):
        after, done = edits.edited(data.draw, loaded.world)
        note(f"edits: {done}")
        loaded.change_to(after)
        loaded.run()
        assert compare.dangling(loaded) == []
        assert_full_changes_nothing(loaded, done)
        assert_agrees(loaded)


@random_worlds
@given(world=worlds.worlds(), days=st.lists(st.integers(1, 9), min_size=1, max_size=4))
def test_passing_days_give_the_same_as_a_full_run(db: TestDatabase, world: World, days: list[int]) -> None:
    """Periods end, rolling windows end on other days, and old numbers age out."""
    loaded = Loaded.new(db, etl(db), world).load()
    for number in days:
        loaded.world = replace(loaded.world, now=loaded.world.now + timedelta(days=number))
        loaded.run()
        assert_full_changes_nothing(loaded)
    assert_agrees(loaded)


@random_worlds
@given(world=worlds.worlds(), seeds=st.tuples(SEEDS, SEEDS))
def test_the_order_of_arrival_changes_nothing(db: TestDatabase, world: World, seeds: tuple[int, int]) -> None:
    one, other = (Loaded.new(db, etl(db), world).load(seed, 1) for seed in seeds)
    found = differences(dump(one, anonymous=True), dump(other, anonymous=True))
    assert not found, "\n".join(found[:30]) + describe(world)


@random_worlds
@given(mine=worlds.worlds(), theirs=worlds.worlds(), data=st.data())
def test_another_clients_data_changes_no_row_of_the_first(
    db: TestDatabase, mine: World, theirs: World, data: st.DataObject
) -> None:
    """The two clients have records with the same ids, names and keys."""
    first = Loaded.new(db, etl(db), mine).load()
    before = fingerprints(db, first.client_id)
    other = Loaded.new(db, etl(db), theirs).load(batches=2)
    assert fingerprints(db, first.client_id) == before
    other.change_to(edits.edited(data.draw, other.world)[0])
    other.run()
    other.run(full=True)
    assert fingerprints(db, first.client_id) == before


def fingerprints(db: TestDatabase, client_id: int) -> dict[str, tuple[int, str]]:
    """Number and hash of a client's rows in every table of core that has a client_id."""
    with db.cluster.primary.connect(database=db.name) as superuser:
        tables = superuser.execute(
            "select format('%I.%I', c.table_schema, c.table_name) from information_schema.columns c"
            " join information_schema.tables t using (table_schema, table_name)"
            " where c.table_schema = 'core' and c.column_name = 'client_id' and t.table_type = 'BASE TABLE'"
        ).fetchall()
        found = {}
        for (table,) in tables:
            row = superuser.execute(
                f"select count(*), md5(coalesce(string_agg(t::text, '|' order by t::text), '')) from {table} t"
                " where client_id = %s",
                [client_id],
            ).fetchone()
            assert row is not None
            found[str(table)] = (int(row[0]), str(row[1]))
    return found


@random_worlds
@given(world=worlds.worlds(zones=("UTC",)), weeks=st.integers(1, 60))
def test_a_shift_by_whole_weeks_shifts_every_result(db: TestDatabase, world: World, weeks: int) -> None:
    """Months are left out, because they do not begin every seven days."""
    by = timedelta(weeks=weeks)
    here = Loaded.new(db, etl(db), world).load()
    there = Loaded.new(db, etl(db), shifted_world(world, by)).load()
    found, expected = (without_months(compare.facts_of(loaded)) for loaded in (there, here))
    expected = renamed(shifted(expected, by), here.world, there.world)
    move_positions(expected, there.world, by)
    for table, rows in expected.items():
        assert found[table].keys() == rows.keys(), table + describe(world)
        wrong = {
            (key, c): (found[table][key][c], value)
            for key, row in rows.items()
            for c, value in row.items()
            if not compare.same(found[table][key][c], value)
        }
        assert not wrong, f"{table}: {wrong}" + describe(world)


def move_positions(facts: compare.Facts, world: World, by: timedelta) -> None:
    """Positions that are times are seconds, so they move too."""
    by_time = {world.service_id(r.id) for r in world.repositories if goes_by_time(world, r.id)}
    for row in (*facts["changes"].values(), *facts["deployments"].values()):
        if row["service_id"] in by_time or row["service_id"].startswith("custom:"):
            for column in ("merge_position", "position", "contains_after", "contains_to"):
                if row.get(column) is not None:
                    row[column] += int(by.total_seconds())


def shifted(thing: Any, by: timedelta) -> Any:
    """The same object with every day and moment in it moved."""
    if isinstance(thing, datetime | date):
        return thing + by
    if is_dataclass(thing) and not isinstance(thing, type):
        moved = copy.copy(thing)
        for field in fields(thing):
            setattr(moved, field.name, shifted(getattr(thing, field.name), by))
        return moved
    if isinstance(thing, dict):
        return {shifted(k, by): shifted(v, by) for k, v in thing.items()}
    if isinstance(thing, list | tuple):
        return type(thing)(shifted(part, by) for part in thing)
    return thing


def shifted_world(world: World, by: timedelta) -> World:
    moved: World = shifted(world, by)
    calendar = world.given.get("working_calendar")
    if calendar:
        holidays = [(date.fromisoformat(day) + by).isoformat() for day in calendar["holidays"]]
        moved.given = {**world.given, "working_calendar": {**calendar, "holidays": holidays}}
    return moved


def renamed(thing: Any, one: World, other: World) -> Any:
    """The same object with the ids that it would have in another client."""
    if isinstance(thing, dict):
        return {renamed(k, one, other): renamed(v, one, other) for k, v in thing.items()}
    if isinstance(thing, tuple):
        return tuple(renamed(part, one, other) for part in thing)
    if isinstance(thing, str):
        for kind in ("gh-pr", "gh-commit", "gh-repo", "gh-deployment"):
            thing = thing.replace(f"{kind}:{one.github}:", f"{kind}:{other.github}:")
        thing = thing.replace(f"custom:{one.custom}:", f"custom:{other.custom}:")
        return thing.replace(f"jira:{one.jira}:", f"jira:{other.jira}:")
    return thing


def without_months(found: compare.Facts) -> compare.Facts:
    metrics = {key: row for key, row in found["dora_metrics"].items() if key[1] != "month"}
    return {**found, "dora_metrics": metrics}


@random_worlds
@given(world=worlds.worlds(), seed=SEEDS)
def test_computing_again_writes_nothing(db: TestDatabase, world: World, seed: int) -> None:
    loaded = Loaded.new(db, etl(db), world).load(seed, 2)
    assert loaded.run() == 0
    loaded.run(full=True)
    assert loaded.run() == 0


@random_worlds
@given(world=worlds.worlds(), data=st.data())
def test_an_undone_edit_leaves_no_trace(db: TestDatabase, world: World, data: st.DataObject) -> None:
    loaded = Loaded.new(db, etl(db), world).load()
    before = dump(loaded)
    # The clock does not go back, and a default that is given explicitly is a different definition.
    kinds = tuple(edit for edit in edits.EDITS if edit not in (edits.time_passes, edits.edit_settings))
    after, done = edits.edited(data.draw, loaded.world, kinds)
    assume(after.now == world.now and rows_of(after) != rows_of(loaded.world))
    loaded.change_to(after)
    loaded.run()
    loaded.change_to(world)
    loaded.run()
    found = differences(before, dump(loaded))
    assert not found, f"{done}\n" + "\n".join(found[:30]) + describe(world)
