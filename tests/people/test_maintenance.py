"""Superset's tables that only grow are trimmed, by the service account alone."""

from __future__ import annotations

import psycopg
import pytest
import requests

from pulse.superset.api import SupersetApi, SupersetError
from tests.people.conftest import PASSWORD, World


def test_superset_forgets_what_is_old_for_an_admin_only(world: World) -> None:
    path = f"{world.url}/api/v1/pulse/maintenance/"
    assert requests.post(path, json={"days": 90}, timeout=30).status_code in (400, 401)
    world.add("techcorp", "trimmer")
    executive = SupersetApi(world.url, "trimmer@techcorp.example", PASSWORD)
    with pytest.raises(SupersetError, match="403"):
        executive.post("pulse/maintenance/", {"days": 90})

    staff = SupersetApi(world.url, "staff", PASSWORD)
    for wrong in (6, "90", True, None):
        with pytest.raises(SupersetError, match=r"answered 400.*a whole number from 7"):
            staff.post("pulse/maintenance/", {"days": wrong})

    with psycopg.connect(world.meta) as meta:
        meta.execute("delete from logs")
        for age in (100, 10):
            meta.execute(
                "insert into logs (action, dttm) values ('x', now() - make_interval(days => %s))",
                [age],
            )
            meta.execute(
                "insert into pulse_ended_sessions values (%s, 1, extract(epoch from now())::bigint - %s, %s)",
                [f"hash{age}", age, age == 100],
            )
            meta.execute(
                "insert into pulse_known_addresses values (%s, now() - make_interval(days => %s))", [f"a{age}", age]
            )
        meta.execute("insert into pulse_login_attempts values ('old', 1, now() - interval '2 hours', now())")
        meta.execute(
            "insert into key_value (resource, value, expires_on) values ('app', '', now() - interval '1 hour'),"
            " ('app', '', null)"
        )
    deleted = staff.post("pulse/maintenance/", {"days": 90})["deleted"]
    assert deleted["logs"] >= 1
    assert {kind: count for kind, count in deleted.items() if kind != "logs"} == {
        "query": 0,
        "key_value": 1,
        "pulse_ended_sessions": 1,
        "pulse_login_attempts": 1,
        "pulse_known_addresses": 1,
    }
    with psycopg.connect(world.meta) as meta:
        old = meta.execute("select count(*) from logs where dttm < now() - interval '90 days'").fetchone()
        assert old == (0,)
        assert meta.execute("select token_hash from pulse_ended_sessions").fetchall() == [("hash10",)], (
            "not written yet"
        )
