"""Why a number moved: the parts that the SQL finds are those of the reference, and add up, in worlds where something moves."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from tests.dora import drivers
from tests.dora.compare import facts_of
from tests.dora.loading import Loaded, differences, dump
from tests.dora.model import Commit, Deployment, Issue, Move, PullRequest, Repository, Review, World
from tests.support.database import TestDatabase

START = datetime(2026, 1, 5, tzinfo=UTC)
TODAY = START + timedelta(weeks=17, days=2, hours=18)
SERVICES = ("shop", "billing", "search")


def busy_world(seed: int, **given: Any) -> World:
    """Three services over seventeen weeks. In the last four, one ships less, reviews take longer, and more breaks."""
    chance = random.Random(seed)
    world = World("Europe/Berlin", TODAY, {"minimum_sample": 3, **given}, [], [], [], [], [])
    for repository, name in enumerate(SERVICES, start=1):
        world.repositories.append(Repository(repository, f"acme/{name}"))
        for day in range((TODAY - START).days):
            is_late = day >= 13 * 7
            for n in range(0 if day % 7 > 4 else 4 if name == "shop" and not is_late else 1):
                _ship(world, chance, repository, START + timedelta(days=day, hours=9 + n), is_late)
    return world


def _ship(world: World, chance: random.Random, repository: int, opened: datetime, is_late: bool) -> None:
    """A pull request with or without a review, deployed after its merge; some deployments cause an incident."""
    n = len(world.pull_requests) + 1
    sha = f"{n:040x}"
    reviewed = opened + timedelta(minutes=chance.randrange(5, 300 if is_late else 90))
    merged = reviewed + timedelta(minutes=chance.randrange(5, 60))
    reviews = [] if chance.random() < 0.2 else [Review("bob", False, "APPROVED", reviewed)]
    first = opened - timedelta(minutes=chance.randrange(10, 900))
    world.commits.append(Commit(repository, sha, n, merged))
    world.pull_requests.append(
        PullRequest(n, repository, n, "Change", opened, merged, sha, first_authored_at=first, reviews=reviews)
    )
    finished = merged + timedelta(minutes=chance.randrange(10, 200))
    url = f"https://github.example/runs/{n}"
    world.deployments.append(Deployment(n, repository, "production", sha, merged, finished, url=url))
    if chance.random() < (0.5 if is_late else 0.2):
        created = finished + timedelta(minutes=5)
        solved = created + timedelta(minutes=chance.randrange(20, 900))
        components = [SERVICES[repository - 1]] if chance.random() < 0.8 else []
        moves = [Move(solved, "1", "3")]
        world.issues.append(Issue(n, f"OPS-{n}", created, description=url, components=components, moves=moves))


def stored(loaded: Loaded) -> Any:
    """The facts as the SQL has them, which other tests compare with the reference: here only what follows from them counts."""
    facts = facts_of(loaded)
    tables = {
        "deployments": "deployments",
        "deployed": "deployment_changes",
        "incidents": "incidents",
        "metrics": "dora_metrics",
    }
    return SimpleNamespace(
        **{name: {key: SimpleNamespace(**row) for key, row in facts[table].items()} for name, table in tables.items()}
    )


@pytest.mark.parametrize(
    "given",
    [{}, {"start_event": "opened", "working_calendar": {"days": ["mon", "tue", "wed", "thu", "fri"]}}],
    ids=["as usual", "from opening, in working days"],
)
def test_the_parts_are_those_of_the_reference_and_add_up(db: TestDatabase, given: dict[str, Any]) -> None:
    world = busy_world(1, **given)
    loaded = Loaded.new(db, db.connect("pulse_etl"), world).load(1, 2, [TODAY - timedelta(days=3)])
    assert drivers.differences(loaded, stored(loaded)) == []

    compared = loaded.read("select metric_type, comparison from core.metric_comparisons")
    assert {(m, c) for m in drivers.METRICS for c in ("rolling_30d", "month")} <= set(compared)
    assert {("deployment_frequency", "shift"), ("change_failure_rate", "shift")} <= set(compared)
    parts = loaded.read("select distinct metric_type, effect from core.metric_drivers")
    assert len(parts) == 1 + 2 * 4 + 6
    services = loaded.read("select count(distinct part) from core.metric_replays where kind = 'service'")
    assert services == [(len(SERVICES) + 2,)], "the services, incidents without one, and the residual"

    before = dump(loaded)
    assert loaded.run() == 0
    loaded.run(full=True)
    assert differences(before, dump(loaded)) == []


def test_a_service_that_alone_changed_has_the_whole_change(db: TestDatabase) -> None:
    """Of two services, one ships once a day instead of four times: all of the difference is its."""
    world = World("UTC", TODAY, {"minimum_sample": 1}, [], [], [], [], [])
    for repository, name in ((1, "shop"), (2, "billing")):
        world.repositories.append(Repository(repository, f"acme/{name}"))
        for day in range((TODAY - START).days):
            for hour in range(4 if repository == 2 and day < 13 * 7 else 1):
                merged = START + timedelta(days=day, hours=8 + hour)
                n = len(world.pull_requests) + 1
                world.commits.append(Commit(repository, f"{n:040x}", n, merged))
                pull = PullRequest(n, repository, n, "Change", merged, merged, f"{n:040x}")
                pull.first_authored_at = merged - timedelta(hours=repository * 4)
                world.pull_requests.append(pull)
                done = merged + timedelta(minutes=30)
                world.deployments.append(Deployment(n, repository, "production", f"{n:040x}", merged, done))
    loaded = Loaded.new(db, db.connect("pulse_etl"), world).load()
    parts = {
        (metric, service.rpartition(":")[2], effect): round(part, 9)
        for metric, service, effect, part in loaded.read(
            "select metric_type, service_id, effect, contribution from core.metric_drivers where comparison = 'shift'"
        )
    }
    assert parts["deployment_frequency", "1", "count"] == 0
    assert parts["deployment_frequency", "2", "count"] == -3
    # Its lead times are what they were: the mean falls because fewer of the changes are billing's, which take longer.
    (mix,) = loaded.read(
        "select mean_now - mean_before, (select sum(contribution) from core.metric_drivers where effect = 'mix'"
        " and (metric_type, comparison) = ('lead_time_for_changes', 'month')) from core.metric_comparisons"
        " where (metric_type, comparison) = ('lead_time_for_changes', 'month')"
    )
    assert mix[0] == pytest.approx(mix[1])
