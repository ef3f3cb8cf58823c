"""Reads a journal from the entry after the last one that is stored."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pulse.sources.base import Credential, Scope, Source, page_of, require
from pulse.sources.http import HttpClient, TokenAuth
from pulse.warehouse.checkpoints import Checkpoint
from pulse.warehouse.loader import Page, RawRow
from pulse.warehouse.runs import RunStats

ENTITY = "kiln_entries"
REQUIRED = {
    "app": ("app",),
    "commit": ("app", "note", "rev", "at"),
    "merge": ("app", "note", "by", "begun", "proposed", "landed", "rev", "agreed"),
    "rollout": ("app", "rev", "from", "to"),
    "alarm": ("app", "note", "from"),
}


class KilnSource(Source):
    """A journal of a Kiln server: entries are numbered, never change, and come in pages."""

    def connect(self, credential: Credential) -> None:
        auth = TokenAuth(credential.token)
        self.http = HttpClient(auth, self.integration.client_slug, self.integration.name, self.stats, {})

    def discover(self) -> list[Scope]:
        journal = self.integration.config["journal"]
        return [Scope(journal, journal)]

    def extract(self, scope: Scope) -> RunStats:
        after = self.checkpoint("entries", scope.key).cursor.get("after", 0)
        while True:
            url = f"{self.integration.base_url}/journals/{scope.key}"
            entries = self.http.call("GET", url, params={"after": after}).body["entries"]
            if not entries:
                return self.finish()
            after = entries[-1]["no"]
            page = page_of(ENTITY, entries, _row(scope.key), scope.key, lambda entry: str(entry["no"]))
            self.store([page], [Checkpoint("entries", scope.key, None, {"after": after})])

    def rebuild(self, entity: str, payload: Any, scope_key: str) -> Page:
        return page_of(entity, [payload], _row(scope_key), scope_key, lambda entry: str(entry["no"]))


def _row(scope_key: str) -> Any:
    def build(entry: dict[str, Any]) -> RawRow:
        require(entry, *REQUIRED[entry["what"]])
        for name in ("at", "begun", "proposed", "landed", "from", "to"):
            if name in entry:
                datetime.fromisoformat(entry[name])
        return RawRow(f"{entry['what']}:{entry['no']}", scope_key, entry)

    return build


SOURCE = KilnSource
