"""GitHub's GraphQL and REST endpoints: authentication, costs, rate-limit headers, error shapes."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from graphql import (
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    build_schema,
    execute_sync,
    parse,
    validate,
)
from graphql.language import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    IntValueNode,
    SelectionSetNode,
    VariableNode,
)
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.github import rest
from sandbox.github.apps import App, Apps
from sandbox.github.nodes import View
from sandbox.github.paging import GraphQLRefusal, Node
from sandbox.state import Budget, State
from sandbox.world.model import Organisation

NODE_LIMIT = 500_000


@cache
def schema() -> GraphQLSchema:
    """The SDL as an executable schema. GitHub's Int exceeds 32 bits (databaseId of deployments), so ours may too."""
    built = build_schema((Path(__file__).parent / "schema.graphql").read_text(encoding="utf-8"))
    whole = built.type_map["Int"]
    for name in ("serialize", "coerce_output_value"):  # the attribute's name before and since graphql-core 3.3
        if hasattr(whole, name):
            setattr(whole, name, lambda value: value)
    return built


def cost(query: str, variables: dict[str, Any]) -> tuple[int, int]:
    """(points, nodes) of a query by GitHub's formula. Points are requested connections / 100, rounded, at least 1."""
    document = _parsed(query)
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
    operation = next(d for d in document.definitions if isinstance(d, OperationDefinitionNode))
    requests, nodes = _walk(operation.selection_set, 1, variables, fragments)
    return max(1, round(requests / 100)), nodes


_parsed = lru_cache(200)(parse)


@lru_cache(200)
def _mistakes(query: str) -> list[GraphQLError]:
    """What is wrong with a query by the schema."""
    return validate(schema(), _parsed(query))


def _walk(
    selections: SelectionSetNode | None,
    times: int,
    variables: dict[str, Any],
    fragments: dict[str, FragmentDefinitionNode],
) -> tuple[int, int]:
    requests = nodes = 0
    for selection in selections.selections if selections else ():
        inner = times
        if isinstance(selection, FieldNode):
            first = next((a.value for a in selection.arguments or () if a.name.value in ("first", "last")), None)
            if first is not None:
                count = _number(first, variables)
                requests += times
                nodes += times * count
                inner = times * count
            subset = selection.selection_set
        elif isinstance(selection, FragmentSpreadNode):
            subset = fragments[selection.name.value].selection_set
        else:
            assert isinstance(selection, InlineFragmentNode)
            subset = selection.selection_set
        more_requests, more_nodes = _walk(subset, inner, variables, fragments)
        requests, nodes = requests + more_requests, nodes + more_nodes
    return requests, nodes


def _number(value: Any, variables: dict[str, Any]) -> int:
    if isinstance(value, IntValueNode):
        return int(value.value)
    return int(variables.get(value.name.value, 1)) if isinstance(value, VariableNode) else 1


class GitHubApi:
    """Both endpoints; `state` counts calls and points."""

    def __init__(self, organisations: dict[str, Organisation], state: State) -> None:
        self.organisations = organisations
        self.state = state
        self.apps = Apps()

    def organisation_of(self, request: Request) -> Organisation | None:
        """The organisation whose token the request carries."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() not in ("bearer", "token"):
            return None
        if token.startswith("ghs_"):
            return self.organisations.get(self.apps.organisation_of(token) or "")
        # ghp_sandbox_<login>, and after a dot any text that a test wants to find again.
        login = token.removeprefix("ghp_sandbox_").partition(".")[0]
        return self.organisations.get(login) if token.startswith("ghp_sandbox_") else None

    def _app_of(self, request: Request) -> App | None:
        return self.apps.signed_by(request.headers.get("authorization", "").partition(" ")[2])

    async def access_token(self, request: Request) -> Response:
        """POST /github/app/installations/{id}/access_tokens."""
        app = self._app_of(request)
        if app is None:
            return JSONResponse({"message": "A JSON web token could not be decoded", "status": "401"}, 401)
        token, ends = self.apps.give_token(app)
        return JSONResponse(
            {
                "token": token,
                "expires_at": datetime.fromtimestamp(ends, UTC).isoformat(),
                "permissions": {},
                "repository_selection": "all",
            },
            201,
        )

    async def graphql(self, request: Request) -> Response:
        """POST /github/graphql."""
        organisation = self.organisation_of(request)
        if organisation is None:
            return JSONResponse(
                {"message": "Bad credentials", "documentation_url": "https://docs.github.com/graphql", "status": "401"},
                401,
            )
        body = await request.json()
        query, variables = str(body.get("query", "")), body.get("variables") or {}
        try:
            points, nodes = cost(query, variables)
        except GraphQLError as error:
            return JSONResponse({"errors": [{"message": error.message}]})
        if nodes > NODE_LIMIT:
            return JSONResponse(
                {
                    "errors": [
                        {
                            "type": "MAX_NODE_LIMIT_EXCEEDED",
                            "message": f"This query requests up to {nodes:,} possible nodes"
                            " which exceeds the maximum limit of 500,000.",
                        }
                    ]
                }
            )
        if self.state.too_fast(organisation.login, "graphql", 1):
            return _secondary()
        budget = self.state.budget(organisation.login, "graphql", points)
        if budget.exhausted:
            return JSONResponse(
                {"errors": [{"type": "RATE_LIMITED", "message": "API rate limit exceeded"}]}, headers=budget.headers
            )
        question = (query, json.dumps(variables, sort_keys=True))
        data, errors = self.state.once(organisation.login, question, lambda: self._executed(organisation, *question))
        if "rateLimit" in data:
            rate = _rate(points, nodes, budget)
            data = {**data, "rateLimit": {name: rate[name] for name in data["rateLimit"]}}
        answer: dict[str, Any] = {"data": data or None, **({"errors": errors} if errors else {})}
        return JSONResponse(answer, headers=budget.headers)

    def _executed(self, organisation: Organisation, query: str, variables: str) -> tuple[Node, list[Node]]:
        """The data and the errors of a query; the budget is not in it yet."""
        if wrong := _mistakes(query):
            return {}, [_error(error) for error in wrong]
        root = self._root(View(organisation, self.state.now()))
        result = execute_sync(schema(), _parsed(query), root, variable_values=json.loads(variables))
        return result.data or {}, [_error(error) for error in result.errors or ()]

    def _root(self, view: View) -> dict[str, Any]:
        def found(value: Any, what: str) -> Any:
            if value is None:
                raise GraphQLRefusal(f"Could not resolve to a {what}.", "NOT_FOUND")
            return value

        return {
            "viewer": {"__typename": "User", "id": "U_viewer", "login": f"{view.organisation.login}-pulse"},
            "rateLimit": _rate(0, 0, Budget(0, 0, 0, "")),
            "repository": lambda info, owner, name, **_: found(
                view.repository(owner, name), f"Repository with the name '{owner}/{name}'"
            ),
            "repositoryOwner": lambda info, login: view.owner(login),
            "node": lambda info, id: found(view.node(id), f"node with the global id of '{id}'"),
            "nodes": lambda info, ids: [view.node(identity) for identity in ids],
        }

    async def rest(self, request: Request) -> Response:
        """GET /github/… (everything except GraphQL)."""
        installation = re.fullmatch(r"(?:orgs|users)/([^/]+)/installation", request.path_params["path"].strip("/"))
        if installation:
            app = self._app_of(request)
            if app is None:
                return JSONResponse({"message": "A JSON web token could not be decoded", "status": "401"}, 401)
            known = app.organisation.lower() == installation[1].lower()
            return JSONResponse(
                {"id": 4711, "app_id": app.app_id} if known else {"message": "Not Found"}, 200 if known else 404
            )
        organisation = self.organisation_of(request)
        if organisation is None:
            return JSONResponse(
                {"message": "Bad credentials", "documentation_url": "https://docs.github.com/rest", "status": "401"},
                401,
            )
        if self.state.too_fast(organisation.login, "core", 1):
            return _secondary()
        budget = self.state.budget(organisation.login, "core", 1)
        if budget.exhausted:
            return JSONResponse({"message": "API rate limit exceeded"}, 403, headers=budget.headers)
        response = rest.answer(View(organisation, self.state.now()), request)
        response.headers.update({**budget.headers, "x-github-request-id": f"SANDBOX:{time.monotonic_ns():x}"})
        return response


def _rate(points: int, nodes: int, budget: Budget) -> Node:
    return {
        "cost": points,
        "limit": budget.limit,
        "nodeCount": nodes,
        "remaining": budget.remaining,
        "resetAt": datetime.fromtimestamp(budget.reset, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "used": budget.limit - budget.remaining,
    }


def _secondary() -> Response:
    message = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
    return JSONResponse({"message": message}, 403, headers={"Retry-After": "60"})


def _error(error: GraphQLError) -> dict[str, Any]:
    answer: dict[str, Any] = {"message": error.message}
    kind = (getattr(error.original_error, "extensions", None) or {}).get("type")
    if kind:
        answer["type"] = kind
    if error.path:
        answer["path"] = list(error.path)
    return answer
