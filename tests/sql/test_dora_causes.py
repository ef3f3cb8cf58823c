"""What caused an incident and which method found it; what counts as an incident; why a deployment was unplanned."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.database import TestDatabase
from tests.support.world import World, at, run, steady


def test_an_abbreviated_commit_names_a_deployment(world: World) -> None:
    repository = world.repository()
    sha = "4f2a9c1be07d5a3386c1f0e2d94b7a6c5d8e9f01"
    world.change(repository, sha, at("2026-02-02 09:00"))
    guilty = world.deploy(repository, sha, at("2026-02-02 10:00"))
    world.change(repository, "later", at("2026-02-03 09:00"))
    world.deploy(repository, "later", at("2026-02-03 10:00"))
    world.incident(at("2026-02-03 12:00"), at("2026-02-03 13:00"), description="root cause: 4f2a9c1be0, see the log")
    world.compute()
    assert world.rows("select caused_by_deployment_id, method from report.evidence_incidents") == [(guilty, "explicit")]


def test_the_url_of_a_pull_request_names_the_deployment_that_delivered_it(world: World) -> None:
    repository = steady(world, days=3)
    url = "https://github.com/acme/x/pull/77"
    world.change(repository, "bad", at("2026-02-06 09:00"), number=77, url=url)
    deployed = world.deploy(repository, "bad", at("2026-02-06 10:00"))
    world.change(repository, "fine", at("2026-02-06 11:00"))
    world.deploy(repository, "fine", at("2026-02-06 12:00"))
    world.incident(at("2026-02-06 13:00"), at("2026-02-06 14:00"), description=f"Caused by {url}.")
    world.compute()
    assert world.rows("select caused_by_deployment_id, method from report.evidence_incidents") == [
        (deployed, "explicit")
    ]


@pytest.mark.parametrize("said", ["https://github.com/acme/mono/pull/12", "5b1e0d7c"])
def test_a_pull_request_of_a_monorepo_names_the_changes_of_its_parts(db: TestDatabase, said: str) -> None:
    world = World(
        db,
        minimum_sample=1,
        services=[
            {"name": "billing", "repository": "mono", "paths": [r"^billing/"]},
            {"name": "web", "repository": "mono", "paths": [r"^web/"]},
        ],
    )
    mono, sha = world.repository("mono"), "5b1e0d7c4f2a9c1be07d5a3386c1f0e2d94b7a6c"
    for commit, day, path in (("base", 1, "README"), (sha, 2, "billing/x"), ("later", 3, "web/x")):
        named = {"number": 12, "url": "https://github.com/acme/mono/pull/12"} if commit == sha else {}
        pull = world.change(mono, commit, at(f"2026-02-0{day} 09:00"), **named)
        world.insert("core.github_pull_request_files", integration_id=world.github, pull_request_id=pull, path=path)
    for part in ("billing", "web"):
        world.deploy(mono, "base", at("2026-02-01 10:00"), f"production-{part}")
    guilty = world.deploy(mono, "later", at("2026-02-04 10:00"), "production-billing")
    world.deploy(mono, "later", at("2026-02-05 10:00"), "production-web")
    world.incident(at("2026-02-06 13:00"), description=f"Since {said}, it seems.")
    world.compute()
    assert world.rows("select caused_by_deployment_id, method from report.evidence_incidents") == [(guilty, "explicit")]


@pytest.mark.parametrize("said", ["https://review.example/c/abc", "5b1e0d7c"])
def test_a_change_of_a_custom_source_is_named_by_its_url_or_commit(world: World, said: str) -> None:
    """Its URL need not end with a number."""
    source = world.custom()
    for identity, day, url, sha in (
        ("0", 1, "https://review.example/c/first", "base"),
        ("1", 3, "https://review.example/c/abc", "5b1e0d7c4f2a9c1be07d"),
        ("2", 5, "https://review.example/c/xyz", "77aa0d7c4f2a9c1be07d"),
    ):
        merged, deployed = at(f"2026-02-0{day} 09:00"), at(f"2026-02-0{day + 1} 10:00")
        world.insert(
            "core.custom_changes",
            integration_id=source,
            id=identity,
            service="till",
            title=f"Change {identity}",
            url=url,
            first_commit_at=merged,
            opened_at=merged,
            merged_at=merged,
            merge_sha=sha,
        )
        world.insert(
            "core.custom_deployments",
            integration_id=source,
            id=identity,
            service="till",
            environment="production",
            result="success",
            sha=f"release-{identity}",
            created_at=deployed,
            finished_at=deployed,
        )
    world.incident(at("2026-02-06 13:00"), component="till", description=f"Since {said}, it seems.")
    world.compute()
    found = world.rows("select caused_by_deployment_id, method from report.evidence_incidents")
    assert found == [(f"custom:{source}:1", "explicit")]


def test_a_fix_version_gives_the_service_of_an_incident_without_one(world: World) -> None:
    repository = steady(world, days=2)
    incident = world.incident(at("2026-02-03 12:00"), at("2026-02-04 12:00"), component="unknown")
    world.change(repository, "fix", at("2026-02-04 09:00"))
    repair = world.deploy(repository, "fix", at("2026-02-04 10:00"))
    run(world, "update core.github_deployments set ref_name = 'v1.2.3' where id = %s", int(repair.rpartition(":")[2]))
    world.compute()
    assert world.rows("select method from report.evidence_incidents") == [(None,)]
    run(world, "update core.jira_issues set fix_versions = '{v1.2.3}' where id = %s", int(incident.rpartition(":")[2]))
    world.compute()
    assert world.rows("select method, deployment_finished_at from report.evidence_incidents") == [
        ("fix_version", at("2026-02-03 10:00"))
    ]


def test_an_incident_marked_as_external_has_no_cause(db: TestDatabase) -> None:
    world = World(db, minimum_sample=1, incident_rule={"issue_types": ["Incident"], "external_labels": ["provider"]})
    steady(world, days=2)
    incident = world.incident(at("2026-02-03 12:00"), at("2026-02-03 13:00"))
    world.compute()
    assert world.rows("select method from report.evidence_incidents") == [("time_window",)]
    run(world, "update core.jira_issues set labels = '{Provider}' where id = %s", int(incident.rpartition(":")[2]))
    world.compute()
    assert world.rows("select method, is_external, time_to_restore_hours from report.evidence_incidents") == [
        (None, True, 1.0)
    ]
    assert world.metric("change_failure_rate", "month", at("2026-02-03 00:00"))["numerator"] == 0


def test_a_custom_field_can_define_an_incident(db: TestDatabase) -> None:
    world = World(db, minimum_sample=1, incident_rule={"fields": {"Severity": ["S1", "S2"]}})
    for severity in ('"S1"', '{"value": "s2"}', '"S3"'):
        made = world.incident(at("2026-02-03 12:00"), at("2026-02-03 13:00"))
        run(
            world,
            "update core.jira_issues set issue_type = 'Bug', custom_fields = jsonb_build_object('Severity', %s::jsonb)"
            " where id = %s",
            severity,
            int(made.rpartition(":")[2]),
        )
    world.compute()
    assert world.rows("select count(*) from core.incidents") == [(2,)]


def test_rework_has_its_evidence(world: World) -> None:
    repository = steady(world, days=1)
    incident = world.incident(at("2026-02-03 12:00"), at("2026-02-03 18:00"))
    key = f"OPS-{incident.rpartition(':')[2]}"
    for sha, columns in (
        ("hot", {"title": "hotfix: stop the bleeding"}),
        ("named", {"title": f"{key} repair it"}),
        ("branch", {"head_branch": f"fix/{key.lower()}-again"}),
        ("plain", {}),
    ):
        when = at("2026-02-03 14:00") + timedelta(hours=["hot", "named", "branch", "plain"].index(sha))
        world.change(repository, sha, when, **columns)
        world.deploy(repository, sha, when + timedelta(minutes=10))
    world.compute()
    rules = world.rows("select rule, count(*) from report.evidence_rework group by 1 order by 1")
    assert rules == [("hotfix", 1), ("incident", 2)]
    assert world.metric("deployment_rework_rate", "day", at("2026-02-03 00:00"))["numerator"] == 3
    assert world.rows("select count(*) from report.evidence_rework where evidence_url is null") == [(0,)]


def test_an_overtaken_deployment_is_no_rollback(world: World) -> None:
    """It began before the newer one finished, and ended after it."""
    repository = steady(world, days=1)
    world.change(repository, "old", at("2026-02-03 09:00"))
    world.change(repository, "new", at("2026-02-03 09:10"))
    world.deploy(repository, "new", at("2026-02-03 10:00"))
    world.deploy(repository, "old", at("2026-02-03 10:02"))
    world.compute()
    assert world.rows("select count(*) from report.evidence_deployments where is_rollback or failed_change") == [(0,)]
    assert world.rows(
        "select count(distinct deployed_at) from report.evidence_changes where title in ('Change old', 'Change new')"
    ) == [(1,)]


@pytest.mark.parametrize("how", ["gone", "another", "rewritten"])
def test_a_commit_that_no_longer_belongs_to_a_change_names_nothing(world: World, how: str) -> None:
    """The pull request is gone, was merged as another commit, or its branch was rewritten."""
    repository, sha = steady(world, days=2), "4f2a9c1be07d5a3386c1f0e2d94b7a6c5d8e9f01"
    pull = world.change(repository, "squashed" if how == "rewritten" else sha, at("2026-02-05 09:00"))
    own = {"integration_id": world.github, "pull_request_id": pull, "position": 0}
    if how == "rewritten":
        world.insert("core.github_pull_request_commits", sha=sha, **own)
    guilty = world.deploy(repository, world.commit(repository, "head", at("2026-02-05 09:10")), at("2026-02-05 10:00"))
    last = world.deploy(repository, world.commit(repository, "later", at("2026-02-06 09:10")), at("2026-02-06 10:00"))
    world.incident(at("2026-02-06 12:00"), at("2026-02-06 13:00"), description=f"root cause: {sha}")
    world.compute()
    query = "select caused_by_deployment_id, method from report.evidence_incidents"
    assert world.rows(query) == [(guilty, "explicit")]
    if how == "rewritten":
        run(world, "update core.github_pull_request_commits set sha = 'another'")
    else:
        changed = {"gone": "deleted_at = now()", "another": "merge_commit_sha = 'head'"}[how]
        run(world, f"update core.github_pull_requests set {changed} where id = %s", pull)
    world.compute()
    assert world.rows(query) == [(last, "time_window")]


def test_a_deployment_that_began_after_an_incident_is_not_its_cause(world: World) -> None:
    """A deployment that was still in progress when the incident was created may be the cause."""
    shop, fix = steady(world, days=2), "4f2a9c1be07d5a3386c1f0e2d94b7a6c5d8e9f01"
    last = world.deploy(shop, world.commit(shop, "last", at("2026-02-05 09:00")), at("2026-02-05 10:00"))
    world.deploy(shop, world.commit(shop, fix, at("2026-02-05 14:00")), at("2026-02-05 15:00"))
    world.incident(at("2026-02-05 11:00"), at("2026-02-05 16:00"), description=f"Fixed by {fix}.")
    world.incident(at("2026-02-05 14:56"), at("2026-02-05 16:00"), description=f"During {fix}.")
    world.compute()
    query = "select caused_by_deployment_id, method from report.evidence_incidents order by created_at"
    found = world.rows(query)
    assert found[0] == (last, "time_window")
    assert found[1][1] == "explicit"


@pytest.mark.parametrize("source", ["deployment", "run"])
def test_a_deployments_number_names_it(db: TestDatabase, source: str) -> None:
    world = World(db, minimum_sample=1, deployment_source={"deployment": "deployments", "run": "workflow_runs"}[source])
    shop = world.repository()
    world.commit(shop, "first", at("2026-02-05 08:00"))
    if source == "deployment":
        guilty = world.deploy(shop, "first", at("2026-02-05 09:00"))
        world.deploy(shop, "first", at("2026-02-05 10:00"))
    else:
        guilty = f"gh-run:{world.github}:12345678901:2"
        for number, hour in ((12345678901, 8), (12345678902, 9)):
            world.insert(
                "core.github_workflow_runs",
                integration_id=world.github,
                id=number,
                run_attempt=2,
                repository_id=shop,
                workflow_name="deploy",
                event="push",
                head_branch="main",
                head_sha="first",
                status="completed",
                conclusion="success",
                url=f"https://github.com/acme/shop/actions/runs/{number}",
                created_at=at(f"2026-02-05 0{hour}:50"),
                started_at=at(f"2026-02-05 0{hour}:50"),
                updated_at=at(f"2026-02-05 0{hour}:59"),
            )
    number = guilty.split(":")[2]
    world.incident(at("2026-02-06 12:00"), description=f"It was deployment {number}.")
    world.compute()
    query = "select caused_by_deployment_id, method from report.evidence_incidents"
    assert world.rows(query) == [(guilty, "explicit")]
    table = "github_deployments" if source == "deployment" else "github_workflow_runs"
    run(world, f"update core.{table} set deleted_at = now() where id = %s", int(number))
    world.compute()
    assert world.rows(query)[0][1] == "time_window"
    run(world, f"update core.{table} set deleted_at = null where id = %s", int(number))
    world.compute()
    assert world.rows(query) == [(guilty, "explicit")]


def test_a_fix_version_belongs_to_the_incidents_service(world: World) -> None:
    """Tags such as v1.0 exist in every repository."""
    shop, billing = steady(world, "shop", days=2), steady(world, "billing", days=2)
    world.change(shop, "new", at("2026-02-05 08:00"))
    mine = world.deploy(shop, "new", at("2026-02-05 09:00"))
    world.deploy(billing, "billing-1", at("2026-02-05 10:00"))
    world.incident(at("2026-02-05 11:00"), at("2026-02-05 16:00"))
    run(world, "update core.jira_issues set fix_versions = '{v1.0}'")
    theirs = world.deploy(billing, "billing-1", at("2026-02-05 12:00"))
    run(world, "update core.github_deployments set ref_name = 'v1.0' where id = %s", int(theirs.rpartition(":")[2]))
    world.compute()
    query = "select caused_by_deployment_id, method from report.evidence_incidents"
    assert world.rows(query) == [(mine, "time_window")]


@pytest.mark.parametrize(
    "said",
    ["{}", "{}/", "{}/files", "{}/commits/4f2a9c1be0", "{}#issuecomment-1", "{}?w=1", "*{}*", "[it|{}]", "({}),"],
)
def test_a_url_is_recognised_whatever_follows_it(world: World, said: str) -> None:
    shop = steady(world, days=2)
    url = "https://github.com/acme/shop/pull/77"
    world.change(shop, "bad", at("2026-02-05 09:00"), number=77, url=url)
    guilty = world.deploy(shop, "bad", at("2026-02-05 10:00"))
    world.deploy(shop, world.commit(shop, "last", at("2026-02-05 10:30")), at("2026-02-05 11:00"))
    world.incident(at("2026-02-06 12:00"), description=f"See {said.format(url)}")
    world.compute()
    query = "select caused_by_deployment_id, method from report.evidence_incidents"
    assert world.rows(query) == [(guilty, "explicit")]


@pytest.mark.parametrize("branch", ["OPS-12_fix", "fix_OPS-12", "bob/ops-12-x", "OPS-12"])
def test_a_branch_names_an_issue(world: World, branch: str) -> None:
    shop = world.repository()
    world.change(shop, "x", at("2026-02-20 09:00"), head_branch=branch)
    world.change(shop, "y", at("2026-02-20 09:00"), head_branch="devOPS-12x")
    world.compute()
    assert world.rows("select issue_key from core.change_references") == [("OPS-12",)]


def test_entries_of_one_time_follow_the_order_of_the_changelog(world: World) -> None:
    """Reopened and done again at the same moment, as in a bulk change."""
    world.repository()
    began, again = at("2026-02-20 10:00"), at("2026-02-20 13:00")
    world.incident(began, moves=[(at("2026-02-20 11:00"), "1", "2"), (again, "2", "1"), (again, "1", "2")])
    world.compute()
    assert world.rows("select resolved_at from report.evidence_incidents") == [(again,)]
