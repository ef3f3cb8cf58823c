"""Sign-ins to Airflow in the audit (audit.events): who, from where, whether it worked. The rest is in Airflow's own log."""

from __future__ import annotations

import logging
import os
import threading
from contextlib import closing

from pulse.texts import one_line
from pulse.warehouse.connect import connect

log = logging.getLogger(__name__)


def note(account: str, address: str, *, worked: bool) -> None:
    """Note a sign-in, in a thread of its own: nobody waits for it, and nobody is kept out when it cannot be noted."""
    # Only the processes of an installation have this login; tools that use Airflow's classes alone do not.
    if os.environ.get("AIRFLOW_CONN_PULSE_ADMIN"):
        threading.Thread(target=_write, args=(account, address, worked), name="pulse-audit", daemon=True).start()


def _write(account: str, address: str, worked: bool) -> None:
    kind = "signed in" if worked else "sign in refused"
    try:
        with closing(connect("pulse_admin", autocommit=True)) as connection:
            connection.execute(
                "select audit.note(%s, %s, %s, null, 'airflow')", [kind, one_line(account).replace("\0", ""), address]
            )
    except Exception as error:
        log.warning("a sign-in could not be noted: %s", error)
