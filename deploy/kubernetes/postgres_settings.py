"""Writes base/postgres-settings.yaml: the settings and the rules of access in deploy/postgres, as CloudNativePG takes them.

    python3.11 -m deploy.kubernetes.postgres_settings

Standard library only. A test fails while the file is out of date.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "postgres"
TARGET = Path(__file__).resolve().parent / "base" / "postgres-settings.yaml"
CLUSTERS = {"primary": "pulse-primary", "replica": "pulse-replica", "meta": "pulse-meta"}
# The operator decides on these itself, and refuses a Cluster that names them; it writes its logs as JSON.
OPERATORS = {"hot_standby", "primary_slot_name", "recovery_target_timeline", "wal_level", "log_line_prefix"}
HEADING = "# Written by python3.11 -m deploy.kubernetes.postgres_settings from deploy/postgres. Do not edit.\n"


def parameters(kind: str) -> dict[str, str]:
    """The settings of the server `kind` (primary, replica, meta)."""
    found = {}
    for name, value in re.findall(r"^(\w+) = (.+)$", _with_includes(f"{kind}.conf"), re.M):
        if name not in OPERATORS:
            found[name] = value.strip("'")
    return found


def rules(kind: str) -> list[str]:
    """Who may log in to the server `kind`. Pods have addresses of several networks: network policies say who reaches it."""
    lines = [" ".join(line.split()) for line in (FOLDER / f"{kind}_hba.conf").read_text().splitlines()]
    kept = [line.replace(" samenet ", " all ") for line in lines if re.match(r"host (?!replication )", line)]
    # The operator's last rule lets everybody in who has a password.
    return [*kept, "host all all all reject"]


def text() -> str:
    """The file: one patch for each Cluster."""
    documents = []
    for kind, cluster in CLUSTERS.items():
        lines = [
            "apiVersion: postgresql.cnpg.io/v1",
            "kind: Cluster",
            f"metadata: {{name: {cluster}}}",
            "spec:",
            "  postgresql:",
            "    parameters:",
            *(f"      {name}: {json.dumps(value)}" for name, value in parameters(kind).items()),
            "    pg_hba:",
            *(f"      - {json.dumps(rule)}" for rule in rules(kind)),
        ]
        documents.append("\n".join(lines) + "\n")
    return HEADING + "---\n".join(documents)


def _with_includes(name: str) -> str:
    content = (FOLDER / name).read_text()
    return re.sub(r"^include '(.+)'$", lambda found: _with_includes(found[1]), content, flags=re.M)


if __name__ == "__main__":
    TARGET.write_text(text())
    print(TARGET)
