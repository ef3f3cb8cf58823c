"""Superset's REST API, used as in an executive's own script."""

from __future__ import annotations

from typing import Any

import requests


class SupersetSession:
    """A logged-in session (JWT) with the Superset of a running stack."""

    def __init__(self, base_url: str, username: str, password: str) -> None:
        self.base_url = base_url.rstrip("/")
        self.session = requests.Session()
        answer = self.session.post(
            f"{self.base_url}/api/v1/security/login",
            json={"username": username, "password": password, "provider": "db", "refresh": True},
            timeout=60,
        )
        answer.raise_for_status()
        self.token = str(answer.json()["access_token"])
        self.session.headers["Authorization"] = f"Bearer {self.token}"
        self.session.headers["Referer"] = self.base_url
        csrf = self.session.get(f"{self.base_url}/api/v1/security/csrf_token/", timeout=60)
        if csrf.ok:
            self.session.headers["X-CSRFToken"] = csrf.json()["result"]

    def call(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        return self.session.request(method, f"{self.base_url}/{path.lstrip('/')}", timeout=60, **kwargs)

    def datasets(self) -> list[dict[str, Any]]:
        answer = self.call("GET", "api/v1/dataset/", params={"q": "(page_size:100)"})
        answer.raise_for_status()
        return list(answer.json()["result"])

    def dataset_id(self, table_name: str) -> int:
        return next(int(d["id"]) for d in self.datasets() if d["table_name"] == table_name)

    def chart_data(self, dataset_id: int, **query: Any) -> requests.Response:
        """POST /chart/data with one query; keys of `query` override the defaults. Asks for as many rows as a client may."""
        wide = len(query.get("columns", ())) + len(query.get("metrics", ()))
        body = {
            "datasource": {"id": dataset_id, "type": "table"},
            "force": query.pop("force", True),
            "result_format": query.pop("result_format", "json"),
            "result_type": query.pop("result_type", "full"),
            "queries": [
                {
                    "columns": [],
                    "metrics": [],
                    "filters": [],
                    "row_limit": 10_000 if wide <= 5 else 50_000 // wide,
                    **query,
                }
            ],
        }
        return self.call("POST", "api/v1/chart/data", json=body)

    def rows(self, dataset_id: int, columns: list[str], **query: Any) -> list[dict[str, Any]]:
        answer = self.chart_data(dataset_id, columns=columns, **query)
        assert answer.status_code == 200, f"{answer.status_code}: {answer.text[:500]}"
        return list(answer.json()["result"][0]["data"])
