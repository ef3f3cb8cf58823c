"""The clients' Variables as they are stored, not as Airflow's API shows them (which hides what looks like a secret).

./pulse sets Airflow up as in its own server, so that secrets backends and the encryption are the same.
"""

from __future__ import annotations

import json
from typing import Any

from pulse.clients.spec import VARIABLE_PREFIX
from stack.errors import StackError

DESCRIPTION = "A client of Pulse: see docs/client-variable.md"


def read(slug: str) -> str | None:
    """The text of a client's Variable; None if there is none."""
    from airflow.models import Variable

    found: str | None = Variable.get(f"{VARIABLE_PREFIX}{slug}", default_var=None)
    return found


def write(slug: str, variable: dict[str, Any]) -> None:
    """Write a client's Variable."""
    from airflow.models import Variable

    text = json.dumps(variable, indent=2, ensure_ascii=False)
    Variable.set(f"{VARIABLE_PREFIX}{slug}", text, description=DESCRIPTION)


def declared(slug: str) -> dict[str, Any]:
    """The JSON of a client's Variable. Raises StackError if there is none."""
    text = read(slug)
    if text is None:
        raise StackError(f"there is no Variable {VARIABLE_PREFIX}{slug}: ./pulse client list shows the clients")
    try:
        found = json.loads(text)
    except ValueError as error:
        raise StackError(f"the Variable {VARIABLE_PREFIX}{slug} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise StackError(f"the Variable {VARIABLE_PREFIX}{slug} is not a JSON object")
    return found
