"""A cache of Superset's with a place for each client: nobody finds what belongs to another client.

Superset's key of a filter's state, and the link with it, is a random word that any user could open. Here the same word in
another client's hands is another key.

The places are folders, where nobody pushes out what is another's either. Several Supersets share them in Redis, as prefixes of
keys; when its memory is short, what was used longest ago goes, whoever's it is.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from flask import g, has_app_context
from flask_caching.backends.base import BaseCache
from flask_caching.backends.filesystemcache import FileSystemCache
from flask_caching.backends.rediscache import RedisCache
from redis import Redis, RedisError

from pulse_superset.connections import clients_of, login_for

REDIS_SECONDS = 2  # to wait for it
PAUSE_SECONDS = 5  # without asking it, when it did not answer

logger = logging.getLogger(__name__)


class ByClient(BaseCache):  # type: ignore[misc]
    """Hands each call to the cache of the client whose user this request comes from, or to that of staff."""

    def __init__(self, cache_of: Callable[[str], BaseCache], timeout: int) -> None:
        super().__init__(timeout)
        self._cache_of = cache(cache_of)

    def _mine(self) -> BaseCache:
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


class OfRedis(RedisCache):  # type: ignore[misc]
    """A cache in Redis that is empty while Redis is away: pages are slower then, and nothing else."""

    _silent_until = 0.0  # on the clock that only goes forward

    def _ask(self, otherwise: Any, method: Callable[..., Any], *arguments: Any) -> Any:
        """What the method returns. After a fault Redis is left alone for a while: a page asks for many things."""
        if time.monotonic() < self._silent_until:
            return otherwise
        try:
            return method(*arguments)
        except RedisError as error:
            self._silent_until = time.monotonic() + PAUSE_SECONDS
            logger.warning("Redis does not answer, so nothing is cached for %s s: %s", PAUSE_SECONDS, error)
            return otherwise

    def get(self, key: str) -> Any:
        return self._ask(None, super().get, key)

    def get_many(self, *keys: str) -> Any:
        return self._ask([None] * len(keys), super().get_many, *keys)

    def set(self, key: str, value: Any, timeout: int | None = None) -> Any:
        return self._ask(None, super().set, key, value, timeout)

    def set_many(self, mapping: dict[str, Any], timeout: int | None = None) -> Any:
        return self._ask([], super().set_many, mapping, timeout)

    def add(self, key: str, value: Any, timeout: int | None = None) -> Any:
        return self._ask(False, super().add, key, value, timeout)

    def delete(self, key: str) -> Any:
        return self._ask(False, super().delete, key)

    def delete_many(self, *keys: str) -> Any:
        return self._ask([], super().delete_many, *keys)

    def has(self, key: str) -> Any:
        return self._ask(False, super().has, key)

    def clear(self) -> Any:
        return self._ask(False, super().clear)


def of_redis(_app: Any, config: dict[str, Any], _args: list[Any], _options: dict[str, Any]) -> OfRedis:
    """Flask-Caching's factory: CACHE_REDIS_URL, CACHE_KEY_PREFIX and CACHE_DEFAULT_TIMEOUT."""
    client = Redis.from_url(
        config["CACHE_REDIS_URL"], socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS
    )
    return OfRedis(client, default_timeout=config["CACHE_DEFAULT_TIMEOUT"], key_prefix=config["CACHE_KEY_PREFIX"])


def by_client(app: Any, config: dict[str, Any], args: list[Any], options: dict[str, Any]) -> ByClient:
    """Flask-Caching's factory: as of_redis, or CACHE_DIR, CACHE_THRESHOLD (for each client) and CACHE_DEFAULT_TIMEOUT."""

    def cache_of(owner: str) -> BaseCache:
        if "CACHE_REDIS_URL" in config:
            return of_redis(app, config | {"CACHE_KEY_PREFIX": f"{config['CACHE_KEY_PREFIX']}{owner}:"}, args, options)
        folder = str(Path(config["CACHE_DIR"]) / owner)
        return FileSystemCache(
            folder, threshold=config["CACHE_THRESHOLD"], default_timeout=config["CACHE_DEFAULT_TIMEOUT"]
        )

    return ByClient(cache_of, config["CACHE_DEFAULT_TIMEOUT"])


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
