"""A small client of Superset's REST API, as the service account."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import requests

TIMEOUT_SECONDS = 60
PAGE_SIZE = 100  # Superset's maximum; a larger value is silently reduced
# A stable order across pages; Superset accepts only some columns, which differ by list.
ORDER = {
    "database/": "database_name",
    "dataset/": "table_name",
    "chart/": "slice_name",
    "dashboard/": "dashboard_title",
    "security/permissions-resources/": "id",
}


class SupersetError(Exception):
    """Superset refused or failed; the message contains the request, the status and the start of the answer."""

    status: int | None = None  # of the answer, if there was one


class SupersetApi:
    """Superset at `base_url`, through an account with the role Admin. Logs in at the first call."""

    def __init__(self, base_url: str, username: str, password: str) -> None:
        self.base_url = base_url.rstrip("/")
        self._username = username
        self._password = password
        self._session: requests.Session | None = None
        self._permission_ids: dict[tuple[str, str], int] | None = None

    def get(self, path: str, **params: str) -> dict[str, Any]:
        """GET /api/v1/<path>. Raises SupersetError."""
        return self._call("GET", path, params=params)

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """POST JSON. Raises SupersetError."""
        return self._call("POST", path, json=body)

    def put(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """PUT JSON. Raises SupersetError."""
        return self._call("PUT", path, json=body)

    def delete(self, path: str) -> dict[str, Any]:
        """DELETE. Raises SupersetError."""
        return self._call("DELETE", path)

    def upload(self, path: str, name: str, content: bytes) -> dict[str, Any]:
        """POST a file as the form field `name`. Raises SupersetError."""
        return self._call("POST", path, files={name: (f"{name}.zip", content, "application/zip")})

    def page(self, path: str, **params: str) -> requests.Response:
        """GET a path outside of the API: a page of Pulse's own. Raises SupersetError."""
        return self._answer("GET", path, params=params)

    def every(self, path: str, column: str | None = None, equals: str | None = None) -> Iterator[dict[str, Any]]:
        """Every row of a list, page by page; with `column`, only those where it equals the value."""
        page = 0
        while True:
            query = f"order_column:{ORDER.get(path, 'name')},order_direction:asc,page:{page},page_size:{PAGE_SIZE}"
            if column is not None:
                query = f"filters:!((col:{column},opr:eq,value:{_rison(equals or '')})),{query}"
            rows = self.get(path, q=f"({query})")["result"]
            yield from rows
            if len(rows) < PAGE_SIZE:
                return
            page += 1

    def find(self, path: str, column: str, equals: str) -> dict[str, Any] | None:
        """The first row of a list where the column equals the value."""
        return next(self.every(path, column, equals), None)

    def permission_id(self, permission: str, view: str) -> int | None:
        """Id of a permission on a view; None if this Superset has no such permission."""
        if self._permission_ids is None or (permission, view) not in self._permission_ids:
            self._permission_ids = {
                (row["permission"]["name"], row["view_menu"]["name"]): int(row["id"])
                for row in self.every("security/permissions-resources/")
            }
        return self._permission_ids.get((permission, view))

    def _call(self, method: str, path: str, **kwargs: Any) -> dict[str, Any]:
        result: dict[str, Any] = self._answer(method, f"api/v1/{path}", **kwargs).json()
        return result

    def _answer(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        session = self._session or self._login()
        answer = self._send(session, method, path, **kwargs)
        if answer.status_code == 401:  # the token's half hour is over
            answer = self._send(self._login(), method, path, **kwargs)
        if not answer.ok:
            error = SupersetError(f"{method} {self.base_url}/{path} answered {answer.status_code}: {answer.text[:500]}")
            error.status = answer.status_code
            raise error
        return answer

    def _send(self, session: requests.Session, method: str, path: str, **kwargs: Any) -> requests.Response:
        # Behind TLS Superset marks its cookie Secure. From here, inside the network, it is asked over http all the same.
        for cookie in session.cookies:
            cookie.secure = False
        try:
            return session.request(method, f"{self.base_url}/{path}", timeout=TIMEOUT_SECONDS, **kwargs)
        except requests.RequestException as error:
            raise SupersetError(f"Superset at {self.base_url} does not answer: {error}") from error

    def _login(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        session.headers["Referer"] = self.base_url
        body = {"username": self._username, "password": self._password, "provider": "db", "refresh": False}
        answer = self._send(session, "POST", "api/v1/security/login", json=body)
        if not answer.ok:
            raise SupersetError(
                f"Superset at {self.base_url} refused the service account {self._username} ({answer.status_code}): "
                "check the Connection pulse_superset"
            )
        session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        token = self._send(session, "GET", "api/v1/security/csrf_token/")
        if not token.ok:
            raise SupersetError(f"Superset at {self.base_url} returned no CSRF token ({token.status_code})")
        session.headers["X-CSRFToken"] = token.json()["result"]
        self._session = session
        return session


def _rison(value: str) -> str:
    """A string in rison, Superset's query notation."""
    escaped = value.replace("!", "!!").replace("'", "!'")
    return f"'{escaped}'"


def path_segment(value: str) -> str:
    """A value, quoted as one segment of a path."""
    return quote(value, safe="")


def decoded(text: str | None) -> dict[str, Any]:
    """A JSON object that Superset stores as text; empty if there is none."""
    value = json.loads(text) if text else {}
    return value if isinstance(value, dict) else {}
