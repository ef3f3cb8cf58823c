"""TechCorp's own site in the running stack: declared as an admin declares it, with a key, and guest tokens."""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass
from functools import cache
from typing import Any

import requests

from pulse import embedding
from tests.support.airflow_api import AirflowApi
from tests.support.stack import database, login_of, wait_replica

CLIENTS = ("techcorp", "acme")
DASHBOARD = "executive-overview"
# One for all tests, so that those of two processes declare the same.
HOST_PORT = 18473
ORIGIN = f"http://127.0.0.1:{HOST_PORT}"
RENEWED_AFTER_SECONDS = 200


@dataclass
class GuestTokens:
    """Guest tokens of one key; each is used for a while."""

    superset: str
    key: str
    made_at: float = -math.inf
    last: str = ""

    def answer(self) -> dict[str, Any]:
        """What the client's site gets: token, expires_in, id."""
        found = requests.post(
            self.superset + embedding.TOKEN_PATH,
            json={"dashboard": DASHBOARD},
            headers={embedding.KEY_HEADER: self.key},
            timeout=60,
        )
        assert found.status_code == 200, found.text
        return dict(found.json())

    def token(self) -> str:
        if time.monotonic() > self.made_at + RENEWED_AFTER_SECONDS:
            self.last, self.made_at = str(self.answer()["token"]), time.monotonic()
        return self.last


def guests_of(stack: dict[str, Any], client: str = "techcorp") -> GuestTokens:
    """The demo clients embed their overview from now on; tokens for the one that is named."""
    return _declared(json.dumps(stack))[client]


@cache
def _declared(stack_as_json: str) -> dict[str, GuestTokens]:
    stack = json.loads(stack_as_json)
    login = login_of(stack, "airflow", "admin")
    airflow = AirflowApi(stack["addresses"]["airflow"], login["username"], login["password"])
    airflow.change_clients(
        CLIENTS, lambda variable: {**variable, "embedding": {"origins": [ORIGIN], "dashboards": [DASHBOARD]}}
    )
    with database(stack, "pulse_admin") as admin:
        keys = {client: embedding.make(admin, client, "tests")[1] for client in CLIENTS}
    wait_replica(stack)
    return {client: GuestTokens(stack["addresses"]["superset"], key) for client, key in keys.items()}
