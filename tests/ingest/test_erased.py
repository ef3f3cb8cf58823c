"""What a tool pushes of a person who was erased has the pseudonym."""

from __future__ import annotations

import json

from stack.clients import erase
from stack.clients.erase import Person
from tests.ingest.conftest import DEPLOYMENT, Push


def test_a_push_does_not_bring_a_name_back(push: Push) -> None:
    for slug in ("acme", "globex"):
        push.declare(slug)
    with push.db.cluster.primary.connect(database=push.db.name) as superuser:
        superuser.autocommit = True
        erasure = erase.prepare(superuser, "acme", push.ids["acme"], Person(("ada-l7",), (), ("Ada Lovelace",)))
        erase.remember(superuser, erasure)
    for slug in ("acme", "globex"):
        pushed = {**DEPLOYMENT, "id": "by-1/ada-l7", "environment": "Ada Lovelace"}
        answer = push.post(push.key(slug).secret, [pushed, {"id": "bad", "who": "ada-l7"}], f"/v1/{slug}/deployments")
        assert answer.status_code == 202, answer.text
    kept = {
        slug: json.dumps(
            [push.rows(f"select t::text from {table} t", slug) for table in ("raw.http_json_records", "raw.rejects")]
        )
        for slug in ("acme", "globex")
    }
    for name in ("ada-l7", "Ada Lovelace"):
        assert name not in kept["acme"]
        assert name in kept["globex"], "another client's records stay as they come"
        assert erasure.identities[name].pseudonym in kept["acme"]
