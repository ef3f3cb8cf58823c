"""Handing a client's settings to the SQL of a stage."""

from __future__ import annotations

import json
import logging
from typing import Any

import psycopg

from pulse.clients.settings import DEFINITION, effective_settings

log = logging.getLogger(__name__)


def pass_settings(conn: psycopg.Connection[Any]) -> None:
    """Give the SQL of this transaction the settings of the client that it works for.

    `pulse.settings` is a JSON object of every setting by its name, with defaults for those that are not stored;
    `pulse.definition` names what the numbers mean. A stored value that cannot be used is logged and replaced by its
    default: it never stops a stage.
    """
    rows = conn.execute(
        "select c.slug, s.setting_key, s.setting_value from core.clients c join core.system_settings s"
        " on s.client_id = c.id where c.id = (select core.etl_client_id())"
    ).fetchall()
    effective = effective_settings({key: value for _, key, value in rows})
    for line in effective.refused:
        log.warning(
            "client %s: the stored setting %s. It is ignored: its default counts. Correct it in Admin > Variables >"
            " pulse_client_%s and trigger sync_clients.",
            rows[0][0],
            line,
            rows[0][0],
        )
    conn.execute(
        "select set_config('pulse.settings', %s, true), set_config('pulse.definition', %s, true)",
        (json.dumps(effective.values), DEFINITION),
    )
