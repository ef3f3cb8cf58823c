"""What stands before every route: who sends, how much, and how many at once."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TypeVar

from fastapi import HTTPException, Request

from pulse.ingest import keys, limits
from pulse.ingest.store import Sender, Store, Unavailable, UnknownKey

log = logging.getLogger(__name__)
T = TypeVar("T")


class Gate:
    """Lets requests to the store, a few at once, if their sender is known and has not sent too much."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._workers = ThreadPoolExecutor(limits.WORKERS, thread_name_prefix="pulse-ingest")
        self._inside = 0
        self._unknown = 0
        self._units = limits.Allowance(limits.UNITS_PER_SECOND, limits.UNITS_AT_ONCE)
        self._failures = limits.Allowance(limits.FAILURES_PER_SECOND, limits.FAILURES_AT_ONCE)

    async def do(self, work: Callable[[], T]) -> T:
        """Run something on a worker. Raises HTTPException when too many wait, or when the database does not answer."""
        if self._inside >= limits.WORKERS + limits.WAITING:
            raise too_many(1, HTTPStatus.SERVICE_UNAVAILABLE, "too many requests at once")
        self._inside += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._workers, work)
        except Unavailable as error:
            log.warning("a request could not be served: %s", error)
            text = "nothing was taken, because the database does not answer: send it again"
            raise too_many(5, HTTPStatus.SERVICE_UNAVAILABLE, text) from None
        except UnknownKey:
            raise unauthorised() from None
        finally:
            self._inside -= 1

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        """Held while the body of somebody unknown is read: few may fill the memory at once. Raises HTTPException."""
        if self._unknown >= limits.UNKNOWN_AT_ONCE:
            raise too_many(1, HTTPStatus.SERVICE_UNAVAILABLE, "too many requests at once")
        self._unknown += 1
        try:
            yield
        finally:
            self._unknown -= 1

    async def sender(self, request: Request, client: str) -> tuple[str, Sender]:
        """The hash of the request's token, and whose it is. Raises HTTPException."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise unauthorised()
        key_hash = keys.digest(token.strip())
        self.admit(request)
        try:
            sender = await self.do(lambda: self.store.sender(key_hash))
        except HTTPException as refused:
            if refused.status_code == HTTPStatus.UNAUTHORIZED:
                self.failed(request)
            raise
        if sender.slug != client or keys.KINDS.get(sender.integration_type) != keys.TOKEN:
            # The same answer whether or not there is such a client: only the token's own row was looked at.
            self.failed(request)
            raise HTTPException(HTTPStatus.FORBIDDEN, "this token does not belong to this client")
        self.spend(key_hash, limits.REQUEST_UNITS)
        return key_hash, sender

    def admit(self, request: Request) -> None:
        """Refuse an address from which too many wrong keys came lately. Raises HTTPException."""
        if (seconds := self._failures.seconds_to_wait(_address(request))) > 0:
            raise too_many(seconds, text="too many requests with a wrong key from this address")

    def failed(self, request: Request) -> None:
        """Count a wrong key."""
        self._failures.spend(_address(request))

    def spend(self, key_hash: str, units: float) -> None:
        """Count a request of a key. Raises HTTPException when it has sent too much lately."""
        if (seconds := self._units.seconds_to_wait(key_hash, units)) > 0:
            raise too_many(seconds, text="too many records with this key")
        self._units.spend(key_hash, units)

    def spend_more(self, key_hash: str, records: int) -> None:
        """Count the records of a request that was let in."""
        self._units.spend(key_hash, max(0.0, records - limits.REQUEST_UNITS))

    def end(self) -> None:
        """Finish what is being worked on."""
        self._workers.shutdown(wait=True)


def unauthorised() -> HTTPException:
    """The same for a missing, wrong and revoked key."""
    return HTTPException(
        HTTPStatus.UNAUTHORIZED, "the key is missing, wrong or revoked", headers={"WWW-Authenticate": "Bearer"}
    )


def too_many(seconds: float, status: int = HTTPStatus.TOO_MANY_REQUESTS, text: str = "") -> HTTPException:
    """An answer that says when to come again."""
    return HTTPException(status, text, headers={"Retry-After": str(max(1, math.ceil(seconds)))})


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
