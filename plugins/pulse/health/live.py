"""Tells open pages at once that a client's state has moved: one listener on the primary for all pages of a process.

The message says only that something moved, and the page then loads itself again. So nobody learns more than the page shows.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import AsyncIterator
from contextlib import closing
from urllib.parse import urlsplit

from fastapi import HTTPException, WebSocket, WebSocketDisconnect, status

from pulse.warehouse.connect import connect

CHANNEL = "pulse_clients"  # core.tell_clients_moved
CONNECTION = "pulse_ingest"  # the only login on the primary that Airflow's API server has and that may do little
MOVED = "moved"
TOGETHER_SECONDS = 0.5  # moves within this time make one message; the replica has them by then
ASK_AGAIN_SECONDS = 60.0  # for the login of an open page
LISTENS_SECONDS = 2.0
AGAIN_SECONDS = 10.0  # when the primary does not answer
MOST_PAGES = 200  # of a process

log = logging.getLogger(__name__)


class Listener:
    """Listens on the primary in a thread, as long as a page is open."""

    def __init__(self) -> None:
        self._pages: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @contextlib.asynccontextmanager
    async def page(self) -> AsyncIterator[asyncio.Event]:
        """An event that is set whenever something has moved. Raises OverflowError when too many pages are open."""
        moved = asyncio.Event()
        with self._lock:
            if len(self._pages) >= MOST_PAGES:
                raise OverflowError
            self._pages[moved] = asyncio.get_running_loop()
            if self._thread is None:
                self._thread = threading.Thread(target=self._listen, name="pulse-live", daemon=True)
                self._thread.start()
        try:
            yield moved
        finally:
            with self._lock:
                del self._pages[moved]

    def _listen(self) -> None:
        while self._is_wanted():
            try:
                with closing(connect(CONNECTION, autocommit=True)) as conn:
                    conn.execute(f"listen {CHANNEL}".encode())
                    self._tell()  # of what moved while nobody listened
                    while self._is_wanted():
                        for _ in conn.notifies(timeout=LISTENS_SECONDS, stop_after=1):
                            self._tell()
            except Exception as error:  # whatever it is: the thread is there until the last page has gone
                log.warning("pages ask every 30 seconds instead of hearing at once what moves: %s", error)
                threading.Event().wait(AGAIN_SECONDS)

    def _is_wanted(self) -> bool:
        with self._lock:
            if not self._pages:
                self._thread = None
            return self._thread is not None

    def _tell(self) -> None:
        with self._lock, contextlib.suppress(RuntimeError):  # a loop that is about to end
            for moved, loop in self._pages.items():
                loop.call_soon_threadsafe(moved.set)


_listener = Listener()


async def serve(socket: WebSocket) -> None:
    """Answer one page's socket until it goes, or until its login ends. Whatever it sends ends it, too."""
    if not _is_own_page(socket) or not await _may_see(socket):
        await socket.close(status.WS_1008_POLICY_VIOLATION)
        return
    await socket.accept()
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        try:
            async with _listener.page() as moved:
                await _tell_page(socket, moved)
        except OverflowError:
            await socket.close(status.WS_1013_TRY_AGAIN_LATER)


async def _tell_page(socket: WebSocket, moved: asyncio.Event) -> None:
    gone = asyncio.create_task(socket.receive())
    try:
        while True:
            waiting = asyncio.create_task(moved.wait())
            await asyncio.wait({gone, waiting}, timeout=ASK_AGAIN_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            if gone.done() or not await _may_see(socket):
                break
            if moved.is_set():
                await asyncio.sleep(TOGETHER_SECONDS)
                moved.clear()
                await socket.send_text(MOVED)
    finally:
        gone.cancel()
    await socket.close(status.WS_1008_POLICY_VIOLATION)


def _is_own_page(socket: WebSocket) -> bool:
    """Browsers send cookies from other sites' pages, too, and then say which site."""
    origin = socket.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == socket.headers.get("host")


async def _may_see(socket: WebSocket) -> bool:
    """Whether the page's login may see the page Clients: what its routes ask, for a socket."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN
    from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
    from airflow.api_fastapi.core_api.security import resolve_user_from_token

    scheme, _, bearer = socket.headers.get("authorization", "").partition(" ")
    try:
        user = await resolve_user_from_token(
            bearer if scheme.lower() == "bearer" else socket.cookies.get(COOKIE_NAME_JWT_TOKEN)
        )
    except HTTPException:
        return False
    return bool(get_auth_manager().is_authorized_view(access_view=AccessView.PLUGINS, user=user))
