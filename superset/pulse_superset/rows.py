"""The way from a number to its rows: /pulse/rows/ opens the evidence with the filters set, whoever links to it.

Tiles, sentences, the brief and mails know a metric, days and a service; only here is known which dashboard and tab have the rows,
and how Superset reads filters from an address.
"""

from __future__ import annotations

from datetime import date
from typing import Any
from urllib.parse import quote

import prison
from flask import redirect, request

RULE = "/pulse/rows/"
TABS = {
    "deployment_frequency": "deployments",
    "change_failure_rate": "deployments",
    "deployment_rework_rate": "deployments",
    "deployment_success_rate": "deployments",
    "failed_deployment_recovery_time": "deployments",
    "lead_time_for_changes": "changes",
    "time_to_restore": "incidents",
}
MAX_NAME = 200


def show() -> Any:
    """Redirect to the rows: `metric`, `from` and `to` (days, the second not included), and perhaps `service`.

    What is missing or makes no sense is left out: the reader lands at the evidence, and sets the filters there.
    """
    given = request.args
    tab = TABS.get(given.get("metric", ""), "deployments")
    chosen: dict[str, Any] = {}
    days = _day(given.get("from", "")), _day(given.get("to", ""))
    if all(days):
        chosen |= _filter("recent", {"time_range": f"{days[0]} : {days[1]}"}, f"{days[0]} : {days[1]}")
    service = given.get("service", "")[:MAX_NAME]
    if service:
        chosen |= _filter("service", {"filters": [{"col": "service_name", "op": "IN", "val": [service]}]}, [service])
    filters = f"?native_filters={quote(prison.dumps(chosen))}" if chosen else ""
    return redirect(f"/superset/dashboard/evidence/{filters}#TAB-{tab}")


def _filter(name: str, data: dict[str, Any], value: Any) -> dict[str, Any]:
    key = f"NATIVE_FILTER-{name}"
    return {key: {"id": key, "extraFormData": data, "filterState": {"value": value}, "ownState": {}}}


def _day(text: str) -> str | None:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        return None
