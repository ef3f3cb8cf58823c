"""The hostile people of `./pulse bench abuse`: each asks for the most that is allowed, and more, on many connections at once.

Reads whom and how long from standard input. Prints one line of JSON: for each kind of request how many were answered and
refused, and the seconds that the answered ones took.
"""

from __future__ import annotations

import json
import os
import random
import sys
import threading
import time
from collections import Counter
from typing import Any

import requests

from bench._abuse_people import session_of

CONNECTIONS = 16


class Attack:
    """One person's attacks, until the time is over."""

    def __init__(self, base: str, token: str, until: float, counts: Counter[tuple[str, str]]) -> None:
        self.base, self.until, self.counts = base, until, counts
        self.session = session_of(token)
        found = self.session.get(f"{base}/api/v1/dataset/", params={"q": "(page_size:100)"}, timeout=60).json()[
            "result"
        ]
        self.datasets = {row["table_name"]: row["id"] for row in found}
        self.columns = {name: self._columns(number) for name, number in self.datasets.items() if "evidence" in name}
        self.columns["metric_series"] = self._columns(self.datasets["metric_series"])

    def _columns(self, dataset: int) -> list[str]:
        found = self.session.get(f"{self.base}/api/v1/dataset/{dataset}", timeout=60).json()["result"]["columns"]
        return [column["column_name"] for column in found]

    def run(self) -> None:
        while time.monotonic() < self.until:
            kind = random.choice((self.large, self.large, self.series, self.pages, self.too_much, self.pivot))
            started = time.monotonic()
            try:
                status = kind().status_code
            except requests.RequestException:
                status = 0
            if status == 200:
                self.counts[kind.__name__, "seconds"] += round(time.monotonic() - started)
            self.counts[kind.__name__, "answered" if status == 200 else "refused"] += 1

    def ask(self, name: str, *queries: dict[str, Any]) -> requests.Response:
        body = {
            "datasource": {"id": self.datasets[name], "type": "table"},
            "force": True,
            "result_format": "json",
            "result_type": "full",
            "queries": list(queries),
        }
        return self.session.post(f"{self.base}/api/v1/chart/data", json=body, timeout=60)

    def large(self) -> requests.Response:
        """As many rows and columns as one request may have, twice in one, and never from the cache."""
        name = random.choice(list(self.columns))
        columns = self.columns[name][:80]
        query = {
            "columns": columns,
            "row_limit": min(10_000, 50_000 // len(columns)),
            "row_offset": random.randrange(1000),
        }
        return self.ask(name, query, {**query, "row_offset": random.randrange(1000)})

    def series(self) -> requests.Response:
        return self.ask(
            "metric_series",
            {
                "columns": ["scope_name", "period_at"],
                "metrics": ["days"],
                "row_limit": 10_000,
                "series_limit": 100,
                "series_columns": ["scope_name"],
            },
        )

    def pages(self) -> requests.Response:
        return self.session.get(f"{self.base}/superset/dashboard/executive-overview/", timeout=60)

    def pivot(self) -> requests.Response:
        options = {"index": ["period_at"], "columns": ["scope_name"], "aggregates": {"days": {"operator": "mean"}}}
        query = {"columns": ["period_at", "scope_name"], "metrics": ["days"], "row_limit": 2000}
        return self.ask(
            "metric_series",
            {**query, "post_processing": [{"operation": "pivot", "options": options}, {"operation": "flatten"}]},
        )

    def too_much(self) -> requests.Response:
        query = {
            "columns": ["period_at"],
            "row_limit": 1_000_000_000,
            "time_offsets": [f"{n} days ago" for n in range(500)],
        }
        return self.ask("metric_series", *[query] * 50)


def main() -> None:
    """Attack for the seconds that standard input says, and print what came back."""
    os.nice(10)  # the attackers have machines of their own; here they share one with the server
    given = json.load(sys.stdin)
    until = time.monotonic() + given["seconds"]
    counts: Counter[tuple[str, str]] = Counter()
    threads = [
        threading.Thread(target=attack.run)
        for attack in [Attack(given["base"], token, until, counts) for token in given["tokens"]]
        for _ in range(CONNECTIONS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names = ("answered", "refused", "seconds")
    print(
        json.dumps({kind: {name: counts[kind, name] for name in names} for kind in sorted({one for one, _ in counts})})
    )


if __name__ == "__main__":
    main()
