"""A cache of Superset's with a place for each client: nobody finds what belongs to another client.

Superset's key of a filter's state, and the link with it, is a random word that any user could open. Here the same word in
another client's hands is another key.

The places are folders, where nobody pushes out what is another's either. Several Supersets share them in Redis, as prefixes of
keys; when its memory is short, what was used longest ago goes, whoever's it is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from flask import g, has_app_context
from flask_caching.backends.base import BaseCache
from flask_caching.backends.filesystemcache import FileSystemCache
from flask_caching.backends.rediscache import RedisCache
from redis import Redis, RedisError

REDIS_SECONDS = 2  # to wait for it

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

    def get(self, key: str) -> Any:
        try:
            return super().get(key)
        except RedisError as error:
            _note(error)
            return None

    def set(self, key: str, value: Any, timeout: int | None = None) -> bool | None:
        try:
            stored: bool | None = super().set(key, value, timeout)
        except RedisError as error:
            _note(error)
            return None
        return stored

    def add(self, key: str, value: Any, timeout: int | None = None) -> bool:
        try:
            return bool(super().add(key, value, timeout))
        except RedisError as error:
            _note(error)
            return False

    def delete(self, key: str) -> bool:
        try:
            return bool(super().delete(key))
        except RedisError as error:
            _note(error)
            return False

    def has(self, key: str) -> bool:
        try:
            return bool(super().has(key))
        except RedisError as error:
            _note(error)
            return False


def _note(error: RedisError) -> None:
    logger.warning("Redis does not answer, so nothing is cached: %s", error)


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
