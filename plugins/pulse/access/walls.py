"""What stands before every request to Airflow: who guesses waits, pages are shown in no foreign frame, cookies are closed."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

from pulse.access import noted
from pulse.access.route import ROUTE
from pulse.access.throttle import Throttle

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]

COOKIE = b"_token"
LARGEST_SIGN_IN = 10_000  # bytes
HEADERS = {
    b"x-frame-options": b"SAMEORIGIN",
    b"content-security-policy": b"frame-ancestors 'self'; object-src 'none'; base-uri 'self'; form-action 'self'",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"same-origin",
}
_THROTTLE = Throttle()


class Walls:
    """ASGI middleware. Airflow's auth managers register it (get_fastapi_middlewares)."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        route = ROUTE.set(f"{scope['method']} {scope['path']}")
        try:
            if scope["method"] == "POST" and "/auth/" in scope["path"] and _is_sign_in(scope["path"]):
                await self._sign_in(scope, receive, _with_headers(scope, send))
            else:
                await self.app(scope, receive, _with_headers(scope, send))
        finally:
            ROUTE.reset(route)

    async def _sign_in(self, scope: Any, receive: Receive, send: Send) -> None:
        body = await _body(receive)
        if body is None:
            await _refuse(send, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The request is too large for a sign-in.")
            return
        account, address = _account(body), str((scope.get("client") or ("",))[0])
        if (seconds := _THROTTLE.seconds_to_wait(account, address)) > 0:
            text = f"Too many failed sign-ins: try again in {seconds:.0f} seconds."
            await _refuse(send, HTTPStatus.TOO_MANY_REQUESTS, text, seconds)
            return
        seen: list[Message] = []

        async def collect(message: Message) -> None:
            seen.append(message)

        await self.app(scope, _replay(body, receive), collect)
        token = _token(seen)
        worked = token is not None or _sets_cookie(seen[0])
        noted.note(account, address, worked=worked)
        if not worked:
            _THROTTLE.failed(account, address)
        else:
            _THROTTLE.succeeded(account, address)
        if token is not None and scope["path"].endswith("/auth/token"):
            # The page of the simple auth manager would set a cookie that scripts can read; they cannot replace this one.
            secure = b"; Secure" if scope["scheme"] == "https" else b""
            cookie = COOKIE + b"=" + token.encode() + b"; Path=" + _cookie_path() + b"; HttpOnly; SameSite=Lax" + secure
            seen[0]["headers"] = [*seen[0]["headers"], (b"set-cookie", cookie)]
        for message in seen:
            await send(message)


def _is_sign_in(path: str) -> bool:
    return path.rstrip("/").endswith(("/auth/token", "/auth/token/cli", "/auth/login"))


def _with_headers(scope: Any, send: Send) -> Send:
    """Adds the headers to an answer, and Secure to its cookies when the person came by https."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [(name, value) for name, value in message.get("headers", ()) if name.lower() not in HEADERS]
            headers = [
                (name, _closed(value, scope) if name.lower() == b"set-cookie" else value) for name, value in headers
            ]
            message = {**message, "headers": [*headers, *HEADERS.items()]}
        await send(message)

    return sending


def _closed(cookie: bytes, scope: Any) -> bytes:
    lower = cookie.lower()
    if b"httponly" not in lower:
        cookie += b"; HttpOnly"
    if scope["scheme"] == "https" and b"secure" not in lower:
        cookie += b"; Secure"
    return cookie if b"samesite" in lower else cookie + b"; SameSite=Lax"


async def _body(receive: Receive) -> bytes | None:
    """The request's body; None if it is larger than a sign-in can be."""
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if len(body) > LARGEST_SIGN_IN:
            return None
        if not message.get("more_body"):
            return body


def _replay(body: bytes, receive: Receive) -> Receive:
    """Gives the body once more."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _account(body: bytes) -> str:
    """The name in a sign-in, as JSON or as a form."""
    try:
        found = json.loads(body)
        return str(found.get("username", "")) if isinstance(found, dict) else ""
    except ValueError:
        return parse_qs(body.decode("utf-8", "replace")).get("username", [""])[0]


def _token(messages: list[Message]) -> str | None:
    """The token in an answer to a sign-in; None if it was refused."""
    if messages[0].get("status") != HTTPStatus.CREATED:
        return None
    try:
        return str(json.loads(b"".join(message.get("body", b"") for message in messages))["access_token"])
    except (ValueError, KeyError, TypeError):
        return None


def _sets_cookie(start: Message) -> bool:
    return any(name.lower() == b"set-cookie" and value.startswith(COOKIE) for name, value in start.get("headers", ()))


def _cookie_path() -> bytes:
    from airflow.api_fastapi.app import get_cookie_path

    return str(get_cookie_path()).encode()


async def _refuse(send: Send, status: HTTPStatus, text: str, seconds: float = 0) -> None:
    headers = [(b"content-type", b"application/json")]
    headers += [(b"retry-after", str(int(seconds) + 1).encode())] * (seconds > 0)
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps({"detail": text}).encode()})
