"""JSON over HTTP with the standard library, for health checks and Airflow's REST API."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

# Loopback only: a proxy that the caller's shell is set up for must not get in between.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class HttpError(Exception):
    """An answer other than 2xx (`status`), or none at all (`status` 0)."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def call(
    method: str, url: str, body: Any = None, headers: dict[str, str] | None = None, timeout_seconds: float = 30
) -> Any:
    """One request; the parsed JSON answer, or its text when it is none. Raises HttpError."""
    data = None if body is None else json.dumps(body).encode()
    wanted = {"Accept": "application/json", **(headers or {})}
    if data is not None:
        wanted["Content-Type"] = "application/json"
    request = urllib.request.Request(url, data=data, headers=wanted, method=method)
    try:
        with _OPENER.open(request, timeout=timeout_seconds) as answer:
            text = answer.read().decode()
    except urllib.error.HTTPError as error:
        raise HttpError(error.code, f"{method} {url}: {error.code} {error.read().decode()[:500]}") from error
    except (OSError, ValueError) as error:
        raise HttpError(0, f"{method} {url}: {error}") from error
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text


class AirflowApi:
    """A login to Airflow's REST API."""

    def __init__(self, base_url: str, username: str, password: str) -> None:
        self.base_url = base_url
        token = call("POST", f"{base_url}/auth/token", {"username": username, "password": password})
        self.headers = {"Authorization": f"Bearer {token['access_token']}"}

    def call(self, method: str, path: str, body: Any = None, **params: Any) -> Any:
        """A request below /api/v2."""
        query = f"?{urllib.parse.urlencode(params, doseq=True)}" if params else ""
        return call(method, f"{self.base_url}/api/v2/{path}{query}", body, self.headers)

    def put_variable(self, key: str, value: Any, description: str = "") -> None:
        """Create a Variable, or overwrite it. `value` is stored as JSON."""
        body = {"key": key, "value": json.dumps(value, ensure_ascii=False), "description": description}
        self._put("variables", key, body)

    def put_connection(self, connection_id: str, fields: dict[str, Any]) -> None:
        """Create a Connection, or overwrite it."""
        self._put("connections", connection_id, {"conn_type": "http", **fields, "connection_id": connection_id})

    def _put(self, kind: str, key: str, body: dict[str, Any]) -> None:
        try:
            self.call("POST", kind, body)
        except HttpError as error:
            if error.status != 409:
                raise
            self.call("PATCH", f"{kind}/{urllib.parse.quote(key, safe='')}", body)
