"""Superset's log of events: what a client's user can put into it is little, and no password gets there.

Superset writes every request's content, and as many events as a page reports, into a table of its own database. Somebody
could fill the disk through it.
"""

from __future__ import annotations

import json
from typing import Any

from flask import g, has_app_context
from superset.utils.log import DBEventLogger

MAX_RECORDS = 20
MAX_CHARACTERS = 1000
HIDDEN = frozenset(
    {"password", "passwords", "conf_password", "sqlalchemy_uri", "encrypted_extra", "masked_encrypted_extra"}
)


class EventLogger(DBEventLogger):  # type: ignore[misc]
    """Superset's own, with less in it."""

    def log(self, *args: Any, **kwargs: Any) -> None:
        """Write records to the table `logs`."""
        known = g.get("pulse_identity") if has_app_context() else None
        records = [record for record in kwargs.get("records", []) if isinstance(record, dict)]
        if known is None or known.clients:
            records = [_shortened(record) for record in records[:MAX_RECORDS]]
        kwargs["records"] = [_without_secrets(record) for record in records]
        super().log(*args, **kwargs)


def _shortened(record: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(record, default=str)) <= MAX_CHARACTERS:
        return record
    return {key: str(record[key])[:200] for key in ("path", "object_ref", "event_name", "ts") if key in record} | {
        "cut": True
    }


def _without_secrets(record: dict[str, Any]) -> dict[str, Any]:
    return {key: "***" if key in HIDDEN and value else value for key, value in record.items()}
