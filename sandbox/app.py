"""The sandbox as one ASGI application: GitHub below /github, Jira below /jira/<slug>, a pager and a deployment tool below
/custom/<slug>, faults and counters below /_sandbox."""

from __future__ import annotations

import asyncio
import dataclasses
import pickle
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.chaos import Chaos
from sandbox.custom.api import CustomApi
from sandbox.github.api import GitHubApi
from sandbox.jira.api import JiraApi
from sandbox.spoil import spoiled
from sandbox.state import Fault, State
from sandbox.world.model import Organisation
from sandbox.world.mutate import Mutation

Handler = Callable[[Request], Awaitable[Response]]


class Cut(Exception):
    """Closes the connection in the middle of an answer."""


def build_app(organisations: list[Organisation], state: State) -> Starlette:
    """The application for these organisations. Each organisation's Jira site is served under the site's slug."""
    github = GitHubApi({o.login: o for o in organisations}, state)
    jira = JiraApi({o.site.slug: o.site for o in organisations if o.site}, state)
    custom = CustomApi({o.site.slug: o for o in organisations if o.site}, state)

    untouched: dict[str, bytes] = {}

    def counted(handler: Handler) -> Handler:
        async def wrapped(request: Request) -> Response:
            fault = state.take_fault(request.url.path, (await request.body()).decode("utf-8", "replace"))
            if fault is not None and not fault.spoils:
                faulty = await _faulty(fault)
                if faulty is not None:
                    return faulty
            if state.chaos is not None:
                state.chaos.change()
            state.calls[request.url.path] += 1
            state.requests.add(f"{request.method} {request.url.path}?{','.join(sorted(request.query_params))}")
            response = await handler(request)
            if fault is not None and fault.spoils:
                response = spoiled(response, fault)
            response.headers.update(state.headers)
            response.headers["Date"] = format_datetime(state.now() + timedelta(seconds=state.skew_seconds), usegmt=True)
            return response

        return wrapped

    async def health(request: Request) -> Response:
        return JSONResponse({"status": "ok", "organisations": sorted(github.organisations)})

    async def add_fault(request: Request) -> Response:
        body: dict[str, Any] = await request.json()
        known = {f.name for f in dataclasses.fields(Fault)}
        if unknown := set(body) - known:
            return JSONResponse({"error": f"unknown {sorted(unknown)}: known are {sorted(known)}"}, 400)
        state.faults.append(Fault(**body))
        return JSONResponse({"faults": len(state.faults)})

    async def end_faults(request: Request) -> Response:
        state.faults.clear()
        return JSONResponse({})

    async def counters(request: Request) -> Response:
        return JSONResponse(
            {"calls": dict(state.calls), "points": dict(state.points), "requests": sorted(state.requests)}
        )

    async def set_clock(request: Request) -> Response:
        """{"now": ISO time} stops the world's clock at that time; {"now": null} lets it run."""
        value = (await request.json())["now"]
        state.frozen = datetime.fromisoformat(value).astimezone(UTC) if value else None
        return JSONResponse({"now": state.now().isoformat()})

    async def set_chaos(request: Request) -> Response:
        """Random faults: {"seed": n, "rate": share of requests that fail, "organisation": whose world changes during syncs,
        "change_rate": before which share of requests}. Rate 0 ends them. Answers with the faults so far, by kind."""
        body = await request.json()
        before = state.chaos

        def mutate(seed: int) -> None:
            Mutation(remembered(body["organisation"]), seed, state.now()).run(1)

        rates = (float(body["rate"]), float(body.get("change_rate", 0)))
        state.chaos = Chaos(int(body["seed"]), *rates, mutate) if any(rates) else None
        return JSONResponse(dict(before.done) if before else {})

    def remembered(login: str) -> Organisation:
        """An organisation that is about to change; its present state is kept, so that a reset can restore it."""
        if login not in untouched:
            untouched[login] = pickle.dumps(github.organisations[login])
        state.changed(login)
        return github.organisations[login]

    async def set_settings(request: Request) -> Response:
        """Behaviour until the next reset: {"limit": points per hour, "secondary": true (limits per minute), "others_points": n
        (what others spend of those limits with the same credentials), "skew_seconds": n (of the Date header),
        "search_lag_seconds": n and "repeat_page_tokens": true (how Jira's search misbehaves)}."""
        body: dict[str, Any] = await request.json()
        known = {
            "limit": int,
            "secondary": bool,
            "others_points": int,
            "skew_seconds": float,
            "search_lag_seconds": float,
            "repeat_page_tokens": bool,
        }
        if unknown := set(body) - set(known):
            return JSONResponse({"error": f"unknown {sorted(unknown)}: known are {sorted(known)}"}, 400)
        for name, value in body.items():
            setattr(state, name, known[name](value))
        return JSONResponse(body)

    async def mutate(request: Request) -> Response:
        """Random changes at the clock's time: {"organisation": login, "seed": n, "steps": n, "actions": [names; empty for any],
        "repository": name or null}. Answers with a list of the changes. A reset undoes them."""
        body = await request.json()
        organisation = remembered(body["organisation"])
        mutation = Mutation(organisation, int(body["seed"]), state.now(), body.get("actions"), body.get("repository"))
        return JSONResponse(mutation.run(int(body["steps"])))

    async def set_headers(request: Request) -> Response:
        """Headers that are sent with every answer: {name: value}."""
        state.headers.update(await request.json())
        return JSONResponse({})

    async def add_github_app(request: Request) -> Response:
        """Install a GitHub App at an organisation: {"app_id", "public_key", "organisation", "token_seconds"}."""
        github.apps.add(await request.json())
        return JSONResponse({})

    async def reset(request: Request) -> Response:
        state.reset()
        for login, saved in untouched.items():
            vars(github.organisations[login]).update(vars(pickle.loads(saved)))
            if site := github.organisations[login].site:
                jira.sites[site.slug] = site
        untouched.clear()
        return JSONResponse({})

    return Starlette(
        routes=[
            Route("/health", health),
            Route("/_sandbox/faults", add_fault, methods=["POST"]),
            Route("/_sandbox/faults/end", end_faults, methods=["POST"]),
            Route("/_sandbox/counters", counters),
            Route("/_sandbox/clock", set_clock, methods=["POST"]),
            Route("/_sandbox/chaos", set_chaos, methods=["POST"]),
            Route("/_sandbox/settings", set_settings, methods=["POST"]),
            Route("/_sandbox/mutate", mutate, methods=["POST"]),
            Route("/_sandbox/headers", set_headers, methods=["POST"]),
            Route("/_sandbox/github_apps", add_github_app, methods=["POST"]),
            Route("/_sandbox/reset", reset, methods=["POST"]),
            Route("/github/graphql", counted(github.graphql), methods=["POST"]),
            Route("/github/app/installations/{id}/access_tokens", counted(github.access_token), methods=["POST"]),
            Route("/github/{path:path}", counted(github.rest)),
            Route("/jira/{slug}/{path:path}", counted(jira.handle), methods=["GET", "POST"]),
            Route("/custom/{slug}/{path:path}", counted(custom.handle)),
        ]
    )


async def _faulty(fault: Fault) -> Response | None:
    """The fault's answer; None if it only delays the real one."""
    if fault.delay_seconds:
        await asyncio.sleep(fault.delay_seconds)
    if fault.cut:
        return _CutResponse()
    if fault.status is None:
        return None
    if isinstance(fault.body, str):
        return Response(fault.body, fault.status, headers=fault.headers, media_type="text/html")
    return JSONResponse(fault.body or {"message": "fault"}, fault.status, headers=fault.headers)


class _CutResponse(Response):
    """Announces a body and ends before the body is complete."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"data": {', "more_body": True})
        raise Cut("the connection was cut on purpose")
