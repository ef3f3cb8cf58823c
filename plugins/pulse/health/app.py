"""The app under /pulse/clients of Airflow's API server. Airflow mounts it without authentication: every route asks for Airflow's
own login and one of its two roles."""

from __future__ import annotations

import logging
from dataclasses import asdict
from http import HTTPStatus
from itertools import groupby
from pathlib import Path
from typing import Any

import psycopg
from fastapi import Depends, FastAPI, WebSocket
from fastapi.responses import HTMLResponse, JSONResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pulse import environ
from pulse.health import backups, live, state, under_way
from pulse.orchestration.dag import dag_id
from pulse.people import postman

PREFIX = "/pulse/clients"
SCRIPT = Path(__file__).with_name("live.js")
AWAY = "The replica does not answer. The primary and Airflow may work: ./pulse status says which process is away."

log = logging.getLogger(__name__)


def create_app() -> FastAPI:
    """The page at /, the same as JSON at /health.json, what is at work at /progress, and the page's socket at /live."""
    from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
    from airflow.api_fastapi.core_api.security import requires_access_view

    pages = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    app = FastAPI(title="Pulse: clients", openapi_url=None, docs_url=None, redoc_url=None, lifespan=postman.working)
    allowed = [Depends(requires_access_view(AccessView.PLUGINS))]

    @app.get("/", dependencies=allowed)
    def page() -> Response:
        try:
            found, steps, installation = state.read(), under_way.read(), backups.problems()
        except psycopg.OperationalError as error:
            log.warning("the clients' state cannot be read: %s", error)
            return HTMLResponse(pages.get_template("page.html").render(clients=[], away=AWAY, installation=[]), 503)
        return HTMLResponse(
            pages.get_template("page.html").render(
                clients=found,
                steps={slug: list(some) for slug, some in groupby(steps, key=lambda step: step.client)},
                away="",
                installation=installation,
                dag_id=dag_id,
                brief=f"{environ.SUPERSET_PUBLIC_URL.get().rstrip('/')}/pulse/brief/?client=",
            ),
            headers={"Cache-Control": "no-store"},
        )

    @app.get("/health.json", dependencies=allowed)
    def as_json() -> Response:
        try:
            rows: list[dict[str, Any]] = [asdict(client) for client in state.read()]
        except psycopg.OperationalError:
            return JSONResponse({"detail": AWAY}, HTTPStatus.SERVICE_UNAVAILABLE)
        for row in rows:
            row["last_read"] = row["last_read"].isoformat() if row["last_read"] else None
        return JSONResponse(rows, headers={"Cache-Control": "no-store"})

    @app.get("/progress", dependencies=allowed)
    def progress() -> Response:
        try:
            steps = under_way.read()
        except psycopg.OperationalError:
            return JSONResponse({"detail": AWAY}, HTTPStatus.SERVICE_UNAVAILABLE)
        rows = [{**asdict(step), "since": step.since.isoformat()} for step in steps]
        return JSONResponse(rows, headers={"Cache-Control": "no-store"})

    @app.get("/live.js", dependencies=allowed)
    def script() -> Response:
        return Response(SCRIPT.read_text(encoding="utf-8"), media_type="text/javascript")

    @app.websocket("/live")
    async def follow(socket: WebSocket) -> None:
        await live.serve(socket)

    return app
