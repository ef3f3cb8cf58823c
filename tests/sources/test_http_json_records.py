"""Custom sources: records become typed rows; invalid ones are rejected with the reason and can be read again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from pulse.errors import TooManyRejects
from pulse.tenancy import client_role
from pulse.warehouse.transforms import run_stage
from tests.support.custom import DEPLOYS, PAGER, Custom

DAMAGES: list[tuple[dict[str, Any], str]] = [
    ({"id": None}, "id: id is null"),
    ({"id": True}, "id: id is True, which is not text"),
    ({"service": None}, "service: service.name is null"),
    ({"service": "portal"}, "service: service.name is missing"),
    ({"service": {"name": " "}}, "service: service.name is ' '"),
    ({"service": {"name": ["a"]}}, "service: service.name is ['a'], which is not text"),
    ({"outcome": "exploded"}, "result: outcome is 'exploded', which is neither success nor failure"),
    ({"started_at": "soon"}, "created_at: started_at is 'soon', which is not a time"),
    ({"started_at": "x" * 300}, "created_at: started_at is '" + "x" * 99 + "…, which is not a time"),
    ({"started_at": 12}, "created_at: started_at is 12, which is not a time"),
    ({"started_at": True}, "created_at: started_at is True, which is not a time"),
    ({"started_at": 1767323045000000000}, "created_at: started_at is 1767323045000000000, which is not a time"),
    ({"ended_at": "2001-01-01T00:00:00"}, "finished_at: 2001-01-01T00:00:00+00:00 is before created_at"),
    (
        {"links": [{"href": "javascript:alert(1)"}]},
        "url: links.0.href is 'javascript:alert(1)', which is not an http address",
    ),
]


@pytest.mark.parametrize(("damage", "reason"), DAMAGES, ids=[reason[:40] for _, reason in DAMAGES])
def test_invalid_values_are_rejected_with_field_and_value(custom: Custom, damage: dict[str, Any], reason: str) -> None:
    custom.streams = [DEPLOYS]
    good, bad = custom.upstream("deployments")[:2]
    custom.answer(good, bad | damage)
    assert custom.sync().rows_rejected == 1
    assert list(custom.records()) == [f"deploys:{good['id']}"]
    [(record_id, scope_key, stored_reason)] = custom.rejects()
    assert (record_id, scope_key) == (None if "id" in damage else f"deploys:{bad['id']}", "deploys")
    assert stored_reason.startswith(reason)


def test_missing_fields_and_records_that_are_not_objects_are_rejected(custom: Custom) -> None:
    custom.streams = [DEPLOYS]
    one = custom.upstream("deployments")[0]
    custom.answer({name: value for name, value in one.items() if name != "ended_at"}, "text", None, {})
    custom.sync()
    assert [(row[0], row[2]) for row in custom.rejects()] == [
        (f"deploys:{one['id']}", "finished_at: ended_at is missing, but it is required"),
        (None, "expected an object, got 'text'"),
        (None, "expected an object, got None"),
        (None, "id: id is missing, but it is required"),
    ]


def test_unfinished_and_excluded_records_are_left_out(custom: Custom) -> None:
    custom.streams = [DEPLOYS | {"values": DEPLOYS["values"] | {"environment": {"prod": "production", "*": None}}}]
    running, ended, staging = (
        one | {"env": env}
        for one, env in zip(custom.upstream("deployments"), ("prod", "prod", "staging"), strict=False)
    )
    custom.answer(running | {"outcome": "running", "ended_at": None}, ended, staging)
    assert custom.sync().rows_rejected == 0
    assert list(custom.records()) == [f"deploys:{ended['id']}"]
    custom.answer(staging)
    stats = custom.sync()
    assert any("all 1 records were skipped" in warning for warning in stats.warnings)


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("2026-01-02T03:04:05", "2026-01-02T03:04:05+00:00"),
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05+00:00"),
        ("2026-01-02T03:04:05.250+02:00", "2026-01-02T01:04:05.250000+00:00"),
        ("2026-01-02T03:04:05+0000", "2026-01-02T03:04:05+00:00"),
        (1767323045, "2026-01-02T03:04:05+00:00"),
        (1767323045250, "2026-01-02T03:04:05.250000+00:00"),
        ("1767323045", "2026-01-02T03:04:05+00:00"),
    ],
)
def test_times_are_read_in_every_usual_form(custom: Custom, given: Any, stored: str) -> None:
    custom.streams = [DEPLOYS]
    one = custom.upstream("deployments")[-1]
    custom.answer(one | {"started_at": given})
    custom.sync()
    assert custom.rejects() == []
    assert custom.records()[f"deploys:{one['id']}"]["record"]["created_at"] == stored


def test_a_number_stays_unchanged(custom: Custom) -> None:
    """Neither a gap in another record nor its size turns it into 17.0 or an approximation."""
    custom.streams = [DEPLOYS]
    one = custom.upstream("deployments")[0]
    custom.answer(one | {"id": 2**63 + 1}, one | {"id": 17}, one | {"id": "x", "commit": None})
    custom.sync()
    assert set(custom.records()) == {f"deploys:{2**63 + 1}", "deploys:17", "deploys:x"}
    assert "sha" not in custom.records()["deploys:x"]["record"]


def test_a_reject_is_read_again_with_a_corrected_declaration(custom: Custom) -> None:
    custom.streams = [DEPLOYS]
    good, bad = custom.upstream("deployments")[:2]
    custom.answer(good, bad | {"outcome": "rolled back"})
    custom.sync()
    assert custom.source().replay_rejects() == (0, 1)
    custom.streams = [DEPLOYS | {"values": {"result": {"ok": "success", "rolled back": "failure"}}}]
    assert custom.source().replay_rejects() == (1, 0)
    assert custom.rejects() == []
    assert custom.records()[f"deploys:{bad['id']}"]["record"]["result"] == "failure"
    assert custom.records()[f"deploys:{bad['id']}"]["entity"] == "deployments"


def test_a_reject_of_a_removed_stream_stays(custom: Custom) -> None:
    custom.streams = [DEPLOYS]
    custom.answer({"id": 1})
    custom.sync()
    custom.streams = [PAGER]
    assert custom.source().replay_rejects() == (0, 1)


def test_too_many_rejects_fail_the_run(custom: Custom) -> None:
    custom.streams = [DEPLOYS]
    custom.answer(*({"id": number} for number in range(21)))
    with pytest.raises(TooManyRejects, match="21 of 21"):
        custom.sync()


def test_deployments_and_incidents_are_normalised(custom: Custom) -> None:
    custom.sync()
    custom.transform()
    wanted = []
    for one in custom.upstream("deployments"):
        wanted.append(
            (
                f"deploys:{one['id']}",
                one["service"]["name"],
                "production" if one["env"] == "prod" else "staging",
                {"ok": "success", "broken": "failure"}[one["outcome"]],
                one["commit"]["sha"],
                "main",
                one["links"][0]["href"],
                datetime.fromisoformat(f"{one['started_at']}+00:00"),
                datetime.fromisoformat(f"{one['ended_at']}+00:00"),
                None,
            )
        )
    assert custom.rows(
        "select id, service, environment, result, sha, ref_name, url, created_at, finished_at, deleted_at"
        " from core.custom_deployments order by id"
    ) == sorted(wanted)
    wanted = []
    for one in custom.incidents():
        closed = datetime.fromtimestamp(one["closed"] / 1000, UTC) if one["closed"] else None
        wanted.append(
            (
                f"pager:{one['incident_id']}",
                one["reference"],
                one["summary"],
                "",
                one["impacted"][0]["component"],
                one["urgency"],
                None,
                datetime.fromtimestamp(one["opened"] / 1000, UTC),
                closed,
            )
        )
    assert custom.rows(
        "select id, key, title, description, service, severity, url, created_at, resolved_at"
        " from core.custom_incidents order by id"
    ) == sorted(wanted, key=lambda row: row[0])
    assert custom.rows("select count(*) from core.custom_changes") == [(0,)]


def test_changes_are_normalised_and_a_stream_may_become_another_entity(custom: Custom) -> None:
    changes = DEPLOYS | {
        "entity": "changes",
        "values": {},
        "constants": {"author": "the tool"},
        "fields": {
            "id": "id",
            "service": "service.name",
            "title": "commit.branch",
            "opened_at": "started_at",
            "merged_at": "ended_at",
            "merge_sha": "commit.sha",
        },
    }
    custom.streams = [DEPLOYS]
    custom.sync()
    custom.transform()
    custom.streams = [changes]
    custom.sync()
    custom.transform()
    listed = custom.upstream("deployments")
    assert custom.rows("select id, title, author, merge_sha, opened_at from core.custom_changes order by id") == sorted(
        (
            f"deploys:{one['id']}",
            "main",
            "the tool",
            one["commit"]["sha"],
            datetime.fromisoformat(f"{one['started_at']}+00:00"),
        )
        for one in listed
    )
    assert custom.rows("select count(*) from core.custom_deployments where deleted_at is null") == [(0,)]
    custom.streams = [DEPLOYS]
    custom.sync()
    custom.transform()
    assert custom.rows("select count(*) from core.custom_deployments where deleted_at is null") == [(len(listed),)]
    assert custom.rows("select count(*) from core.custom_changes where deleted_at is null") == [(0,)]


REVIEWED: dict[str, Any] = {
    "name": "merges",
    "entity": "changes",
    "path": "/none/deployments",
    "records": "deployments",
    "fields": {
        "id": "iid",
        "service": "project",
        "title": "title",
        "opened_at": "created_at",
        "first_review_at": "first_note_at",
        "approved_at": "approval.at",
        "merged_at": "merged_at",
    },
}
MERGE: dict[str, Any] = {
    "iid": 1,
    "project": "till",
    "title": "Change 1",
    "created_at": "2026-02-02T09:00:00Z",
    "first_note_at": "2026-02-02T12:00:00+01:00",
    "approval": {"at": 1770033600},
    "merged_at": "2026-02-02T15:00:00",
}


def test_review_times_of_changes_are_kept_and_may_be_missing_or_null(custom: Custom) -> None:
    custom.streams = [REVIEWED]
    bare = {name: value for name, value in MERGE.items() if name not in ("first_note_at", "approval")}
    custom.answer(
        MERGE,
        MERGE | {"iid": 2, "first_note_at": None, "approval": None},
        bare | {"iid": 3},
        MERGE | {"iid": 4, "first_note_at": ""},
    )
    assert custom.sync().rows_rejected == 0
    custom.transform()
    noted, approved = datetime(2026, 2, 2, 11, tzinfo=UTC), datetime(2026, 2, 2, 12, tzinfo=UTC)
    query = "select id, first_review_at, approved_at from core.custom_changes order by id"
    assert custom.rows(query) == [
        ("merges:1", noted, approved),
        ("merges:2", None, None),
        ("merges:3", None, None),
        ("merges:4", None, approved),
    ]
    custom.answer(MERGE, MERGE | {"iid": 2}, bare | {"iid": 3}, bare | {"iid": 4})
    custom.sync()
    custom.transform()
    assert custom.rows(query) == [
        ("merges:1", noted, approved),
        ("merges:2", noted, approved),
        ("merges:3", None, None),
        ("merges:4", None, None),
    ]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ({"first_note_at": "soon"}, "first_review_at: first_note_at is 'soon', which is not a time"),
        ({"first_note_at": True}, "first_review_at: first_note_at is True, which is not a time"),
        ({"approval": {"at": ["x"]}}, "approved_at: approval.at is ['x'], which is not a time"),
        ({"approval": {"at": 12}}, "approved_at: approval.at is 12, which is not a time"),
    ],
)
def test_an_invalid_review_time_is_rejected(custom: Custom, damage: dict[str, Any], reason: str) -> None:
    custom.streams = [REVIEWED]
    custom.answer(MERGE, MERGE | {"iid": 2} | damage)
    assert custom.sync().rows_rejected == 1
    assert list(custom.records()) == ["merges:1"]
    [(record_id, scope_key, stored_reason)] = custom.rejects()
    assert (record_id, scope_key) == ("merges:2", "merges")
    assert stored_reason.startswith(reason)


def test_the_review_times_of_a_custom_source_are_stages_of_the_lead_time(custom: Custom) -> None:
    """From the HTTP answer to what a client reads."""
    custom.streams = [REVIEWED]
    custom.answer(
        MERGE,
        MERGE | {"iid": 2, "approval": None},
        MERGE | {"iid": 3, "first_note_at": None},
        MERGE | {"iid": 4, "first_note_at": None, "approval": None},
        MERGE | {"iid": 5, "first_note_at": "2026-02-02T16:00:00Z", "approval": None},
        MERGE | {"iid": 6, "first_note_at": "2026-02-02T08:00:00Z"},
    )
    custom.sync()
    custom.transform()
    assert custom.identity
    run_stage(custom.db.connect("pulse_etl"), custom.identity[0], "dora")
    custom.db.wait_replica()
    reader = custom.db.connect(client_role(custom.identity[0]), replica=True)
    found = reader.execute(
        "select pickup_hours, review_hours from report.evidence_changes order by change_id"
    ).fetchall()
    # Noted and approved; noted only; approved only; neither; noted after the merge; noted before it was opened.
    assert found == [(2.0, 4.0), (2.0, 4.0), (3.0, 3.0), (None, None), (7.0, None), (None, 7.0)]
    reviewed = custom.rows("select is_reviewed from core.changes order by id")
    assert [one for (one,) in reviewed] == [True, True, True, False, False, True]


def test_normalising_twice_writes_nothing(custom: Custom) -> None:
    custom.sync()
    custom.transform()
    assert custom.identity
    again = run_stage(custom.db.connect("pulse_etl"), custom.identity[0], "normalise")
    written = {step.file: step.rows for step in again if "http_json" in step.file}
    assert written == {
        f"staging/http_json/{name}.sql": 0
        for name in ("issues", "pull_requests", "redeclared_records", "reported_deployments")
    }
