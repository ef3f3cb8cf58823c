"""An admin's routes: make, list and revoke keys with Airflow's own login, where there is no ./pulse.

Only `Authorization: Bearer` with a token of Airflow's API counts (POST /auth/token), no cookie: so no page can make a key in an
admin's name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

import psycopg
from fastapi import APIRouter, Depends, HTTPException, Path, Request
from pydantic import BaseModel, Field

from pulse.ingest import keys
from pulse.warehouse.connect import connect

T = TypeVar("T")


class Wanted(BaseModel):
    """A key to make: for a source of the client. The label says who uses it."""

    source: str = Field(pattern="^[a-z][a-z0-9_]{0,39}$")
    label: str = Field("", pattern="^[^\\x00-\\x1f]{0,100}$")


class Made(BaseModel):
    """A new key. `key` is shown here and never again."""

    id: int
    kind: str
    source: str
    key: str
    paths: list[str]


class Listed(BaseModel):
    """A key as it is stored."""

    id: int
    kind: str
    source: str
    label: str
    created_at: datetime
    revoked_at: datetime | None


async def only_admin(request: Request) -> None:
    """Raise HTTPException unless the request has the token of somebody who may change Airflow's Variables."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise HTTPException(HTTPStatus.UNAUTHORIZED, "sign in at Airflow's /auth/token, and send its token as Bearer")
    # Airflow is imported where it is needed: tools that only push need nothing of it.
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.core_api.security import resolve_user_from_token

    user = await resolve_user_from_token(token.strip())
    if not get_auth_manager().is_authorized_variable(method="PUT", user=user):
        raise HTTPException(HTTPStatus.FORBIDDEN, "only an admin makes, lists and revokes keys")


router = APIRouter(prefix="/v1/{client}/keys", dependencies=[Depends(only_admin)])
Client = Annotated[str, Path(pattern="^[a-z][a-z0-9_]{0,39}$")]


@router.post("", status_code=HTTPStatus.CREATED)
async def make_key(client: Client, wanted: Wanted) -> Made:
    """Make a key of a source. The answer shows it, once."""
    try:
        made = await _as_admin(lambda conn: keys.make(conn, client, wanted.source, wanted.label))
    except keys.KeyProblem as problem:
        raise HTTPException(HTTPStatus.NOT_FOUND, str(problem)) from None
    return Made(id=made.id, kind=made.kind, source=made.source, key=made.secret, paths=keys.paths(client, made))


@router.get("")
async def list_keys(client: Client) -> list[Listed]:
    """The keys of a client, also the revoked ones."""
    found = await _as_admin(lambda conn: keys.stored(conn, client))
    return [Listed.model_validate(one, from_attributes=True) for one in found]


@router.delete("/{key_id}", status_code=HTTPStatus.NO_CONTENT)
async def revoke_key(client: Client, key_id: Annotated[int, Path(ge=1, lt=2**63)]) -> None:
    """Revoke a key, from the next request on."""
    if not await _as_admin(lambda conn: keys.revoke(conn, client, key_id)):
        raise HTTPException(HTTPStatus.NOT_FOUND, f"client {client} has no key {key_id}")


async def _as_admin(work: Callable[[psycopg.Connection[Any]], T]) -> T:
    def run() -> T:
        with closing(connect("pulse_admin", options="-c pulse.actor=airflow_admin")) as conn, conn.transaction():
            return work(conn)

    return await asyncio.to_thread(run)
