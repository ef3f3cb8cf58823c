"""The sandbox and our queries, compared with what GitHub publishes about its APIs."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import requests
from graphql import GraphQLObjectType, GraphQLSchema, build_schema, parse, validate
from jsonschema import Draft7Validator

from pulse.sources.base import Credential
from pulse.sources.github import queries
from sandbox.github.api import cost, schema
from tests.conftest import SandboxServer
from tests.support.database import TestDatabase
from tests.support.extraction import Pipeline
from tests.support.keys import app_key

_INNER = (
    ("PullRequest", {**queries.PULL_REQUEST_CONNECTIONS, **queries.FILE_CONNECTIONS}),
    ("Deployment", queries.DEPLOYMENT_CONNECTIONS),
    ("Issue", queries.ISSUE_CONNECTIONS),
)
QUERIES = {
    **{name: value for name, value in vars(queries).items() if isinstance(value, str) and "query " in value},
    "named": queries.repositories_named(["acme/portal", "acme/billing"]),
    "census": queries.census({"pullRequests": "fullDatabaseId", "releases": "databaseId"}, {"releases": 'cur"sor'}),
    **{
        f"more {kind} {name}": queries.next_pages(kind, (name, spec), {"X_1": 'cursor"1', "X_2": "cursor2"})
        for kind, connections in _INNER
        for name, spec in connections.items()
    },
}


@cache
def public_schema(folder: Path) -> GraphQLSchema:
    text = (folder / "@octokit/graphql-schema/schema.graphql").read_text(encoding="utf-8")
    # The published file defines a field twice (as of 15.26.1), so duplicates are allowed.
    return build_schema(text, assume_valid=True, assume_valid_sdl=True)


@pytest.mark.parametrize("name", sorted(QUERIES))
def test_our_queries_are_valid_for_github(published: Path, name: str) -> None:
    assert validate(public_schema(published), parse(QUERIES[name])) == []


@pytest.mark.parametrize("name", sorted(QUERIES))
def test_our_queries_are_valid_for_the_sandbox(name: str) -> None:
    assert validate(schema(), parse(QUERIES[name])) == []


def test_the_sandbox_has_no_type_field_or_argument_of_its_own(published: Path) -> None:
    public = public_schema(published)
    compared = 0
    for name, ours in schema().type_map.items():
        if name.startswith("__"):
            continue
        theirs = public.type_map.get(name)
        assert theirs is not None, f"GitHub has no type {name}"
        for field, definition in getattr(ours, "fields", {}).items():
            assert field in theirs.fields, f"GitHub's {name} has no {field}"
            other = theirs.fields[field]
            assert str(definition.type) == str(other.type), f"{name}.{field}"
            for argument, about in getattr(definition, "args", {}).items():
                assert argument in other.args, f"{name}.{field}({argument})"
                assert str(about.type) == str(other.args[argument].type), f"{name}.{field}({argument})"
            compared += 1
        for value in getattr(ours, "values", {}):
            assert value in theirs.values, f"{name}.{value}"
        if isinstance(ours, GraphQLObjectType):
            assert {i.name for i in ours.interfaces} <= {i.name for i in theirs.interfaces}, name
    assert compared > 100


def test_costs_are_githubs_formula() -> None:
    assert cost(queries.PULL_REQUESTS, {"first": 24})[0] == 1
    assert cost(queries.PULL_REQUESTS_WITH_FILES, {"first": 100})[0] == 7
    assert cost(queries.DEPLOYMENTS, {"first": 100})[0] == 1
    # GitHub's own example: 100 repositories, 50 pull requests and 10 labels each: 5,101 requests, 51 points.
    example = """query { repositoryOwner(login: "x") { repositories(first: 100) { nodes { pullRequests(first: 50) {
        nodes { labels(first: 10) { nodes { name } } } } } } } }"""
    assert cost(example, {})[0] == 51


REST = {
    "/github/repos/acme/portal": ("/repos/{owner}/{repo}", None),
    "/github/orgs/acme/repos": ("/orgs/{org}/repos", None),
    "/github/repos/acme/portal/pulls": ("/repos/{owner}/{repo}/pulls", None),
    "/github/repos/acme/portal/pulls/1/commits": ("/repos/{owner}/{repo}/pulls/{pull_number}/commits", None),
    "/github/repos/acme/portal/deployments": ("/repos/{owner}/{repo}/deployments", None),
    "/github/repos/acme/portal/actions/runs": ("/repos/{owner}/{repo}/actions/runs", None),
    "/github/repos/acme/portal/pulls/1": ("/repos/{owner}/{repo}/pulls/{pull_number}", None),
    "/github/repos/acme/portal/pulls/3/reviews": ("/repos/{owner}/{repo}/pulls/{pull_number}/reviews", None),
    "/github/repos/acme/portal/pulls/3/comments": ("/repos/{owner}/{repo}/pulls/{pull_number}/comments", None),
    "/github/repos/acme/portal/issues/3/comments": ("/repos/{owner}/{repo}/issues/{issue_number}/comments", None),
    "/github/repos/acme/portal/pulls/1/files": ("/repos/{owner}/{repo}/pulls/{pull_number}/files", None),
}


@pytest.mark.parametrize("path", sorted(REST))
def test_rest_answers_contain_only_what_github_describes(published: Path, sandbox: SandboxServer, path: str) -> None:
    """Every field in an answer is described and has the described type. (The answers are trimmed, so fields are missing.)"""
    answer = requests.get(sandbox.url + path, headers={"Authorization": "Bearer ghp_sandbox_acme"}, timeout=30)
    assert answer.status_code == 200
    body = answer.json()
    described = described_answer(published, REST[path][0])
    errors = [error.message for error in Draft7Validator(described).iter_errors(body)]
    assert not errors, errors[:3]
    item = body[0] if isinstance(body, list) else body
    properties = (described.get("items") or described).get("properties", {})
    assert set(item) <= set(properties), sorted(set(item) - set(properties))


COMPLETE = {
    "issues?state=all": "issues",
    "issues/comments": "issues/comments",
    "releases": "releases",
    "tags": "tags",
    "commits": "commits",
    "actions/workflows": "actions/workflows",
    "pulls/comments": "pulls/comments",
}


@pytest.mark.parametrize("path", sorted(COMPLETE))
def test_lists_for_other_extractors_are_complete(published: Path, sandbox: SandboxServer, path: str) -> None:
    """Every field that GitHub's description requires is there, at every depth."""
    answer = requests.get(
        f"{sandbox.url}/github/repos/acme/portal/{path}",
        headers={"Authorization": "Bearer ghp_sandbox_acme"},
        timeout=30,
    )
    document = openapi(published)
    about = document["paths"]["/repos/{owner}/{repo}/" + COMPLETE[path]]["get"]["responses"]["200"]
    described = resolved(document, about["content"]["application/json"]["schema"], 0, dropped=("example",))
    body = answer.json()
    assert body
    errors = [f"{list(error.path)}: {error.message}" for error in Draft7Validator(described).iter_errors(body)]
    assert not errors, errors[:3]


def test_runs_are_listed_without_a_time(sandbox: SandboxServer) -> None:
    path = f"{sandbox.url}/github/repos/acme/portal/actions/runs?per_page=1"
    headers = {"Authorization": "Bearer ghp_sandbox_acme"}
    everything = requests.get(path, headers=headers, timeout=30).json()["total_count"]
    some = requests.get(f"{path}&created=2026-06-01T00:00:00Z..2026-07-01T00:00:00Z", headers=headers, timeout=30)
    assert everything > some.json()["total_count"] > 0


def test_every_rest_request_of_an_extraction_is_described(
    published: Path, sandbox: SandboxServer, db: TestDatabase
) -> None:
    """Whatever way an extraction takes, GitHub's description contains its paths, methods and parameters."""
    private, public = app_key()
    sandbox.add_github_app(app_id="1", public_key=public, organisation="acme")
    pipeline = Pipeline.of(db, sandbox.url, "acme", repositories=["portal"])
    integration, _ = pipeline.integrations[0]
    integration.config["pull_request_files"] = True
    pipeline.integrations = [(integration, Credential("1", private))]
    sandbox.add_fault(path_regex="/github/", body_regex=r"query PullRequests", count=5, status=502)
    pipeline.extract()
    sandbox.mutate("acme", 4, 1, actions=["start_run"], repository="portal")
    pipeline.extract()
    sandbox.set_clock("2026-07-01T12:00:00+00:00")
    pipeline.extract()
    asked = [
        request for request in sandbox.counters()["requests"] if "/github/" in request and "/graphql" not in request
    ]
    for request in asked:
        method, _, rest = request.partition(" ")
        path, _, parameters = rest.removeprefix("/github").partition("?")
        described = [
            operation[method.lower()]
            for template, operation in openapi(published)["paths"].items()
            if method.lower() in operation and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path)
        ]
        assert described, request
        document = openapi(published)
        names = {resolved(document, parameter, 0)["name"] for parameter in described[0].get("parameters", [])}
        assert set(filter(None, parameters.split(","))) <= names, request
    ways = ("installation", "access_tokens", "/actions/runs?", "/attempts/", "/reviews", "/timeline", "/files")
    assert all(any(way in request for request in asked) for way in ways), asked


@cache
def openapi(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "@octokit/openapi/generated/api.github.com.json").read_text(encoding="utf-8")))


def described_answer(folder: Path, path: str) -> dict[str, Any]:
    document = openapi(folder)
    found = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    return dict(resolved(document, found, 0))


def resolved(
    document: dict[str, Any], node: Any, depth: int, dropped: tuple[str, ...] = ("required", "example")
) -> Any:
    """The description with references resolved, `nullable` as a type, and nothing required."""
    if isinstance(node, list):
        return [resolved(document, item, depth, dropped) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        target: Any = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        return resolved(document, target, depth + 1, dropped) if depth < 8 else {}
    result = {key: resolved(document, value, depth, dropped) for key, value in node.items() if key not in dropped}
    nullable = result.pop("nullable", False)
    for choice in {"anyOf", "oneOf"} & set(result) if nullable else ():
        result[choice] = [*result[choice], {"type": "null"}]
    if nullable and isinstance(result.get("type"), str):
        result["type"] = [result["type"], "null"]
        if "enum" in result:
            result["enum"] = [*result["enum"], None]
    return result
