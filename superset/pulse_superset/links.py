"""Saved links and states of filters: how large, and how many. Whose they are: pulse_superset.people and client_cache."""

from __future__ import annotations

from pulse_superset import store

MAX_BYTES = 16 * 1024
KEPT = 200


def forget_old(user_id: int) -> None:
    """Keep a person's newest links only, before another one is saved."""
    store.run(
        "delete from key_value where resource = 'dashboard_permalink' and created_by_fk = :user_id and id not in"
        " (select id from key_value where resource = 'dashboard_permalink' and created_by_fk = :user_id"
        " order by id desc limit :kept)",
        user_id=user_id,
        kept=KEPT - 1,
    )
