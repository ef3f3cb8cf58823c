"""What a purge and an erasure have in common: they wait for runs, tell what they found, and sign a report of it."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

from pulse.orchestration.dag import dag_id
from stack.clients.traces import Found
from stack.context import Stack
from stack.errors import StackError

EXCLUDED = "PostgreSQL's write-ahead log and the backups still hold the client until they are rotated out."


def nothing_runs(stack: Stack, slug: str) -> None:
    """Raise StackError while a run of the client, or sync_clients, is under way."""
    with stack.cluster.meta.connect(database="airflow") as airflow:
        row = airflow.execute(
            "select dag_id from dag_run where dag_id = any (%s) and state in ('running', 'queued') limit 1",
            [[dag_id(slug), "sync_clients"]],
        ).fetchone()
    if row is not None:
        raise StackError(f"a run of {row[0]} is under way: nothing was changed. Run the command again when it is over")


def tell(verb: str, found: Found) -> None:
    """Print the places, with how many rows or files there are."""
    for place, count in sorted(found.places.items()):
        print(f"{verb}: {count:>8}  {place}")


def write_report(path: Path, report: dict[str, Any], secret: str) -> None:
    """The report, signed with this installation's secret."""
    text = json.dumps(report, sort_keys=True)
    signature = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    path.write_text(json.dumps({**report, "signature": signature}, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    print(f"The signed report is in {path}.")
