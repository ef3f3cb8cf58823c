"""The app under /pulse/ingest of Airflow's API server (docs/push.md). Airflow mounts it without authentication: every route
asks for a key of its own, except the OpenAPI document."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import FastAPI, HTTPException, Path, Request
from pydantic import BaseModel

from pulse.clients.streams import OPTIONAL, REQUIRED, Stream
from pulse.ingest import admin, body, limits, measure, webhooks
from pulse.ingest import records as pushed
from pulse.ingest.gate import Gate, unauthorised
from pulse.ingest.keys import digest
from pulse.ingest.starter import Starter, start_run
from pulse.ingest.store import Sender, Store

log = logging.getLogger(__name__)
Name = Annotated[str, Path(pattern="^[a-z][a-z0-9_]{0,39}$")]


class Refused(BaseModel):
    """A record that was not taken: its place in the batch (from 0), its id, and why."""

    index: int
    id: str | None
    reason: str


class Answer(BaseModel):
    """What became of a batch. Skipped records have not ended yet, or the declaration leaves them out."""

    taken: int
    skipped: int
    refused: list[Refused]


class Moved(BaseModel):
    """What a webhook said has moved: the streams that the next run reads."""

    moved: list[str]


def create_app(start: Callable[[str], bool] = start_run) -> FastAPI:
    """The app. `start`: queues a run of a client."""
    store = Store()
    gate, starter = Gate(store), Starter(Store(), start)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        starter.begin()
        yield
        starter.end()
        gate.end()

    app = FastAPI(
        title="Pulse: push",
        version="1",
        description="Records and webhooks that tools send. `docs/push.md` has examples.",
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.add_middleware(measure.Counted)
    for entity in REQUIRED:
        app.add_api_route(
            f"/v1/{{client}}/{entity}",
            _push_route(entity, gate, starter),
            methods=["POST"],
            status_code=HTTPStatus.ACCEPTED,
            response_model=Answer,
            summary=f"Push {entity}",
            operation_id=f"push_{entity}",
            openapi_extra=_documented(entity),
            responses=_REFUSALS,
        )
    app.add_api_route(
        "/v1/{client}/webhooks/{kind}/{source}",
        _webhook_route(gate, starter),
        methods=["POST"],
        status_code=HTTPStatus.ACCEPTED,
        response_model=Moved,
        summary="Receive a webhook of GitHub or Jira",
        operation_id="receive_webhook",
        responses=_REFUSALS,
    )
    app.include_router(admin.router)
    return app


def _push_route(entity: str, gate: Gate, starter: Starter) -> Callable[..., Awaitable[Answer]]:
    async def push(client: str, request: Request, stream: str | None = None) -> Answer:
        key_hash, sender = await gate.sender(request, client)
        target = _stream(sender, entity, stream)
        batch = _batch(body.decode(await body.read(request)))
        gate.spend_more(key_hash, len(batch))

        def work() -> tuple[pushed.Taken, bool]:
            taken = pushed.take(target, batch)
            return taken, gate.store.keep(key_hash, taken)

        taken, wishes = await gate.do(work)  # from here on it is committed
        if wishes:
            starter.wake()
        log.info("client %s, %s: %d %s taken, %d refused", client, sender.name, taken.taken, entity, len(taken.refused))
        refused = [Refused(index=one.index, id=one.id, reason=one.reason) for one in taken.refused]
        return Answer(taken=taken.taken, skipped=taken.skipped, refused=refused)

    return push


def _webhook_route(gate: Gate, starter: Starter) -> Callable[..., Awaitable[Moved]]:
    async def receive(client: Name, kind: Literal["github", "jira"], source: Name, request: Request) -> Moved:
        signature = request.headers.get(webhooks.HEADERS[kind][0], "")
        if not signature:
            raise unauthorised()
        gate.admit(request)
        async with gate.reading():
            content = await body.read(request)
        # The same steps, and the same answer, whether or not there is such a client and source.
        nonces = await gate.do(lambda: gate.store.nonces(client, kind, source))
        secret = webhooks.secret_of(nonces, signature, content)
        if secret is None:
            gate.failed(request)
            raise unauthorised()
        key_hash = digest(secret)
        gate.spend(key_hash, limits.REQUEST_UNITS)
        payload = body.decode(content)
        if webhooks.is_outdated(payload):
            raise HTTPException(HTTPStatus.CONFLICT, "this webhook is not a recent one: nothing was done")
        moves = webhooks.moves(kind, request.headers, payload)
        names = webhooks.names_of(kind, request.headers, content)
        if not await gate.do(lambda: gate.store.mark(key_hash, names, moves)):
            raise HTTPException(HTTPStatus.CONFLICT, "this webhook was taken already: nothing was done")
        if moves:
            starter.wake()
            log.info("client %s, %s: a webhook says that %s moved", client, source, moves)
        return Moved(moved=[stream for _, stream in moves])

    return receive


def _stream(sender: Sender, entity: str, name: str | None) -> Stream:
    """The declared stream that a request is for. Raises HTTPException."""
    declared = [Stream.model_validate(one) for one in sender.config.get("streams", ()) if one.get("entity") == entity]
    found = [stream for stream in declared if name in (None, stream.name)]
    if len(found) == 1:
        return found[0]
    if not found:
        text = f"source {sender.name} declares no stream {'' if name is None else repr(name[:60]) + ' '}of {entity}: add one"
        raise HTTPException(HTTPStatus.NOT_FOUND, text)
    names = ", ".join(stream.name for stream in found)
    raise HTTPException(HTTPStatus.BAD_REQUEST, f"source {sender.name} has several: add ?stream= with one of {names}")


def _batch(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [value]
    if not isinstance(value, list):
        raise HTTPException(HTTPStatus.BAD_REQUEST, "send one record as an object, or several as a list of objects")
    if len(value) > limits.BATCH_RECORDS:
        text = f"a batch has at most {limits.BATCH_RECORDS} records, this one has {len(value)}"
        raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text)
    return value


_REFUSALS: dict[int | str, dict[str, Any]] = {
    int(status): {"description": text}
    for status, text in {
        HTTPStatus.BAD_REQUEST: "the body is not what it should be",
        HTTPStatus.UNAUTHORIZED: "the key is missing, wrong or revoked",
        HTTPStatus.FORBIDDEN: "the key is another client's",
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "the body or the batch is too large",
        HTTPStatus.TOO_MANY_REQUESTS: "too much lately; Retry-After says when to come again",
        HTTPStatus.SERVICE_UNAVAILABLE: "nothing was taken; Retry-After says when to send it again",
    }.items()
}


def _documented(entity: str) -> dict[str, Any]:
    """The body and the security of a route, for a source that declares no fields of its own."""
    known = (*REQUIRED[entity], *OPTIONAL[entity])
    fields = {name: {"type": "string", **({"format": "date-time"} if name.endswith("_at") else {})} for name in known}
    record = {"type": "object", "properties": fields, "required": list(REQUIRED[entity])}
    batch = {"type": "array", "items": record, "maxItems": limits.BATCH_RECORDS}
    return {
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"oneOf": [record, batch]}}}},
        "parameters": [
            {
                "name": "Authorization",
                "in": "header",
                "required": True,
                "schema": {"type": "string"},
                "description": "Bearer <token>",
            }
        ],
    }
