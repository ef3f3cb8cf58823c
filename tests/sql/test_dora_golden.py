"""Cases worked out by hand: what other systems get wrong, and what design and docs promise."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.database import TestDatabase
from tests.support.world import World, at, run, steady


def deployed(world: World) -> dict[str, object]:
    return dict(world.rows("select title, deployed_at from report.evidence_changes"))


def test_the_first_deployment_delivers_no_history(world: World) -> None:
    repository = world.repository()
    for n in range(20):
        world.change(repository, f"old{n}", at("2026-01-05 10:00") + timedelta(days=n))
    world.deploy(repository, "old19", at("2026-02-02 10:00"))
    world.change(repository, "new", at("2026-02-03 10:00"))
    world.deploy(repository, "new", at("2026-02-03 12:00"))
    world.compute()
    claimed = deployed(world)
    assert claimed["Change new"] == at("2026-02-03 12:00")
    assert all(when is None for title, when in claimed.items() if title != "Change new")
    assert world.rows("select count(*) from report.evidence_deployments where is_baseline") == [(1,)]


def test_a_change_is_delivered_by_the_first_deployment_that_contains_it(world: World) -> None:
    repository = world.repository()
    world.change(repository, "base", at("2026-02-02 09:00"))
    world.deploy(repository, "base", at("2026-02-02 10:00"))
    world.change(repository, "a", at("2026-02-03 09:00"))
    world.change(repository, "b", at("2026-02-03 11:00"))
    world.change(repository, "c", at("2026-02-03 13:00"))
    world.deploy(repository, "b", at("2026-02-03 12:00"))
    world.deploy(repository, "b", at("2026-02-04 12:00"))
    world.deploy(repository, "c", at("2026-02-05 12:00"))
    world.compute()
    claimed = deployed(world)
    assert claimed["Change a"] == claimed["Change b"] == at("2026-02-03 12:00")
    assert claimed["Change c"] == at("2026-02-05 12:00")


def test_failed_and_staging_deployments_deliver_nothing(world: World) -> None:
    repository = world.repository()
    world.change(repository, "base", at("2026-02-02 09:00"))
    world.deploy(repository, "base", at("2026-02-02 10:00"))
    world.change(repository, "a", at("2026-02-03 09:00"))
    world.deploy(repository, "a", at("2026-02-03 10:00"), "staging")
    world.deploy(repository, "a", at("2026-02-03 11:00"), failed=True)
    world.deploy(repository, "a", at("2026-02-03 14:00"))
    world.compute()
    assert deployed(world)["Change a"] == at("2026-02-03 14:00")
    assert world.metric("deployment_frequency", "day", at("2026-02-03 00:00"))["numerator"] == 1
    assert world.metric("change_failure_rate", "day", at("2026-02-03 00:00"))["denominator"] == 1
    attempts = world.metric("deployment_success_rate", "day", at("2026-02-03 00:00"))
    assert (attempts["numerator"], attempts["denominator"]) == (1, 2)


def test_an_inactive_deployment_keeps_the_time_it_succeeded(world: World) -> None:
    repository = world.repository()
    world.change(repository, "base", at("2026-02-02 09:00"))
    world.deploy(repository, "base", at("2026-02-02 10:00"), state="inactive")
    world.compute()
    assert world.rows("select result, finished_at from report.evidence_deployments") == [
        ("success", at("2026-02-02 10:00"))
    ]


def test_a_rollback_undoes_and_delivers_nothing(world: World) -> None:
    repository = world.repository()
    world.change(repository, "base", at("2026-02-02 09:00"))
    world.deploy(repository, "base", at("2026-02-02 10:00"))
    world.change(repository, "bad", at("2026-02-03 09:00"))
    bad = world.deploy(repository, "bad", at("2026-02-03 10:00"))
    world.deploy(repository, "base", at("2026-02-03 11:00"))
    world.deploy(repository, "bad", at("2026-02-06 11:00"))
    world.compute()
    assert deployed(world)["Change bad"] == at("2026-02-03 10:00")
    assert world.rows(
        "select deployment_id from report.evidence_deployments where failed_change and failure_reason = 'rolled back'"
    ) == [(bad,)]
    month = world.metric("change_failure_rate", "month", at("2026-02-03 00:00"))
    assert (month["numerator"], month["denominator"], month["metric_value"]) == (1, 2, 0.5)
    rework = world.metric("deployment_rework_rate", "month", at("2026-02-03 00:00"))
    assert (rework["numerator"], rework["denominator"]) == (1, 3)
    assert world.metric("rollbacks", "month", at("2026-02-03 00:00"))["metric_value"] == 1
    assert world.metric("redeployments", "month", at("2026-02-03 00:00"))["metric_value"] == 1
    recovery = world.metric("failed_deployment_recovery_time", "month", at("2026-02-03 00:00"))
    assert (recovery["sample_size"], recovery["metric_value"]) == (1, 1)


def test_changes_before_the_very_first_deployment_are_history_in_every_environment(world: World) -> None:
    """The second environment starts later and further back; catching up there does not deliver what the first already had."""
    repository = world.repository()
    for index, sha in enumerate(("old", "older news", "base", "new")):
        world.change(repository, sha, at(f"2026-02-0{index + 1} 09:00"))
    world.deploy(repository, "base", at("2026-02-04 10:00"), "production-eu")
    world.deploy(repository, "old", at("2026-02-05 10:00"), "production-us")
    world.deploy(repository, "base", at("2026-02-06 10:00"), "production-us")
    world.deploy(repository, "new", at("2026-02-07 10:00"), "production-us")
    world.compute()
    claimed = deployed(world)
    assert claimed["Change new"] == at("2026-02-07 10:00")
    assert all(when is None for title, when in claimed.items() if title != "Change new")


def test_two_production_environments_count_one_lead_time(world: World) -> None:
    repository = world.repository()
    world.change(repository, "base", at("2026-02-02 09:00"))
    world.deploy(repository, "base", at("2026-02-02 10:00"), "production-eu")
    world.deploy(repository, "base", at("2026-02-02 11:00"), "production-us")
    world.change(repository, "a", at("2026-02-03 09:00"))
    world.deploy(repository, "a", at("2026-02-03 10:00"), "production-eu")
    world.deploy(repository, "a", at("2026-02-05 10:00"), "production-us")
    world.compute()
    assert deployed(world)["Change a"] == at("2026-02-03 10:00")
    assert world.metric("lead_time_for_changes", "month", at("2026-02-03 00:00"))["sample_size"] == 1


def test_percentiles_interpolate(world: World) -> None:
    repository = world.repository()
    world.change(repository, "base", at("2026-02-02 09:00"))
    world.deploy(repository, "base", at("2026-02-02 10:00"))
    for n, hours in enumerate((1, 2, 3, 4)):
        world.change(repository, f"c{n}", at("2026-02-03 09:00"), lead_hours=hours)
    world.deploy(repository, "c3", at("2026-02-03 09:00") + timedelta(minutes=0))
    world.compute()
    month = world.metric("lead_time_for_changes", "month", at("2026-02-03 00:00"))
    assert month["metric_value"] == pytest.approx(2.5)
    assert month["p75"] == pytest.approx(3.25)
    assert month["p90"] == pytest.approx(3.7)


def test_a_negative_duration_is_an_anomaly_not_a_value(world: World) -> None:
    repository = world.repository()
    world.change(repository, "base", at("2026-02-02 09:00"))
    world.deploy(repository, "base", at("2026-02-02 10:00"))
    world.change(repository, "odd", at("2026-02-03 09:00"), first_authored_at=at("2026-02-09 09:00"))
    world.deploy(repository, "odd", at("2026-02-03 10:00"))
    world.compute()
    assert world.rows(
        "select lead_time_hours, exclusion_reason from report.evidence_changes where title = 'Change odd'"
    ) == [(None, "negative duration")]
    assert world.metric("lead_time_for_changes", "month", at("2026-02-03 00:00"))["null_reason"] == "no_data"
    assert world.rows("select value from report.trust_panel where indicator = 'negative_durations'") == [(1.0,)]


@pytest.mark.parametrize(("exclude", "counted"), [(None, 1), (False, 2)])
def test_bots_are_left_out_unless_the_client_includes_them(
    db: TestDatabase, exclude: bool | None, counted: int
) -> None:
    settings = {"minimum_sample": 1} | ({} if exclude is None else {"exclude_bots": exclude})
    world = World(db, **settings)
    repository = world.repository()
    world.change(repository, "base", at("2026-02-02 09:00"))
    world.deploy(repository, "base", at("2026-02-02 10:00"))
    world.change(repository, "person", at("2026-02-03 09:00"))
    world.change(repository, "bot", at("2026-02-03 09:30"), author_is_bot=True, author_login="dependabot")
    world.deploy(repository, "bot", at("2026-02-03 10:00"))
    world.compute()
    assert world.metric("lead_time_for_changes", "month", at("2026-02-03 00:00"))["sample_size"] == counted


def test_an_incident_is_linked_within_the_window_only(world: World) -> None:
    repository = world.repository()
    world.change(repository, "base", at("2026-02-02 09:00"))
    first = world.deploy(repository, "base", at("2026-02-02 10:00"))
    near = world.incident(at("2026-02-05 10:00"), at("2026-02-05 13:00"))
    world.incident(at("2026-02-20 10:00"), at("2026-02-20 12:00"))
    world.compute()
    assert world.rows(
        "select incident_id, caused_by_deployment_id, method, recovery_hours from report.evidence_incidents"
        " where method is not null"
    ) == [(near, first, "time_window", 75.0)]
    month = world.metric("time_to_restore", "month", at("2026-02-05 00:00"))
    assert (month["sample_size"], month["metric_value"]) == (2, 2.5)
    assert world.metric("failed_deployment_recovery_time", "month", at("2026-02-05 00:00"))["metric_value"] == 75.0


def test_an_incident_never_lands_on_another_services_deployment(world: World) -> None:
    shop, billing = world.repository("shop"), world.repository("billing")
    for repository, sha in ((shop, "s"), (billing, "b")):
        world.change(repository, sha, at("2026-02-02 09:00"))
    mine = world.deploy(shop, "s", at("2026-02-02 10:00"))
    world.deploy(billing, "b", at("2026-02-02 11:00"))
    world.incident(at("2026-02-02 12:00"), at("2026-02-02 13:00"), component="Shop")
    world.incident(at("2026-02-02 12:00"), at("2026-02-02 13:00"), component="nothing we know")
    world.compute()
    assert world.rows("select caused_by_deployment_id from report.evidence_incidents order by 1") == [(mine,), (None,)]


def test_what_an_incident_names_outweighs_time(world: World) -> None:
    repository = world.repository()
    world.change(repository, "base", at("2026-02-02 09:00"))
    named = world.deploy(repository, "base", at("2026-02-02 10:00"), url="https://ci.example/runs/1")
    world.change(repository, "later", at("2026-02-03 09:00"))
    world.deploy(repository, "later", at("2026-02-03 10:00"), url="https://ci.example/runs/11")
    world.incident(at("2026-02-03 12:00"), at("2026-02-03 13:00"), description="Began with https://ci.example/runs/1.")
    world.compute()
    assert world.rows("select caused_by_deployment_id, method, confidence from report.evidence_incidents") == [
        (named, "explicit", 1)
    ]


@pytest.mark.parametrize("by", ["number", "merge", "own commit", "own commit, known later"])
def test_a_revert_names_the_change_it_undoes(world: World, by: str) -> None:
    """Named by GitHub's number, or by the commit in git's revert message."""
    repository = world.repository()
    world.change(repository, "base", at("2026-02-02 09:00"))
    world.deploy(repository, "base", at("2026-02-02 10:00"))
    bad = world.change(repository, "bad", at("2026-02-03 09:00"))
    guilty = world.deploy(repository, "bad", at("2026-02-03 10:00"))
    world.change(repository, "fine", at("2026-02-03 11:00"))
    world.deploy(repository, "fine", at("2026-02-03 12:00"))
    incident = world.incident(at("2026-02-03 13:00"), at("2026-02-03 15:00"))
    key = f"OPS-{incident.rpartition(':')[2]}"
    world.change(
        repository,
        "revert",
        at("2026-02-03 14:00"),
        title=f'Revert "Change bad" ({key})',
        **({"reverts_number": bad % 100_000} if by == "number" else {"reverts_sha": "bad" if by == "merge" else "own"}),
    )
    if by == "own commit, known later":
        world.compute()
    if "own commit" in by:
        world.insert(
            "core.github_pull_request_commits", integration_id=world.github, pull_request_id=bad, sha="own", position=0
        )
    repair = world.deploy(repository, "revert", at("2026-02-03 14:30"))
    world.compute()
    assert world.rows("select caused_by_deployment_id, method from report.evidence_incidents") == [
        (guilty, "fix_reverts")
    ]
    assert world.rows("select deployment_id from report.evidence_deployments where is_rework") == [(repair,)]
    run(world, "delete from core.github_pull_request_commits")
    world.compute()
    undone = world.rows("select count(reverts_change_id) from report.evidence_changes")
    assert undone == [(0 if "own commit" in by else 1,)]


def test_a_reopened_incident_is_resolved_after_its_last_reopening(world: World) -> None:
    world.repository()
    began = at("2026-02-03 10:00")
    world.incident(
        began,
        moves=[
            (began + timedelta(hours=1), "1", "2"),
            (began + timedelta(hours=5), "2", "1"),
            (began + timedelta(hours=9), "1", "2"),
        ],
    )
    still_open = world.incident(
        began, moves=[(began + timedelta(hours=1), "1", "2"), (began + timedelta(hours=2), "2", "1")]
    )
    world.compute()
    found = dict(world.rows("select incident_id, time_to_restore_hours from report.evidence_incidents"))
    assert found.pop(still_open) is None
    assert list(found.values()) == [9.0]


def test_too_few_events_give_null_with_a_reason_never_zero(db: TestDatabase) -> None:
    world = World(db)
    repository = world.repository()
    world.change(repository, "base", at("2026-02-02 09:00"))
    world.deploy(repository, "base", at("2026-02-02 10:00"))
    for n in range(4):
        world.change(repository, f"c{n}", at("2026-02-03 09:00"))
    world.deploy(repository, "c3", at("2026-02-03 10:00"))
    world.compute()
    lead = world.metric("lead_time_for_changes", "month", at("2026-02-03 00:00"))
    assert (lead["metric_value"], lead["sample_size"], lead["null_reason"]) == (None, 4, "below_minimum_sample")
    assert lead["tier"] is None
    restore = world.metric("time_to_restore", "month", at("2026-02-03 00:00"))
    assert (restore["metric_value"], restore["null_reason"]) == (None, "no_data")


def test_a_client_without_data_gets_no_made_up_number(world: World) -> None:
    world.compute()
    assert world.rows("select count(*) from core.dora_metrics where metric_value is not null") == [(0,)]


def test_days_follow_the_clients_time_zone_and_daylight_saving(db: TestDatabase) -> None:
    """29 March 2026 has 23 hours in Berlin. 22:30 UTC on the 28th is 23:30 there; on the 29th, it is already the 30th."""
    world = World(db, time_zone="Europe/Berlin", minimum_sample=1)
    repository = world.repository()
    world.change(repository, "base", at("2026-03-27 09:00"))
    world.deploy(repository, "base", at("2026-03-27 10:00"))
    for sha, when in (("a", "2026-03-28 22:30"), ("b", "2026-03-29 21:30"), ("c", "2026-03-29 22:30")):
        world.change(repository, sha, at(when) - timedelta(hours=1), lead_hours=9)
        world.deploy(repository, sha, at(when))
    world.compute()
    days = dict(
        world.rows(
            "select period_start::text, numerator from core.dora_metrics where metric_type = 'deployment_frequency'"
            " and grain = 'day' and scope_type = 'client' and period_start between '2026-03-28' and '2026-03-30'"
        )
    )
    assert days == {"2026-03-28": 1, "2026-03-29": 1, "2026-03-30": 1}
    lead = world.metric("lead_time_for_changes", "day", at("2026-03-29 12:00"))
    assert lead["metric_value"] == pytest.approx(10.0), "hours are hours, whatever the clocks do"


def test_partial_periods_are_marked(world: World) -> None:
    repository = world.repository()
    world.change(repository, "base", at("2026-02-04 09:00"))
    world.deploy(repository, "base", at("2026-02-04 10:00"))
    world.compute()
    assert world.metric("deployment_frequency", "week", at("2026-02-04 00:00"))["is_partial"], "began on a Wednesday"
    assert not world.metric("deployment_frequency", "week", at("2026-02-11 00:00"))["is_partial"]
    running = world.rows(
        "select distinct is_partial from core.dora_metrics where grain in ('week', 'month')"
        " and period_end > current_date + 1 and metric_type = 'deployment_frequency'"
    )
    assert running in ([(True,)], [])


def test_a_clients_total_pools_events(world: World) -> None:
    """One service has one quick change, the other three slow ones: the median of four, not the mean of two medians."""
    quick, slow = world.repository("quick"), world.repository("slow")
    for repository, prefix, hours in ((quick, "q", [1]), (slow, "s", [30, 30, 30])):
        world.change(repository, f"{prefix}base", at("2026-02-02 09:00"))
        world.deploy(repository, f"{prefix}base", at("2026-02-02 10:00"))
        for n, lead in enumerate(hours):
            world.change(repository, f"{prefix}{n}", at("2026-02-03 09:00"), lead_hours=lead)
        world.deploy(repository, f"{prefix}{len(hours) - 1}", at("2026-02-03 09:00"))
    world.compute()
    assert world.metric("lead_time_for_changes", "month", at("2026-02-03 00:00"))["metric_value"] == 30


def test_the_change_failure_rate_alone_gives_no_tier(world: World) -> None:
    steady(world, days=30)
    world.compute(at("2026-03-20 12:00"))
    assert world.metric("change_failure_rate", "month", at("2026-03-03 00:00"))["tier"] is None
    assert world.metric("deployment_frequency", "month", at("2026-03-03 00:00"))["tier"] == "high"


def test_two_clients_with_the_same_names_stay_apart(db: TestDatabase) -> None:
    worlds = [World(db, slug, minimum_sample=1) for slug in ("one", "two")]
    for world in worlds:
        repository = world.repository("shop")
        world.change(repository, "base", at("2026-02-02 09:00"))
        world.deploy(repository, "base", at("2026-02-02 10:00"))
    worlds[1].incident(at("2026-02-02 12:00"), at("2026-02-02 13:00"))
    before = None
    for world in worlds:
        world.compute()
        before = before or worlds[0].rows("select * from core.dora_metrics order by id")
    assert worlds[0].rows("select * from core.dora_metrics order by id") == before
    assert worlds[0].rows("select count(*) from report.evidence_incidents") == [(0,)]
    assert worlds[0].metric("change_failure_rate", "day", at("2026-02-02 00:00"))["numerator"] == 0
    assert worlds[1].metric("change_failure_rate", "day", at("2026-02-02 00:00"))["numerator"] == 1


def test_computing_again_writes_nothing(world: World) -> None:
    repository = world.repository()
    world.change(repository, "base", at("2026-02-02 09:00"))
    world.deploy(repository, "base", at("2026-02-02 10:00"))
    world.incident(at("2026-02-02 12:00"), at("2026-02-02 13:00"))
    assert world.compute() > 0
    assert world.compute() == 0
