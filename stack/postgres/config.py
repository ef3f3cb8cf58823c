"""The configuration of the embedded servers: deploy/postgres, which the containers use too, and what is this machine's.

Standard library only.
"""

from __future__ import annotations

import re

from stack.paths import ROOT
from stack.ports import LOOPBACK

FOLDER = ROOT / "deploy" / "postgres"
ARCHIVE_SCRIPT = FOLDER / "archive-wal.sh"
# One machine runs everything: less memory than PostgreSQL's default of 128 MB where that is enough.
SHARED_BUFFERS = {"primary": "128MB", "replica": "64MB", "meta": "64MB"}
NOT_DURABLE = {"fsync": "off", "full_page_writes": "off"}  # faster, where losing the data does not matter (tests)


def hba(kind: str) -> str:
    """pg_hba.conf of the server `kind` (primary, replica, meta), which can be reached on loopback only."""
    return (FOLDER / f"{kind}_hba.conf").read_text().replace("samenet", f"{LOOPBACK}/32")


def settings(kind: str, **local: str | int) -> str:
    """postgresql.conf of the server `kind`; `local` are settings of this installation."""
    values = {
        "cluster_name": f"pulse_{kind}",
        "listen_addresses": LOOPBACK,
        "unix_socket_directories": "",
        "shared_buffers": SHARED_BUFFERS[kind],
        **local,
    }
    lines = [f"{name} = '{str(value).replace(chr(39), chr(39) * 2)}'" for name, value in values.items()]
    return "\n".join([_with_includes(f"{kind}.conf"), "# This machine: written at every start.", *lines, ""])


def _with_includes(name: str) -> str:
    """A file with those that it includes, since the servers' account may not be able to read the checkout."""
    return re.sub(r"^include '(.+)'$", lambda found: _with_includes(found[1]), (FOLDER / name).read_text(), flags=re.M)
