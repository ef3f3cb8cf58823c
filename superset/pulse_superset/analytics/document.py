"""The OpenAPI document of the analytics API, made from the resources and the comments of their columns."""

from __future__ import annotations

from typing import Any

from pulse_superset.analytics import reading
from pulse_superset.analytics.resources import RESOURCES, ROOT

_TYPES: dict[str, dict[str, Any]] = {
    "boolean": {"type": ["boolean", "null"]},
    "smallint": {"type": ["integer", "null"]},
    "integer": {"type": ["integer", "null"]},
    "bigint": {"type": ["integer", "null"]},
    "numeric": {"type": ["number", "null"]},
    "double precision": {"type": ["number", "null"]},
    "date": {"type": ["string", "null"], "format": "date"},
    "timestamp with time zone": {"type": ["string", "null"], "format": "date-time"},
    "timestamp without time zone": {"type": ["string", "null"], "format": "date-time"},
    "text[]": {"type": ["array", "null"], "items": {"type": "string"}},
}


def document(login: str) -> dict[str, Any]:
    """The document (OpenAPI 3.1). Raises DatabaseAway."""
    fields = {name: reading.columns(login, resource) for name, resource in RESOURCES.items()}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Pulse: analytics",
            "version": "1",
            "description": "What the dashboards show, one client's rows only.",
        },
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "schemas": {
                name: {
                    "type": "object",
                    "properties": {c.name: _schema(c.type) | {"description": c.meaning} for c in columns},
                }
                for name, columns in fields.items()
            },
        },
        "security": [{"token": []}],
        "paths": {f"{ROOT}{name}": {"get": _operation(name, columns)} for name, columns in fields.items()},
    }


def _schema(type_: str) -> dict[str, Any]:
    return dict(_TYPES.get(type_, {} if type_ == "jsonb" else {"type": ["string", "null"]}))


def _operation(name: str, columns: list[reading.Column]) -> dict[str, Any]:
    resource = RESOURCES[name]
    times = {"since": "Rows from this time on", "until": "Rows before this time"} if resource.time else {}
    parameters = [
        {"name": key, "in": "query", "schema": {"type": "string"}, "description": f"{text}, by {resource.time}."}
        for key, text in times.items()
    ]
    parameters += [
        _parameter(
            "limit",
            "Rows of a page.",
            {"type": "integer", "minimum": 1, "maximum": reading.MOST, "default": reading.USUAL},
        ),
        _parameter("cursor", "Where the page before ended: `next` of its answer.", {"type": "string"}),
        _parameter("format", "In place of the header Accept.", {"enum": ["json", "csv"]}),
    ]
    parameters += [
        _parameter(
            c.name, f"{c.meaning} Rows with one of these values.", {"type": "array", "items": {"type": "string"}}
        )
        for c in columns
        if not c.type.endswith("[]") and c.type != "jsonb"
    ]
    rows = {"type": "array", "items": {"$ref": f"#/components/schemas/{name}"}}
    answer = {"type": "object", "properties": {"data": rows, "next": {"type": ["string", "null"]}}}
    return {
        "summary": resource.description,
        "operationId": name,
        "parameters": parameters,
        "responses": {
            "200": {
                "description": "A page, the newest rows first.",
                "headers": {"ETag": {"schema": {"type": "string"}}, "Link": {"schema": {"type": "string"}}},
                "content": {"application/json": {"schema": answer}, "text/csv": {"schema": {"type": "string"}}},
            },
            "304": {"description": "Nothing has changed since the answer with this ETag."},
            "400": {"description": "A parameter cannot be used; `message` says which and why."},
            "401": {"description": "Nobody is signed in."},
            "429": {"description": "Too many requests at once; try again after the time in Retry-After."},
            "503": {"description": "The data cannot be read at the moment."},
        },
    }


def _parameter(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema, "description": description}
