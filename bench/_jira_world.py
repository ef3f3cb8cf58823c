"""A Jira site of ten thousand issues with five history entries each, served by the sandbox.

python -m bench._jira_world --port P
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta
from typing import Any

import uvicorn

from sandbox.app import build_app
from sandbox.state import State
from sandbox.world.model import Change, FieldChange, Issue, Organisation, Site

ISSUES, ENTRIES = 10_000, 5
NOW = datetime(2026, 6, 30, 12, tzinfo=UTC)


def site() -> Site:
    """The site, with one project."""
    project = {"id": "10001", "key": "BIG", "name": "Big"}
    statuses = [
        {"id": str(10_000 + place), "name": name, "statusCategory": {"key": key}}
        for place, (name, key) in enumerate((("Open", "new"), ("Doing", "indeterminate"), ("Done", "done")))
    ]
    kind, person = {"id": "1", "name": "Story"}, {"accountId": "mira", "displayName": "Mira Lund"}
    issues = []
    for number in range(ISSUES):
        created = NOW - timedelta(minutes=20 * (ISSUES - number) + 400)
        changes = [
            Change(
                number * 10 + place,
                created + timedelta(minutes=place + 1),
                "Mira Lund",
                [FieldChange("status", "status", "10000", "Open", str(10_000 + place % 3), "Doing")],
            )
            for place in range(ENTRIES)
        ]
        fields: dict[str, Any] = {
            "summary": f"Make thing {number}",
            "issuetype": kind,
            "priority": {"id": "3", "name": "Medium"},
            "labels": [],
            "components": [],
            "fixVersions": [],
            "assignee": person,
            "reporter": person,
            "description": "As we said. " * 20,
            "issuelinks": [],
            "parent": None,
        }
        issues.append(Issue(100_000 + number, f"BIG-{number + 1}", 10_001, created, fields, changes))
    return Site("big", [project], statuses, [{"id": "summary", "name": "Summary"}], issues)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    app = build_app([Organisation("big", site=site())], State(NOW))
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=parser.parse_args().port,
        log_level="warning",
        access_log=False,
        lifespan="off",
        date_header=False,
    )
