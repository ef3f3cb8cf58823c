"""What Pulse reads from a custom source, in what order, until when.

It reads all pages of each stream and stores each page with its position: see pulse.sources.http_json.walks.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import ValidationError

from pulse.clients.streams import HttpJsonAuth, Stream
from pulse.errors import ConfigError
from pulse.sources.base import Credential, Integration, Scope, Source
from pulse.sources.http_json import records
from pulse.sources.http_json.client import JsonClient
from pulse.sources.http_json.walks import Walks
from pulse.warehouse.loader import Page
from pulse.warehouse.runs import RunStats


def declared(integration: Integration, credential: Credential, stats: RunStats) -> tuple[JsonClient, dict[str, Stream]]:
    """The client of a declared endpoint, and its streams by name. Raises ConfigError."""
    config = integration.config
    try:
        auth = HttpJsonAuth.model_validate(config.get("auth") or {})
        streams = {one["name"]: Stream.model_validate(one) for one in config["streams"]}
    except (ValidationError, LookupError, TypeError):
        raise ConfigError(
            client=integration.client_slug,
            source=integration.name,
            message="the stored declaration cannot be read",
            remedy="trigger sync_clients, which checks it",
        ) from None
    return JsonClient(integration, credential, auth, stats), streams


class HttpJsonSource(Source):
    """The streams that an admin declares for one endpoint; each is a scope."""

    def connect(self, credential: Credential) -> None:
        self.upstream, self.streams = declared(self.integration, credential, self.stats)

    def discover(self) -> list[Scope]:
        """The declared streams that are read, in their order; calls nothing and stores nothing."""
        return [Scope(name, name) for name, stream in self.streams.items() if stream.path]

    def extract(self, scope: Scope) -> RunStats:
        stream = self.streams.get(scope.key)
        if stream is None:
            raise ConfigError(
                client=self.integration.client_slug,
                source=self.integration.name,
                message=f"the stream {scope.key} is no longer declared",
                remedy="no action needed: the next run leaves it out",
            )
        Walks(self, self.upstream, stream, self._checkpoint_name(stream)).run()
        return self.finish()

    def rebuild(self, entity: str, payload: Any, scope_key: str) -> Page:
        stream = self.streams.get(scope_key)
        if entity != records.ENTITY or stream is None:
            return Page(entity)
        return records.map_records(stream, [payload]).page

    def _checkpoint_name(self, stream: Stream) -> str:
        """Differs when address or declaration differ, so that rows made by another mapping are all read again."""
        declared = json.dumps([self.integration.base_url, stream.model_dump(mode="json")], sort_keys=True)
        return f"records:{hashlib.sha256(declared.encode()).hexdigest()[:12]}"


SOURCE = HttpJsonSource
