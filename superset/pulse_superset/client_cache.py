"""A cache of Superset's with a folder for each client: nobody finds, or pushes out, what belongs to another client.

Superset's key of a filter's state, and the link with it, is a random word that any user could open. Here the same word in
another client's hands is another key.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from flask import g, has_app_context
from flask_caching.backends.base import BaseCache
from flask_caching.backends.filesystemcache import FileSystemCache

from pulse_superset.connections import clients_of, login_for


class ByClient(BaseCache):  # type: ignore[misc]
    """Hands each call to the cache of the client whose user this request comes from, or to that of staff."""

    def __init__(self, folder: str, threshold: int, timeout: int) -> None:
        super().__init__(timeout)

        @cache
        def cache_of(owner: str) -> FileSystemCache:
            return FileSystemCache(str(Path(folder) / owner), threshold=threshold, default_timeout=timeout)

        self._cache_of: Callable[[str], FileSystemCache] = cache_of

    def _mine(self) -> FileSystemCache:
        known = g.get("pulse_identity") if has_app_context() else None
        clients = sorted(known.clients) if known is not None else []
        return self._cache_of("client-" + "-".join(map(str, clients)) if clients else "staff")

    def get(self, key: str) -> Any:
        return self._mine().get(key)

    def set(self, key: str, value: Any, timeout: int | None = None) -> bool | None:
        stored: bool | None = self._mine().set(key, value, timeout)
        return stored

    def add(self, key: str, value: Any, timeout: int | None = None) -> bool:
        return bool(self._mine().add(key, value, timeout))

    def delete(self, key: str) -> bool:
        return bool(self._mine().delete(key))

    def has(self, key: str) -> bool:
        return bool(self._mine().has(key))

    def clear(self) -> bool:
        return bool(self._mine().clear())


def share() -> None:
    """A client's people find each other's answers: the key has the database login, which decides what is in an answer.

    Superset's own key has the person's name. Row rules, language and version of the data are in the key, too (get_rls_cache_key).
    """
    from superset.db_engine_specs.postgres import PostgresEngineSpec

    PostgresEngineSpec.get_impersonation_key = classmethod(_reader)


def _reader(_spec: Any, user: Any) -> str | None:
    from superset.extensions import security_manager

    if user is None:
        return None
    roles = [role.name for role in security_manager.get_user_roles(user)]
    return login_for(roles) if clients_of(roles) else str(user.username)


def by_client(_app: Any, config: dict[str, Any], _args: list[Any], _options: dict[str, Any]) -> ByClient:
    """Flask-Caching's factory: CACHE_DIR, CACHE_THRESHOLD (for each client) and CACHE_DEFAULT_TIMEOUT."""
    return ByClient(config["CACHE_DIR"], config["CACHE_THRESHOLD"], config["CACHE_DEFAULT_TIMEOUT"])
