"""Published figures beside a client's numbers: what they say, and what they do not."""

from __future__ import annotations

import csv
from pathlib import Path

from tests.support.database import TestDatabase
from tests.support.world import World, at, steady

SEEDS = Path(__file__).parents[2] / "include" / "sql" / "seeds"


def read(name: str) -> list[dict[str, str]]:
    with (SEEDS / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_client_is_compared_with_the_industry_and_size_that_it_chose(db: TestDatabase) -> None:
    world = World(db, minimum_sample=1, compare_industry="technology", compare_size="20-99")
    steady(world, days=30)
    world.compute(at("2026-03-03 12:00"))
    found = {
        tuple(key): text
        for *key, text in world.rows(
            "select metric_type, compared_with, comparison_text from report.benchmark_comparison"
        )
    }
    lead = "lead_time_for_changes"
    assert found[lead, "share"] == "at most 24.4 % of teams do at least as well (2025)"
    assert found[lead, "industry"] == (
        "industry mean 2025 (Technology): 5.7 of 10, between a week to a month and a day to a week; here: 8 (an hour to a day)"
    )
    assert found["deployment_frequency", "share"] == "at most 22.7 % of teams do at least as well (2025)"
    assert found["change_failure_rate", "size"] == "size mean 2025 (20 to 99 employees): 17 %"
    recovery = (
        "select mean, score from report.benchmark_comparison where metric_type like %s and compared_with = 'size'"
    )
    assert world.rows(recovery, "failed%") == [(7.6, None)], "the source stores 2.4 of the inverted scale"


def test_who_did_not_choose_is_compared_with_nobody(world: World) -> None:
    steady(world, days=30)
    world.compute(at("2026-03-03 12:00"))
    assert set(world.rows("select compared_with from report.benchmark_comparison")) == {("share",)}


def test_seeds_say_where_each_figure_is_from() -> None:
    means, bands = read("benchmark_means"), read("benchmarks")
    assert all(row["source"] and row["is_primary"] in ("true", "false") for row in (*means, *bands))
    groups = {(row["year"], row["population"]): set[str]() for row in means}
    for row in means:
        groups[row["year"], row["population"]].add(row["group_key"])
    assert {key: len(found - {"all"}) for key, found in groups.items()} == {
        **{("2024", "industry"): 13, ("2024", "size"): 9, ("2025", "industry"): 13, ("2025", "size"): 8}
    }
    recovery = [row for row in means if row["metric_type"] == "failed_deployment_recovery_time"]
    assert min(float(row["mean"]) for row in recovery) > 5
    shares = {
        (row["metric_type"], row["label"]): float(row["cumulative_share"])
        for row in bands
        if row["kind"] == "distribution"
    }
    assert shares["deployment_rework_rate", "up to 4 %"] == 0.201
    assert shares["change_failure_rate", "up to 4 %"] == 0.167
