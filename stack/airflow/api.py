"""JSON over HTTP, and Airflow's REST API on top of it."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import httpx


class HttpError(Exception):
    """An answer other than 2xx (`status`), or none at all (`status` 0)."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class JsonApi:
    """A server of the stack that speaks JSON."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        # Loopback: a proxy that the caller's shell is set up for must not get in between. No connection is kept, because
        # the server may be restarted between two calls.
        limits = httpx.Limits(max_keepalive_connections=0)
        self._client = httpx.Client(base_url=base_url, trust_env=False, limits=limits)

    def log_in(self, path: str, body: dict[str, Any]) -> None:
        """Exchange a login for a token, which further calls carry. Raises HttpError."""
        self._client.headers["Authorization"] = f"Bearer {self.call('POST', path, body)['access_token']}"

    def call(self, method: str, path: str, body: Any = None, timeout_seconds: float = 30, **params: Any) -> Any:
        """One request; returns the parsed JSON answer, or its text if it is not JSON. Raises HttpError."""
        request = self._client.build_request(method, path, json=body, params=params or None, timeout=timeout_seconds)
        try:
            answer = self._client.send(request)
        except httpx.HTTPError as error:
            raise HttpError(0, f"{method} {request.url}: {error}") from error
        if not answer.is_success:
            raise HttpError(answer.status_code, f"{method} {request.url}: {answer.status_code} {answer.text[:500]}")
        try:
            return answer.json()
        except ValueError:
            return answer.text


class AirflowApi(JsonApi):
    """A login to Airflow's REST API; paths are below /api/v2."""

    def __init__(self, base_url: str, username: str, password: str) -> None:
        super().__init__(base_url)
        self.log_in("/auth/token", {"username": username, "password": password})
        self._client.base_url = httpx.URL(f"{base_url}/api/v2/")

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
            self.call("PATCH", f"{kind}/{quote(key, safe='')}", body)
