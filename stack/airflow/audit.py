"""Secrets that a command line left in Airflow's audit log: finds such rows, and deletes them.

Airflow writes the arguments of its command line into its table `log`, and hides only some. `python -m stack.airflow.audit`
prints the rows as JSON, without what they hold; `--delete` deletes them.
"""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator
from typing import Any

import psycopg

from stack.context import existing_stack

_MASK = "********"
# Arguments whose value is a secret, or may hold one.
_SECRET_OPTIONS = ("-p", "--password", "--conn-password", "--conn-uri", "--conn-extra", "--conn-json")


def leaks(connection: psycopg.Connection[Any]) -> Iterator[dict[str, Any]]:
    """The rows that hold what should be secret: id, time, owner and the command without its values."""
    rows = connection.execute(
        "select id, dttm, owner, extra from log where event like 'cli%' and extra like '%full_command%' order by id"
    )
    for identity, at, owner, extra in rows:
        command = command_in(extra)
        if holds_secret(command):
            yield {"id": identity, "at": at.isoformat(timespec="seconds"), "owner": owner, "command": command[:2]}


def command_in(extra: str) -> list[str]:
    """The arguments of the command that a row is about; none if the row is of another form."""
    try:
        found = json.loads(extra)["full_command"]
        found = ast.literal_eval(found) if isinstance(found, str) else found  # Airflow writes a list as Python does
        return [str(part) for part in found][1:]
    except (ValueError, KeyError, TypeError, SyntaxError):
        return []


def holds_secret(command: list[str]) -> bool:
    """Whether the arguments of a command (without the program) hold a value that may be secret."""
    if command[:2] == ["variables", "set"]:
        values = [part for part in command[2:] if not part.startswith("--")]
        return len(values) > 1 and values[1] != _MASK
    if not command or command[0] not in ("users", "connections"):
        return False
    for place, part in enumerate(command):
        name, given, value = part.partition("=")
        if part.startswith("-p") and len(part) > 2 and not part.startswith(("-p=", "--")):
            return True  # -pVALUE in one word
        if name in _SECRET_OPTIONS:
            value = value if given else "".join(command[place + 1 : place + 2])
            hidden = {"--conn-uri": f":{_MASK}@" in value, "--conn-json": _is_masked_json(value)}.get(name, False)
            if value != _MASK and not hidden:
                return True
    return False


def _is_masked_json(text: str) -> bool:
    """Whether a Connection as JSON has a hidden password and nothing else that may be secret."""
    try:
        found = json.loads(text)
    except ValueError:
        return False
    return isinstance(found, dict) and found.get("password", _MASK) == _MASK and not found.get("extra")


def main() -> None:
    """Print the rows of the running installation; delete them with --delete."""
    stack = existing_stack()
    if stack is None or stack.cluster.meta.pid() is None:
        return
    with psycopg.connect(stack.settings.database_url("airflow", "meta", "airflow"), connect_timeout=5) as connection:
        if connection.execute("select to_regclass('log')").fetchone() == (None,):
            return
        found = list(leaks(connection))
        if "--delete" in sys.argv:
            connection.execute("delete from log where id = any (%s)", [[row["id"] for row in found]])
    for row in found:
        print(json.dumps(row))


if __name__ == "__main__":
    main()
