"""Deletes what Superset keeps for a time only: its log and queries by Superset's own commands, and what Pulse notes there.

Airflow's DAG maintenance asks for it once a night, with the service account.
"""

from __future__ import annotations

import time
from typing import Any

from flask import Blueprint, jsonify, request

from pulse_superset import answers, identity, store, throttle

PATH = "/api/v1/pulse/maintenance/"
ROLE = "Admin"
LEAST_DAYS = 7
MOST_DAYS = 36500


def add_to(blueprint: Blueprint) -> None:
    """Add the address."""
    blueprint.add_url_rule(PATH, "maintenance", _trim, methods=["POST"])


def _trim() -> Any:
    known = identity.of_request()
    if known is None or ROLE not in known.roles:
        return _refusal(403, "Only an account with the role Admin may do this.")
    body = request.get_json(silent=True)
    days = body.get("days") if isinstance(body, dict) else None
    if not isinstance(days, int) or isinstance(days, bool) or not LEAST_DAYS <= days <= MOST_DAYS:
        return _refusal(400, f"days must be a whole number from {LEAST_DAYS} to {MOST_DAYS}.")
    return jsonify(deleted=trim(days))


def trim(days: int) -> dict[str, int]:
    """Delete what is older than so many days, or what has ended; how many rows, by kind. Needs Superset's application."""
    from superset.commands.logs.prune import LogPruneCommand
    from superset.commands.sql_lab.query import QueryPruneCommand

    before = {table: _count(table) for table in ("logs", "query")}
    LogPruneCommand(days).run()
    QueryPruneCommand(days).run()
    deleted = {table: max(0, count - _count(table)) for table, count in before.items()}
    deleted["key_value"] = _delete("delete from key_value where expires_on < now()")
    deleted["pulse_ended_sessions"] = _delete(
        "delete from pulse_ended_sessions where written and expires_at < :now", now=int(time.time())
    )
    deleted["pulse_login_attempts"] = _delete(
        "delete from pulse_login_attempts where changed_at < now() - make_interval(secs => :old)",
        old=throttle.FORGOTTEN_AFTER_SECONDS,
    )
    deleted["pulse_known_addresses"] = _delete(
        "delete from pulse_known_addresses where seen_at < now() - make_interval(days => :days)",
        days=throttle.KNOWN_DAYS,
    )
    return deleted


def _count(table: str) -> int:
    return int(store.run(f"select count(*) from {table}")[0][0])


def _delete(statement: str, **values: Any) -> int:
    return len(store.run(f"{statement} returning 1", **values))


def _refusal(status: int, message: str) -> tuple[Any, int]:
    answers.say(message)
    return jsonify(message=message), status
